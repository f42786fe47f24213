"""Hashed words: stable numbers, bounded work, the same for accented and plain spelling."""

import numpy as np

from models.features import BUCKETS, PAIRS_FROM, WORDS, bucket, extract, pair_bucket, words_of
from tests.models.mails import plain, see


def test_numbers_are_stable_across_processes() -> None:
    features = extract(see(plain("verify account", subject="")))
    assert features.words.tolist() == [bucket(b"verify"), bucket(b"account")] == [338499, 415396]
    assert features.pairs.tolist() == [pair_bucket(b"verify", b"account")]


def test_words_and_pairs_have_buckets_of_their_own() -> None:
    features = extract(see(plain("some words of a mail with https://x.example/path in it")))
    assert features.words.max() < PAIRS_FROM <= features.pairs.min() < BUCKETS


def test_digits_have_a_shape_and_no_value() -> None:
    assert words_of("paid 1234 in 2002") == [b"paid", b"0000", b"in", b"0000"]


def test_accents_do_not_matter() -> None:
    assert words_of("für") == words_of("fur") == [b"fur"]


def test_scripts_without_spaces_are_cut_into_signs() -> None:
    assert words_of("確認 ok") == ["確".encode(), "認".encode(), b"ok"]


def test_of_a_long_mail_the_ends_are_read() -> None:
    found = words_of(" ".join(f"w{chr(97 + i % 26)}{i // 26}" for i in range(9_000)))
    assert len(found) == WORDS


def test_a_mail_without_words_has_features() -> None:
    features = extract(see(b"\r\n\r\n"))
    assert len(features.words) == len(features.pairs) == 0
    assert features.counted()[0].dtype == np.uint32
