"""Near copies of a labelled mail are known; other mails are not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.learning.likeness import (
    ALIKE,
    FULL_NATS,
    MOST_NATS,
    MOST_WANTED_NATS,
    SAME,
    LabelledSketches,
    Likest,
    bands,
    jaccard,
    nats,
    sketch,
    worth,
)

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
    known.add(b"id", mail, True, "ann")
    assert known.likest(mail) == Likest(1.0, True, "ann")


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_near_copies_are_found_among_many(share: float) -> None:
    known = LabelledSketches()
    wanted = features()
    for number in range(400):
        known.add(b"other%d" % number, features(), False, "bob")
    known.add(b"id", wanted, True, "ann")
    for _ in range(20):
        found = known.likest(varied(wanted, share))
        assert found is not None
        assert (found.is_spam, found.by) == (True, "ann")


def test_other_mails_are_not_alike() -> None:
    known = LabelledSketches()
    for number in range(300):
        known.add(b"id%d" % number, features(), True, "ann")
    assert [known.likest(features()) for _ in range(50)] == [None] * 50


def test_a_third_of_a_mail_is_not_enough() -> None:
    known, mail = LabelledSketches(), features()
    known.add(b"id", mail, True, "ann")
    assert [known.likest(varied(mail, 0.7)) for _ in range(20)] == [None] * 20


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
    known.add(b"short", short, True, "ann")
    assert len(known) == 0
    known.add(b"id", features(), True, "ann")
    assert known.likest(short) is None


def test_nothing_is_alike_to_nothing() -> None:
    assert LabelledSketches().likest(features()) is None


def test_the_newest_label_of_a_mail_wins() -> None:
    known, mail = LabelledSketches(), features()
    known.add(b"id", mail, True, "ann")
    known.add(b"id", mail, False, "bob")
    assert len(known) == 1
    assert known.likest(mail) == Likest(1.0, False, "bob")


def test_the_capacity_is_kept_and_the_oldest_forgotten() -> None:
    known, mails = LabelledSketches(capacity=300), [features() for _ in range(450)]
    for number, mail in enumerate(mails):
        known.add(b"id%d" % number, mail, number % 2 == 0, "ann")
    assert len(known) == 300
    assert [known.likest(mail) for mail in mails[:150]] == [None] * 150
    found = [known.likest(mail) for mail in mails[150:]]
    assert found == [Likest(1.0, number % 2 == 0, "ann") for number in range(150, 450)]


@pytest.mark.parametrize(
    ("likeness", "is_spam", "expected"),
    [
        (1.0, True, FULL_NATS),
        (SAME, False, -FULL_NATS),
        (ALIKE, True, 0.0),
        ((SAME + ALIKE) / 2, True, FULL_NATS / 2),
    ],
)
def test_what_a_likeness_is_worth(likeness: float, is_spam: bool, expected: float) -> None:
    assert nats(Likest(likeness, is_spam, "ann")) == pytest.approx(expected)


def test_a_traps_label_is_worth_half() -> None:
    assert nats(Likest(1.0, True, "trap")) == FULL_NATS / 2


@pytest.mark.parametrize(("margin", "expected"), [(0.0, FULL_NATS), (0.5, FULL_NATS), (3.0, 6.0), (50.0, MOST_NATS)])
def test_a_correction_is_worth_what_the_filter_was_wrong_by(margin: float, expected: float) -> None:
    assert worth(margin, is_spam=True) == expected
    assert worth(margin, is_spam=False) == min(expected, MOST_WANTED_NATS)


def test_near_copies_share_a_band_and_other_mails_do_not() -> None:
    pairs = [(mail := features(), varied(mail, 0.1)) for _ in range(60)]
    met = [set(bands(one)) & set(bands(other)) for one, other in pairs]
    assert sum(map(bool, met)) >= 57
    assert not any(set(bands(one)) & set(bands(features())) for one, _ in pairs)


def test_of_a_short_mail_only_equals_share_a_band() -> None:
    short = features(12)
    assert bands(short) == bands(short.copy())
    assert not set(bands(short)) & set(bands(varied(short, 0.1)))


def test_likeness_is_exact() -> None:
    one = np.arange(0, 10, dtype=np.uint32)
    assert jaccard(one, np.arange(5, 15, dtype=np.uint32)) == pytest.approx(5 / 15)
    assert jaccard(one, one) == 1.0
