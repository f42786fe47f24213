"""Mails that are meant to be expensive: large ones, many signatures, long chains, many hosts named."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

import pytest

from gateway.mailauth.arc import check_arc
from gateway.mailauth.authenticate import authenticate
from gateway.mailauth.results import ArcResult
from gateway.mailauth.seal import load_sealer
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import MAIL, NOW, envelope, parsed, resolver, rsa_key, sign

T = TypeVar("T")

SETTINGS = AuthSettings("mx.us.test")
HEADER = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
MEGABYTE = 1024 * 1024
_BAD = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=sel; h=from; bh=AAAA; b=AAAA\r\n"
MANY = (_BAD + _BAD.replace(b"relaxed/relaxed", b"simple/simple")) * 50


async def longest_stall(work: Awaitable[T]) -> tuple[T, float]:
    """What came of it, and the longest time in seconds for which nothing else on the loop got its turn."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0)
            worst = max(worst, time.perf_counter() - started)

    watching = asyncio.create_task(watch())
    try:
        return await work, worst
    finally:
        watching.cancel()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param((b"QUJD" * 19 + b"\r\n") * (25 * MEGABYTE // 78), id="base64"),
        pytest.param(b" " * 25 * MEGABYTE + b"x\r\n", id="spaces"),
        pytest.param(b"\r\n" * (25 * MEGABYTE // 2), id="empty-lines"),
        pytest.param(b"a b\tc \r\n" * (10 * MEGABYTE // 8), id="short-words"),
    ],
)
async def test_a_large_mail_with_a_hundred_signatures(body: bytes) -> None:
    message = parsed(MANY + HEADER + body)
    await authenticate(envelope(), parsed(sign()), resolver(), SETTINGS)  # what is loaded once is not counted
    started = time.process_time()
    found, stall = await longest_stall(authenticate(envelope(), message, resolver(), SETTINGS))
    assert [one.result for one in found.dkim] == ["fail"] * SETTINGS.max_signatures and not found.notes
    assert time.process_time() - started < 5.0
    assert stall < 0.5


async def test_a_hundred_true_signatures_cost_as_much_as_ten() -> None:
    mail = MAIL
    for _ in range(100):
        mail = sign(mail)
    zone = resolver()
    found = await authenticate(envelope(), parsed(mail), zone, SETTINGS)
    assert [one.result for one in found.dkim] == ["pass"] * SETTINGS.max_signatures
    assert zone.asked["TXT", "sel._domainkey.example.test"] == 1
    patient = await authenticate(envelope(), parsed(mail), zone, replace(SETTINGS, max_signatures=100))
    assert [one.result for one in patient.dkim] == ["pass"] * 100


async def test_a_chain_may_have_fifty_sets_and_no_more() -> None:
    """RFC 8617 §4.2.1, §5.2."""
    sealer = load_sealer(rsa_key().private, "us.test", "sel")
    world = {"sel._domainkey.us.test": {"TXT": [rsa_key().record]}}
    mail, chain = sign(), ArcResult()
    for count in range(1, 51):
        mail = sealer.sealed(mail, "us.test; arc=pass", chain, NOW)
        chain = ArcResult("pass", count)
    zone = resolver(world)
    started = time.process_time()
    found = await check_arc(parsed(mail), zone, SETTINGS)
    assert (found.result, found.length) == ("pass", 50), found
    assert time.process_time() - started < 2.0 and zone.asked.total() == 1
    assert sealer.sealed(mail, "us.test; arc=pass", chain, NOW) == mail
    assert (await check_arc(parsed(mail.replace(b"i=50", b"i=51")), zone, SETTINGS)).result == "fail"


async def test_every_question_is_one_that_judging_needs() -> None:
    """Above all none about hosts that a record names for reports: a sender must not choose whom we ask."""
    record = "v=DMARC1; p=reject; rua=mailto:a@victim.test,https://web.test/x; ruf=mailto:b@other.test; fo=1"
    zone = resolver({"_dmarc.example.test": {"TXT": [record]}})
    found = await authenticate(envelope(), parsed(sign()), zone, SETTINGS)
    assert found.dmarc.result == "pass"
    assert set(zone.asked) == {
        ("TXT", "example.test"),
        ("TXT", "mail.example.test"),
        ("A", "mail.example.test"),
        ("PTR", "1.2.0.192.in-addr.arpa"),
        ("TXT", "sel._domainkey.example.test"),
        ("TXT", "_dmarc.example.test"),
        ("TXT", "_dmarc.test"),
    }
