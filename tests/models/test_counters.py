"""Counters learn a mail and unlearn it exactly, and say nothing of what they were not told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import artefact
from models.counters import CLIP, Buckets, Commonness, Counters, lean

BUCKETS = st.sets(st.integers(0, 40), min_size=1).map(lambda found: np.array(sorted(found), dtype=np.uint32))
COMMON = Commonness(artefact.load().bayes.weights)


def mail(*words: int) -> Buckets:
    return np.array(sorted(words), dtype=np.uint32)


@given(st.lists(st.tuples(BUCKETS, st.booleans())), BUCKETS, st.booleans())
def test_learning_and_unlearning_leaves_the_same_octets(
    mails: list[tuple[Buckets, bool]], one: Buckets, is_spam: bool
) -> None:
    counters = Counters()
    for buckets, said in mails:
        counters.learn(buckets, is_spam=said)
    before = counters.to_octets()
    assert Counters.of(mails).to_octets() == before
    counters.learn(one, is_spam=is_spam)
    assert counters.to_octets() != before
    counters.unlearn(one, is_spam=is_spam)
    assert counters.to_octets() == before


@given(st.lists(st.tuples(BUCKETS, st.booleans()), min_size=1), st.randoms())
def test_mails_are_unlearned_in_any_order(mails: list[tuple[Buckets, bool]], rng: object) -> None:
    counters = Counters.of(mails)
    rng.shuffle(mails)  # type: ignore[attr-defined]
    for buckets, said in mails:
        counters.unlearn(buckets, is_spam=said)
    assert counters.to_octets() == Counters().to_octets()
    assert len(counters) == 0


@pytest.mark.parametrize(("one", "is_spam"), [(mail(1, 2), False), (mail(1, 9), True), (mail(9), True)])
def test_what_was_never_counted_cannot_be_taken_back(one: Buckets, is_spam: bool) -> None:
    counters = Counters.of([(mail(1, 2), True)])
    before = counters.to_octets()
    with pytest.raises(ValueError, match="never counted"):
        counters.unlearn(one, is_spam=is_spam)
    assert counters.to_octets() == before


def test_a_row_for_each_bucket() -> None:
    counters = Counters.of([(mail(1, 2), True), (mail(2, 3), False), (mail(2), False)])
    assert counters.met(mail(0, 1, 2, 3, 4)).tolist() == [[0, 0], [0, 1], [2, 1], [1, 0], [0, 0]]
    assert (counters.wanted, counters.unwanted) == (2, 1)
    assert Counters().met(mail(1)).tolist() == [[0, 0]]


def rare(count: int, first: int = 0) -> list[int]:
    """Buckets that mail at large hardly has."""
    known = set(COMMON.weights.buckets.tolist())
    return [number for number in range(first, 100_000) if number not in known][:count]


def test_words_of_unwanted_mail_speak_against_a_mail_and_those_of_wanted_mail_for_it() -> None:
    words = rare(120)
    bad, good = mail(*words[:60]), mail(*words[60:])
    counters = Counters.of([(bad, True), (bad, True), (good, False), (good, False)])
    assert lean([counters], bad, COMMON).nats > 1.0
    assert lean([counters], good, COMMON).nats < -1.0
    assert abs(lean([counters], mail(*words), COMMON).nats) < 0.2
    assert lean([counters], mail(*rare(60, 50_000)), COMMON).nats == 0.0


def test_a_word_counts_from_two_mails_on() -> None:
    words = mail(*rare(60))
    assert lean([Counters.of([(words, True)])], words, COMMON).nats == 0.0
    assert lean([Counters.of([(words, True)])] * 2, words, COMMON).nats > 0.0


def test_the_more_is_said_the_more_it_weighs_up_to_a_limit() -> None:
    words = mail(*rare(200))
    nats = [lean([Counters.of([(words, True)] * times)], words, COMMON).nats for times in (2, 5, 500)]
    assert nats == sorted(nats)
    assert nats[-1] <= CLIP
    assert lean([], words, COMMON).nats == 0.0
    assert lean([Counters()], mail(), COMMON).nats == 0.0
