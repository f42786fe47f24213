"""Fitted weights: what the mails show moves, what they do not keeps its prior, and no sign turns."""

import numpy as np
import pytest

from models.combiner import Weights
from training.fit.combiner import fit_signals

BY_HAND = Weights(-0.8, {"url.ip-host": 1.0, "bulk.list": -0.5, "subject.money": 0.4, "spf.fail": 1.0, "rare": 2.0})


def fitted(seen: list[dict[str, float]], unwanted: list[bool]) -> dict[str, float]:
    return fit_signals(seen, np.zeros(len(seen)), np.array(unwanted), np.ones(len(seen)), BY_HAND)


def test_evidence_moves_a_weight_towards_what_was_seen() -> None:
    seen = [{"url.ip-host": 1.0} if i % 2 else {} for i in range(400)]
    assert fitted(seen, [bool(i % 2) for i in range(400)])["url.ip-host"] > 1.5


def test_a_weight_may_vanish_but_not_turn() -> None:
    seen = [{"subject.money": 1.0} if i % 2 else {} for i in range(400)]
    assert fitted(seen, [not i % 2 for i in range(400)])["subject.money"] == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "mails"),
    [
        pytest.param("rare", 3, id="too-few"),
        pytest.param("spf.fail", 200, id="not-in-a-file"),
        pytest.param("unheard-of", 200, id="no-weight"),
    ],
)
def test_what_cannot_be_learnt_stays(name: str, mails: int) -> None:
    seen = [{name: 1.0} if i < mails else {"url.ip-host": 1.0} if i % 2 else {} for i in range(400)]
    assert name not in fitted(seen, [i < 200 for i in range(400)])


def test_nothing_seen_changes_nothing() -> None:
    assert fitted([{}] * 40, [True, False] * 20) == {}
