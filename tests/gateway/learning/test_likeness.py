"""Near copies of a labelled mail are known; other mails are not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.learning.likeness import ALIKE, FULL_NATS, LabelledSketches, Likest, nats, sketch

RANDOM = np.random.Generator(np.random.PCG64(7))


def features(count: int = 300) -> NDArray[np.uint32]:
    return RANDOM.integers(0, 1 << 18, count, dtype=np.uint32)


def varied(original: NDArray[np.uint32], share: float) -> NDArray[np.uint32]:
    """A copy in which this share of the features is another."""
    copy = original.copy()
    copy[: round(len(copy) * share)] = features(round(len(copy) * share))
    return copy


def test_the_same_mail_is_wholly_alike() -> None:
    known, mail = LabelledSketches(), features()
    known.add("id", mail, True, "ann")
    assert known.likest(mail) == Likest(1.0, True, "ann")


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_near_copies_are_found_among_many(share: float) -> None:
    known = LabelledSketches()
    wanted = features()
    for number in range(400):
        known.add(f"other{number}", features(), False, "bob")
    known.add("id", wanted, True, "ann")
    for _ in range(20):
        found = known.likest(varied(wanted, share))
        assert found is not None
        assert (found.is_spam, found.by) == (True, "ann")


def test_other_mails_are_not_alike() -> None:
    known = LabelledSketches()
    for number in range(300):
        known.add(f"id{number}", features(), True, "ann")
    assert [known.likest(features()) for _ in range(50)] == [None] * 50


def test_half_a_mail_is_not_enough() -> None:
    known, mail = LabelledSketches(), features()
    known.add("id", mail, True, "ann")
    assert [known.likest(varied(mail, 0.5)) for _ in range(20)] == [None] * 20


def test_the_estimate_is_near_the_likeness() -> None:
    errors = []
    for _ in range(60):
        first = features(400)
        second = varied(first, 0.2)
        true = len(np.intersect1d(first, second)) / len(np.union1d(first, second))
        a, b = sketch(first), sketch(second)
        assert a is not None and b is not None
        errors.append(float((a == b).mean()) - true)
    assert abs(float(np.mean(errors))) < 0.03
    assert max(map(abs, errors)) < 0.25


def test_a_short_mail_says_nothing() -> None:
    known, short = LabelledSketches(), features(19)
    known.add("short", short, True, "ann")
    assert len(known) == 0
    known.add("id", features(), True, "ann")
    assert known.likest(short) is None


def test_nothing_is_alike_to_nothing() -> None:
    assert LabelledSketches().likest(features()) is None


def test_the_newest_label_of_a_mail_wins() -> None:
    known, mail = LabelledSketches(), features()
    known.add("id", mail, True, "ann")
    known.add("id", mail, False, "bob")
    assert len(known) == 1
    assert known.likest(mail) == Likest(1.0, False, "bob")


def test_the_capacity_is_kept_and_the_oldest_forgotten() -> None:
    known, mails = LabelledSketches(capacity=300), [features() for _ in range(450)]
    for number, mail in enumerate(mails):
        known.add(f"id{number}", mail, number % 2 == 0, "ann")
    assert len(known) == 300
    assert [known.likest(mail) for mail in mails[:150]] == [None] * 150
    found = [known.likest(mail) for mail in mails[150:]]
    assert found == [Likest(1.0, number % 2 == 0, "ann") for number in range(150, 450)]


@pytest.mark.parametrize(
    ("likeness", "is_spam", "expected"),
    [(1.0, True, FULL_NATS), (1.0, False, -FULL_NATS), (ALIKE, True, 0.0), ((1 + ALIKE) / 2, True, FULL_NATS / 2)],
)
def test_what_a_likeness_is_worth(likeness: float, is_spam: bool, expected: float) -> None:
    assert nats(Likest(likeness, is_spam, "ann")) == pytest.approx(expected)


def test_a_traps_label_is_worth_half() -> None:
    assert nats(Likest(1.0, True, "trap")) == FULL_NATS / 2
