"""Chains of forwarders."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.dns.zone import ZoneResolver
from gateway.mailauth.arc import check_arc
from gateway.mailauth.results import ArcResult
from gateway.mailauth.seal import load_sealer
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import MAIL, NOW, arc_seal, parsed, resolver, rsa_key, sign

SEALER = load_sealer(rsa_key().private, "us.test", "sel")
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


@pytest.mark.parametrize(
    ("trusted", "is_trusted"),
    [
        pytest.param({"one.test", "two.test"}, True, id="all"),
        pytest.param({"two.test"}, False, id="the-last-who-saw-no-pass-itself"),
        pytest.param({"one.test"}, False, id="the-first-but-not-the-last"),
        pytest.param(set(), False, id="nobody"),
    ],
)
async def test_trust_goes_down_from_the_last_sealer(trusted: set[str], is_trusted: bool) -> None:
    settings = replace(AuthSettings(), trusted_sealers=frozenset(trusted))
    assert (await check(TWO, settings=settings)).trusted is is_trusted


@pytest.mark.parametrize(
    ("results", "is_trusted"),
    [
        pytest.param(b"dmarc=pass header.from=example.test", True, id="dmarc"),
        pytest.param(b"spf=pass smtp.mailfrom=example.test", True, id="spf-alone"),
        pytest.param(b"spf=pass smtp.mailfrom=evil.test; dmarc=fail header.from=example.test", False, id="dmarc-fails"),
        pytest.param(b"dkim=fail (dkim=pass; dkim=pass) header.d=a.test", False, id="comment"),
        pytest.param(b'spf=fail smtp.mailfrom="x; spf=pass y"@a.test', False, id="quoted"),
        pytest.param(b'spf=fail (a "b) smtp.mailfrom="x; spf=pass y"@a.test', False, id="quote-in-comment"),
        pytest.param(b"spf=fail (a (b) smtp.mailfrom=x; spf=pass", False, id="comment-that-does-not-end"),
        pytest.param(b"none", False, id="nothing"),
        pytest.param(b"auth=pass smtp.auth=ann; iprev=pass", False, id="other-methods"),
    ],
)
async def test_a_trusted_sealer_must_have_found_the_author_authentic(results: bytes, is_trusted: bool) -> None:
    mail = SEALER.sealed(sign(), f"us.test; {results.decode()}", ArcResult(), NOW)
    settings = replace(AuthSettings(), trusted_sealers=frozenset({"us.test"}))
    found = await check_arc(parsed(mail), resolver({"sel._domainkey.us.test": KEY}), settings)
    assert (found.result, found.trusted) == ("pass", is_trusted)


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


def fields(mail: bytes) -> tuple[list[bytes], bytes]:
    """The header's fields, and the rest."""
    block, _, body = mail.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?![ \t])", block), body


def joined(block: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join(block) + b"\r\n\r\n" + body


async def test_where_the_fields_stand_does_not_matter() -> None:
    """A relay may move fields; which set one belongs to is said by its instance (RFC 8617 §4.2.1)."""
    block, body = fields(TWO)
    arc = [field for field in block if field.startswith(b"ARC-")]
    rest = [field for field in block if not field.startswith(b"ARC-")]
    for order in (arc[::-1] + rest, rest + arc, rest + sorted(arc)):
        assert (await check(joined(order, body))).result == "pass"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param(b"ARC-Seal: i=1;", "two ARC-Seal of instance 1", id="seal"),
        pytest.param(b"ARC-Message-Signature: i=2;", "two ARC-Message-Signature of instance 2", id="signature"),
        pytest.param(b"ARC-Authentication-Results: i=1;", "two ARC-Authentication-Results", id="results"),
    ],
)
async def test_a_field_that_is_there_twice(name: bytes, why: str) -> None:
    block, body = fields(TWO)
    again = next(field for field in block if field.startswith(name))
    found = await check(joined([again, *block], body))
    assert found.result == "fail" and why in found.reason


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        pytest.param(b"ARC-Seal: i=2; cv=pass", b"ARC-Seal: i=2; cv=fail", "says that the chain is broken", id="fail"),
        pytest.param(b"ARC-Seal: i=2; cv=pass", b"ARC-Seal: i=2; cv=none", "seal 2 says cv=none", id="none-above"),
        pytest.param(b"ARC-Seal: i=1; cv=none", b"ARC-Seal: i=1; cv=pass", "seal 1 says cv=pass", id="pass-below"),
        pytest.param(b"ARC-Seal: i=2; cv=pass", b"ARC-Seal: i=2; cv=good", "cv= value is not valid", id="unknown"),
        pytest.param(b"ARC-Seal: i=2; cv=pass", b"ARC-Seal: i=2; h=from; cv=pass", "has a tag h=", id="names-in-seal"),
        pytest.param(b"ARC-Seal: i=2;", b"ARC-Seal: i=0;", "no instance", id="zero"),
        pytest.param(b"ARC-Seal: i=2;", b"ARC-Seal: i=51;", "no instance", id="beyond-fifty"),
        pytest.param(b"ARC-Seal: i=2;", b"ARC-Seal: i=-2;", "no instance", id="negative"),
        pytest.param(b"ARC-Seal: i=2;", b"ARC-Seal: i=2; i=2;", "bad tag list", id="instance-twice"),
        pytest.param(
            b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results: i=1 of 2;", "no instance", id="words"
        ),
        pytest.param(b"a=rsa-sha256", b"a=rsa-sha1", "algorithm", id="sha1"),
    ],
)
async def test_what_a_chain_may_not_say(old: bytes, new: bytes, why: str) -> None:
    assert old in TWO
    found = await check(TWO.replace(old, new))
    assert found.result == "fail" and why in found.reason, found


async def test_an_older_signature_may_be_broken_but_an_older_seal_may_not() -> None:
    """RFC 8617 §5.2, steps 4 to 6."""
    changed = arc_seal(ONE.replace(b"at noon", b"at one"), "two.test", b"arc=pass")
    assert (await check(changed)).result == "pass"
    block, body = fields(TWO)
    oldest = next(n for n, field in enumerate(block) if field.startswith(b"ARC-Seal: i=1;"))
    block[oldest] = block[oldest].replace(b"d=one.test", b"d=two.test")
    assert (await check(joined(block, body))).reason == "seal 2 did not verify"


async def test_a_short_key_seals_nothing() -> None:
    short = rsa_key(768)
    mail = arc_seal(sign(), "one.test", b"spf=pass", key=short)
    found = await check_arc(
        parsed(mail), resolver({"sel._domainkey.one.test": {"TXT": [short.record]}}), AuthSettings()
    )
    assert found.result == "fail" and "too short" in found.reason


async def test_a_signature_has_an_end() -> None:
    late = NOW + timedelta(days=3)
    expiring = ONE.replace(b"ARC-Message-Signature: i=1;", b"ARC-Message-Signature: i=1; x=1;")
    assert (await check_arc(parsed(expiring), world(), AuthSettings(), late)).reason.endswith("has expired")
    assert (await check_arc(parsed(ONE), world(), AuthSettings(), late)).result == "pass"


async def test_only_keys_that_are_needed_are_asked_for() -> None:
    zone = world()
    assert (await check_arc(parsed(TWO), zone, AuthSettings())).result == "pass"
    assert sorted(name for _, name in zone.asked) == ["sel._domainkey.one.test", "sel._domainkey.two.test"]
