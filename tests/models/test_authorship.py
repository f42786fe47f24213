"""Tokens of the author's header fields: who and with what, bounded, in a range of their own."""

import numpy as np
import pytest

from models.authorship import MARK, TOKENS, tokens
from models.bayes import Bayes, WordCalibration, WordWeights
from models.features import BUCKETS, HEADERS_FROM, extract, token_bucket
from store.message.mime import parse_message
from tests.models.mails import see

WRITTEN = (
    b"From: =?utf-8?q?J=C3=BCrgen?= Meier <J.Meier@Firma.Example>\r\nReply-To: <x@other.example>\r\n"
    b"To: <anna@a.example>\r\nDate: Tue, 03 Mar 2026 09:12:00 +0200\r\nMessage-ID: <Ab12.9@mail.firma.example>\r\n"
    b"X-Mailer: Postbote 7.21\r\nReceived: from evil.example\r\nList-Id: <l.example>\r\n\r\nhello there\r\n"
)


@pytest.mark.parametrize(
    "token",
    [
        *("from=j.meier@firma.example", "from@firma.example", "from.example", "from-name:jürgen", "from-name:meier"),
        *("reply-to@other.example", "to:anna@a.example", "zone:+0200", "id@mail.firma.example", "id:Aa0.0"),
        *("has:x-mailer", "x-mailer:postbote", "x-mailer:00", "has:list-id"),
    ],
)
def test_what_the_author_wrote_is_a_token(token: str) -> None:
    assert f"{MARK}{token}" in tokens(parse_message(WRITTEN))


def test_what_carriers_wrote_is_not() -> None:
    assert not [t for t in tokens(parse_message(WRITTEN)) if "received" in t or "evil" in t]


def test_a_crowd_of_fields_is_bounded() -> None:
    crowd = b"".join(b"X-%d: 1\r\nTo: <%d@a.example>\r\n" % (i, i) for i in range(5_000))
    assert len(tokens(parse_message(crowd + b"\r\nhi\r\n"))) <= TOKENS


def test_header_tokens_have_a_range_of_their_own() -> None:
    features = extract(see(WRITTEN))
    assert features.headers.min() >= HEADERS_FROM and features.headers.max() < BUCKETS
    assert token_bucket(f"{MARK}from@firma.example") in features.headers
    assert max(features.words.max(), features.pairs.max()) < HEADERS_FROM


def test_unknown_senders_do_not_dilute_what_is_known() -> None:
    hello = extract(see(b"\r\nhello there\r\n")).words[:1]
    one = np.ones(1, dtype=np.float32)
    scorer = Bayes(WordWeights(hello, one, one, one, 5.0, 1.0, 0.0), WordCalibration(0.0, 1.0, 0.0, 0.0))
    with_headers, without = extract(see(WRITTEN)), extract(see(b"\r\nhello there\r\n"))
    assert scorer.raw(with_headers).linear == pytest.approx(scorer.raw(without).linear, rel=0.05)
