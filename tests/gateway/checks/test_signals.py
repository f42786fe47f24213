"""The signals as a whole: unique, readable, weighed."""

import json
import math
import re
from importlib import resources

from gateway.checks import ALL_SIGNALS, PURE

CATEGORIES = {"", "spam", "phish", "bec", "malware", "bulk", "auth", "trap", "policy"}


def weights() -> dict[str, float]:
    file = resources.files("models.artefacts") / "default" / "weights.json"
    signals: dict[str, float] = json.loads(file.read_text("utf-8"))["signals"]
    return signals


def test_names_are_unique_and_well_formed() -> None:
    names = [signal.name for signal in ALL_SIGNALS]
    assert len(names) == len(set(names))
    assert [n for n in names if not re.fullmatch(r"[a-z_]+(\.[a-z0-9_-]+)?", n)] == []


def test_every_about_reads_as_a_sentence() -> None:
    for signal in ALL_SIGNALS:
        assert signal.about[0].isupper(), signal
        assert not signal.about.endswith("."), signal
        assert len(signal.about.split()) >= 4, signal
        assert len(signal.about) <= 100, signal
        assert re.findall(r"\{\w*\}", signal.about) in ([], ["{detail}"]), signal


def test_categories_are_known() -> None:
    assert {signal.category for signal in ALL_SIGNALS} <= CATEGORIES


def test_every_signal_has_a_weight_and_every_weight_a_signal() -> None:
    assert set(weights()) == {signal.name for signal in ALL_SIGNALS}


def test_weights_are_sane_and_sorted() -> None:
    table = weights()
    assert list(table) == sorted(table)
    assert all(math.isfinite(nats) and -6 <= nats <= 12 for nats in table.values())
    accusing = {s.name for s in ALL_SIGNALS if s.category not in {"", "bulk"}}
    assert [n for n in accusing if table[n] < 0] == []


def test_checks_have_unique_names() -> None:
    assert len({check.name for check in PURE}) == len(PURE)
