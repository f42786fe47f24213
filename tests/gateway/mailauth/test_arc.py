"""Chains of forwarders."""

from dataclasses import replace

import pytest

from gateway.dns.zone import ZoneResolver
from gateway.mailauth.arc import check_arc
from gateway.mailauth.results import ArcResult
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import MAIL, arc_seal, parsed, resolver, rsa_key, sign

KEY = {"TXT": [rsa_key().record]}
ONE = arc_seal(sign(), "one.test", b"spf=pass smtp.mailfrom=example.test")
#: the second forwarder has seen the first one's seal hold
TWO = arc_seal(ONE, "two.test", b"arc=pass; spf=fail smtp.mailfrom=example.test")


def world(fail: tuple[str, ...] = ()) -> ZoneResolver:
    return resolver({"sel._domainkey.one.test": KEY, "sel._domainkey.two.test": KEY}, fail)


async def check(mail: bytes, fail: tuple[str, ...] = (), settings: AuthSettings | None = None) -> ArcResult:
    return await check_arc(parsed(mail), world(fail), settings or AuthSettings())


async def test_a_mail_without_a_chain_costs_nothing() -> None:
    zone = world()
    assert await check_arc(parsed(sign()), zone, AuthSettings()) == ArcResult()
    assert not zone.asked


async def test_one_forwarder() -> None:
    found = await check(ONE)
    assert (found.result, found.length, found.sealers) == ("pass", 1, ("one.test",))
    assert "spf=pass" in found.oldest_results


async def test_two_forwarders() -> None:
    found = await check(TWO)
    assert (found.result, found.length, found.sealers) == ("pass", 2, ("one.test", "two.test"))
    assert "spf=pass" in found.oldest_results


@pytest.mark.parametrize(("trusted", "is_trusted"), [("two.test", True), ("one.test", False)])
async def test_trust_is_in_the_last_sealer(trusted: str, is_trusted: bool) -> None:
    settings = replace(AuthSettings(), trusted_sealers=frozenset({trusted}))
    assert (await check(TWO, settings=settings)).trusted is is_trusted


async def test_a_body_changed_before_the_last_seal_does_not_matter() -> None:
    changed = ONE.replace(b"at noon", b"at noon (list footer)")
    found = await check(arc_seal(changed, "two.test", b"arc=pass; spf=fail smtp.mailfrom=example.test"))
    assert (found.result, found.length) == ("pass", 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"at noon", b"at night", id="body"),
        pytest.param(b"Subject: Lunch", b"Subject: Money", id="header"),
        pytest.param(b"spf=pass", b"spf=fail", id="results"),
        pytest.param(b"cv=none", b"cv=pass", id="status"),
        pytest.param(b"ARC-Message-Signature:", b"X-Gone:", id="incomplete"),
        pytest.param(b"ARC-Seal: i=2", b"ARC-Seal: i=3", id="instances-skip"),
    ],
)
async def test_a_broken_chain(old: bytes, new: bytes) -> None:
    changed = TWO.replace(old, new)
    assert changed != TWO
    found = await check(changed)
    assert found.result in ("fail", "permerror") and not found.trusted and found.reason


async def test_no_key_and_no_answer() -> None:
    assert (await check(ONE, ("TXT sel._domainkey.one.test",))).result == "temperror"
    assert (await check_arc(parsed(ONE), resolver(), AuthSettings())).result == "fail"


async def test_a_long_chain_is_not_followed() -> None:
    seals = b"".join(b"ARC-Seal: i=%d; d=n%d.test; s=s\r\n" % (n, n) for n in range(60))
    zone = world()
    found = await check_arc(parsed(seals + MAIL), zone, AuthSettings())
    assert found.result == "fail" and not zone.asked


async def test_a_chain_of_garbage() -> None:
    assert (await check(b"ARC-Seal: \xff;;;=\r\n" + MAIL)).result in ("fail", "permerror")
