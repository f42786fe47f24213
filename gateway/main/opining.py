"""The second opinion, built from the configuration."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gateway.checks.opinion import SecondReader
from gateway.config import ConfigError
from gateway.net.chat_budget import Spending
from gateway.settings import Config
from gateway.settings.second_opinion import endpoint_of
from store.changes.engine import Store

_KEY_OCTETS = 4_096


def second_reader_of(config: Config, store: Store, clock: Callable[[], datetime]) -> SecondReader | None:
    """None without ``second_opinion.url``. Raises ConfigError."""
    settings = config.second_opinion
    if not settings.url:
        return None
    spending = Spending(store, settings, lambda: int(clock().timestamp() * 1000))
    return SecondReader(settings, endpoint_of(settings.url), _key_of(settings.key_file), spending)


def _key_of(file: str) -> str:
    if not file:
        return ""
    try:
        with Path(file).open("rb") as opened:
            key = opened.read(_KEY_OCTETS).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"second_opinion.key_file: {file}: cannot be read: {error}") from error
    if not key or not key.isprintable() or " " in key:
        raise ConfigError(f"second_opinion.key_file: {file}: expected one line with the key and nothing else")
    return key
