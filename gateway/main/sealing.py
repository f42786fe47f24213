"""The key that seals what we hand on, read when the server starts."""

from pathlib import Path

from gateway.config import ConfigError
from gateway.mailauth.seal import Sealer, UnusableKey, load_sealer
from gateway.settings import Config


def sealer_of(config: Config) -> Sealer | None:
    """None when no key is configured. Raises ConfigError."""
    auth = config.auth
    if not auth.seal_key:
        return None
    try:
        return load_sealer(Path(auth.seal_key).read_bytes(), auth.seal_domain, auth.seal_selector)
    except OSError as error:
        raise ConfigError(f"auth.seal_key: {auth.seal_key}: cannot be read: {error.strerror}") from error
    except UnusableKey as error:
        raise ConfigError(f"auth.seal_key: {auth.seal_key}: {error}") from error
