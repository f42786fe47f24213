"""Figures of scored mail against numbers worked out by hand, and their intervals."""

import numpy as np
import pytest

from training.corpus.sample import Label
from training.evaluate.cases import Case
from training.evaluate.figures import balanced_error, calibration, confusion, costs, figures, grouped, share, worst
from training.evaluate.scoring import Answer, Limits, Scored


def scored(nats: float, label: Label, source: str = "a", language: str = "en") -> Scored:
    answer = Answer(nats, Limits().action(1 / (1 + np.exp(-nats))))
    return Scored(Case(b"", label, source), f"{nats}", language, {"words": answer}, ms={"parse": abs(nats)})


MAILS = [
    *(scored(nats, Label.HAM) for nats in (-3.0, -2.0, -1.0, 2.0)),
    *(scored(nats, Label.PHISH, "b", "de") for nats in (-0.5, 0.5, 1.0, 4.0)),
]


def test_one_row_of_figures() -> None:
    row = figures("all", MAILS, "words", seed=1)
    assert (row.wanted, row.unwanted) == (4, 4)
    assert row.auc is not None and row.auc.value == 13 / 16
    assert row.recall_05 is not None and row.recall_05.value == 0.25
    assert row.junked is not None and (row.junked.count, row.junked.of) == (1, 4)
    assert row.held is not None and row.held.count == 1
    assert row.found is not None and row.found.count == 3
    assert row.accuracy == 6 / 8


def test_the_same_seed_gives_the_same_intervals_that_hold_the_value() -> None:
    first, again, other = (figures("all", MAILS, "words", seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first.auc is not None and first.auc.low <= first.auc.value <= first.auc.high


def test_what_needs_both_kinds_of_mail_is_not_given_for_one() -> None:
    row = figures("a", MAILS[:4], "words", seed=1)
    assert row.auc is None and row.recall_05 is None and row.ece is None and row.found is None
    assert row.junked is not None


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 300, 0.0, 0.0126), (300, 300, 0.9874, 1.0), (5, 10, 0.2366, 0.7634)],
    ids=["none", "all", "half"],
)
def test_intervals_of_shares(count: int, of: int, low: float, high: float) -> None:
    found = share(count, of)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_of_nothing_there_is_no_share() -> None:
    assert share(0, 0) is None


def test_perfect_calibration_has_no_error_whatever_the_mix() -> None:
    nats = np.array([np.log(0.8 / 0.2)])
    bad, good = np.repeat(nats, 80), np.repeat(nats, 20)
    assert balanced_error(bad, good) == pytest.approx(0.3)  # said 80 %, so 50 % when both kinds count half
    bad, good = np.concatenate((np.repeat(nats, 8), np.repeat(-nats, 2))), np.repeat(-nats, 800)
    good[:160] = nats
    assert balanced_error(bad, good) == pytest.approx(0.0, abs=1e-9)
    assert sum(each.weight for each in calibration(bad, good)) == pytest.approx(1.0)


def test_what_became_of_mail_by_kind() -> None:
    rows = confusion(MAILS, "words", lambda m: m.case.label.value)
    assert [(r.name, r.is_unwanted, r.mails) for r in rows] == [("ham", False, 4), ("phish", True, 4)]
    assert rows[1].acts == {"accept": 1, "junk": 2, "quarantine": 1}


def test_groups_have_all_first_only_when_there_are_several() -> None:
    assert list(grouped(MAILS, lambda m: m.case.source)) == ["all", "a", "b"]
    assert list(grouped(MAILS[:4], lambda m: m.case.source)) == ["a"]


def test_the_surest_mistakes_come_first() -> None:
    good, bad = worst(MAILS, "words", 5)
    assert [m.subject for m in good] == ["2.0"]
    assert [m.subject for m in bad] == ["-0.5"]


def test_costs_by_stage() -> None:
    (row,) = costs(MAILS)
    assert (row.stage, row.mails, row.p50) == ("parse", 8, 1.5)
