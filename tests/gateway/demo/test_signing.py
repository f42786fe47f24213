"""What the demo signs holds, and stops holding when it is touched."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.demo.signing import Key, Signer, arc_seal, dkim_sign, ed25519_key, rsa_key
from gateway.dns.zone import Zone, ZoneResolver
from gateway.mailauth.arc import check_arc
from gateway.mailauth.dkim import check_dkim
from gateway.mailauth.settings import AuthSettings
from store.message.mime import parse_message

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MAIL = (
    b"From: Ann <ann@sender.test>\r\n"
    b"To: bob@example.com\r\n"
    b"Subject: Lunch\r\n at  noon\r\n"
    b"\r\n"
    b"Shall we  eat? \r\n\tAnn\r\n\r\n"
)
KEYS = {"rsa": rsa_key(), "ed25519": ed25519_key()}


def signer(key: Key) -> Signer:
    return Signer("s1", "sender.test", key)


def resolver(key: Key) -> ZoneResolver:
    return ZoneResolver(Zone.of({"s1._domainkey.sender.test": {"TXT": [key.record]}}))


async def dkim_result(octets: bytes, key: Key, at: datetime = NOW) -> str:
    results = await check_dkim(parse_message(octets), resolver(key), at, AuthSettings())
    return results[0].result


async def arc_result(octets: bytes, key: Key) -> str:
    return (await check_arc(parse_message(octets), resolver(key), AuthSettings())).result


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        (b"", b"", "pass"),
        (b"Shall we  eat? \r\n", b"Shall we eat?\r\n", "pass"),
        (b"eat", b"sleep", "fail"),
        (b"at  noon", b"at one", "fail"),
        (b"ann@", b"eve@", "fail"),
    ],
    ids=["as signed", "other white space", "other body", "other subject", "other author"],
)
async def test_dkim(kind: str, old: bytes, new: bytes, outcome: str) -> None:
    key = KEYS[kind]
    assert await dkim_result(dkim_sign(MAIL, signer(key), NOW).replace(old, new), key) == outcome


async def test_dkim_under_another_key() -> None:
    assert await dkim_result(dkim_sign(MAIL, signer(KEYS["rsa"]), NOW), rsa_key()) == "fail"


async def test_dkim_is_dated() -> None:
    signed = dkim_sign(MAIL, signer(KEYS["rsa"]), NOW)
    assert await dkim_result(signed, KEYS["rsa"], NOW - timedelta(hours=1)) == "fail"


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        (b"", b"", "pass"),
        (b"eat", b"sleep", "fail"),
        (b"dkim=pass", b"dkim=fail", "fail"),
        (b"cv=none", b"cv=pass", "fail"),
    ],
    ids=["as sealed", "other body", "other results", "other chain"],
)
async def test_arc(old: bytes, new: bytes, outcome: str) -> None:
    key = KEYS["rsa"]
    sealed = arc_seal(MAIL, signer(key), NOW, "list.test; dkim=pass header.d=sender.test")
    assert await arc_result(sealed.replace(old, new), key) == outcome
