"""Mails of every kind, broken in every way: there always is a verdict, within the budget, and no check breaks.

With MAILWARD_NIGHTLY set, or MAILWARD_FUZZ=20000, it tries more of them than each run of the suite does.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.mailauth.stamp import stamp
from gateway.main.offline import Judged, OfflineJudge
from gateway.settings import Config, Model
from store.mail.parsing import digest_octets
from store.mail.searchable import texts_of
from store.message.mime import parse_message
from store.search.words import split
from tests.gateway.checks import golden, golden_journey
from tests.gateway.checks.ordinary import MODERN
from tests.support.malformed import kinds

EXAMPLES = int(os.environ.get("MAILWARD_FUZZ") or ("10000" if os.environ.get("MAILWARD_NIGHTLY") else "150"))
CPU_S = 2.0
_LARGEST = 200_000  #: octets of a mail that is broken further

NINES = b"9" * 5_000
TOKENS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b"\xff", b"=?utf-8?b?", b"?=", b"=?", b"--b", b"--b--", b"--b\r\n"),
    *(b'"', b"(", b")", b"<", b">", b"@", b"//", b"\\\\", b"%00", b"\xe2\x80\xae", "\u0315\u0300".encode() * 50),
    *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n\r\n"),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/html; charset=utf-16\r\n"),
    *(b"From: a@b\r\n", b"From: ", b"; filename*0*=x''%ff", b"Received: from x ([1.2.3.999]) by y; "),
    *(b"<div>", b"<!--", b"<![foo", b"<a href='", b"<style>", b"&#" + NINES + b";", b"Date: Mon, 99 Foo 0000"),
    *(b"http://", b"https://a@[::1]:99999/", b"http://xn--", b"data:text/html,"),
    *(b"PK\x05\x06", b"PK\x01\x02", b"%PDF-", b"\x89PNG\r\n\x1a\n", b"{\\rtf", b"\xd0\xcf\x11\xe0"),
    *(b"DKIM-Signature: v=1; a=rsa-sha256; d=x; s=y; h=from; b=A; bh=B; t=" + NINES, b"ARC-Seal: i=1; cv=none"),
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n",
)


def _seeds() -> list[bytes]:
    makes = (golden.HITS | golden_journey.HITS | golden.ORDINARY | MODERN).values()
    mails = {make().message.octets for make in makes} | {octets for _, octets in kinds()}
    return sorted((octets for octets in mails if len(octets) <= _LARGEST), key=lambda octets: (len(octets), octets))


SEEDS = _seeds()


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A mail, changed a few times: cut, doubled, crossed with another, or with something awkward put into it."""
    octets = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(octets)))
        end = draw(st.integers(start, min(len(octets), start + 2_000)))
        match draw(st.integers(0, 5)):
            case 0:
                octets = octets[:start] + octets[end:]
            case 1:
                times = draw(st.integers(1, 300))
                octets = octets[:end] + (octets[start:end] * times)[:_LARGEST] + octets[end:]
            case 2:
                other = draw(st.sampled_from(SEEDS))
                octets = octets[:start] + other[draw(st.integers(0, len(other))) :]
            case 3:
                octets = octets[:start] + draw(st.sampled_from(TOKENS)) + octets[start:]
            case 4:
                octets = octets[:start] + draw(st.binary(max_size=8)) + octets[end:]
            case 5:
                octets = octets[:start]
    return octets[: _LARGEST * 4]


@pytest.fixture(scope="module")
def judge() -> Iterator[Callable[[bytes], Judged]]:
    with asyncio.Runner() as runner:
        opened = runner.run(OfflineJudge(Config(model=Model(doubt=(0.0, 1.0)))).__aenter__())
        try:
            yield lambda octets: runner.run(opened.judge("fuzz", octets))
        finally:
            runner.run(opened.__aexit__())


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(octets=broken())
def test_whatever_comes_there_is_a_verdict(judge: Callable[[bytes], Judged], octets: bytes) -> None:
    started = time.process_time()
    judged = judge(octets)
    spent = time.process_time() - started
    assert judged.error is None and judged.judgement is not None, judged.error
    seen = {evidence.signal.name: evidence.detail for evidence in judged.judgement.evidence}
    assert not {"check.failed", "check.timeout"} & seen.keys(), seen
    assert 0.0 <= judged.judgement.verdict.probability <= 1.0
    assert judged.judgement.asked_language_model
    assert spent < CPU_S, f"{spent:.1f} s"
    assert_stored(octets)


def assert_stored(octets: bytes) -> None:
    """What happens to it after the verdict raises no more than judging does: its row, its words, its stamp."""
    message = parse_message(octets)
    digest_octets(octets)
    for text in texts_of(message):
        split(text, 1_000)
    stamp(octets, message, [("X-Mailward-Verdict", "ham")], "mx.example.com")


def test_there_is_something_to_break() -> None:
    assert len(SEEDS) > 200
