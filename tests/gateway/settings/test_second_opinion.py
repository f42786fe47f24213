"""Settings of the second opinion that cannot work are refused with a sentence."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import ConfigError, parse

URL = "https://api.example/v1/chat/completions"
DOMAIN = {"domain": {"example.com": {}}}


def test_off_by_default(tmp_path: Path) -> None:
    assert parse(DOMAIN, tmp_path).second_opinion.url == ""


def test_the_key_lies_beside_the_configuration(tmp_path: Path) -> None:
    config = parse({**DOMAIN, "second_opinion": {"url": URL, "model": "m", "key_file": "key"}}, tmp_path)
    assert config.second_opinion.key_file == str(tmp_path / "key")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "http://api.example/v1", "model": "m"}, "use https"),
        ({"url": "http://169.254.169.254/", "model": "m"}, "use https"),
        ({"url": URL}, "second_opinion.model"),
        ({"url": URL, "model": "m", "band": [0.9, 0.1]}, "rising order"),
        ({"url": URL, "model": "m", "timeout_s": 0}, "timeout_s"),
        ({"url": URL, "model": "m", "timeout_s": 600}, "timeout_s"),
        ({"url": URL, "model": "m", "characters": 10**6}, "characters"),
        ({"url": URL, "model": "m", "tokens_per_day": -1}, "0 or more"),
        ({"url": URL, "model": "m", "cost_per_day": 1.0}, "price_per_million"),
        ({"ulr": URL}, "did you mean second_opinion.url"),
    ],
    ids=["plain", "link-local", "no model", "band", "no time", "too long", "too much", "budget", "no price", "slip"],
)
def test_what_cannot_work(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        parse({**DOMAIN, "second_opinion": settings}, tmp_path)
