"""Every signal has a mail that shows it and one that nearly does."""

import pytest

from gateway.checks import PURE
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.run import ask_pure
from tests.gateway.checks import golden, golden_journey, near_misses
from tests.gateway.checks.golden import ORDINARY, Make
from tests.gateway.checks.ordinary import MODERN, NEUTRAL

HITS = golden.HITS | golden_journey.HITS
MISSES = near_misses.MISSES | golden_journey.MISSES

ELSEWHERE = ("spf.", "dkim.", "arc.", "dmarc.", "iprev.")  #: tested in test_auth.py


def seen(facts: DataFacts) -> set[str]:
    return {evidence.signal.name for evidence in ask_pure(PURE, facts)}


@pytest.mark.parametrize(("name", "make"), HITS.items(), ids=HITS.keys())
def test_a_mail_shows(name: str, make: Make) -> None:
    assert name in seen(make())


@pytest.mark.parametrize(("name", "make"), MISSES.items(), ids=MISSES.keys())
def test_a_near_miss_does_not_show(name: str, make: Make) -> None:
    found = seen(make())
    assert name not in found
    assert "check.failed" not in found


@pytest.mark.parametrize("make", ORDINARY.values(), ids=ORDINARY.keys())
def test_ordinary_mail_shows_nothing(make: Make) -> None:
    assert {n for n in seen(make()) if not n.startswith(ELSEWHERE)} <= {"history.first-contact"}


@pytest.mark.parametrize("make", MODERN.values(), ids=MODERN.keys())
def test_modern_mail_shows_nothing_suspicious(make: Make) -> None:
    assert {n for n in seen(make()) if not n.startswith(ELSEWHERE)} <= NEUTRAL


def test_every_signal_has_a_hit_and_a_near_miss() -> None:
    names = {s.name for check in PURE for s in check.emits if not s.name.startswith(ELSEWHERE)}
    assert names == set(HITS)
    assert names == set(MISSES)


def test_details_are_short_and_printable() -> None:
    for make in HITS.values():
        for evidence in ask_pure(PURE, make()):
            assert len(evidence.detail) <= 200, evidence
            assert "\x00" not in evidence.detail and "\u202e" not in evidence.detail, evidence
