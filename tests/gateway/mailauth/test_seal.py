"""Seals that we put on mail, read back by dkimpy and by ourselves."""

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.mailauth.arc import check_arc
from gateway.mailauth.results import ArcResult
from gateway.mailauth.seal import Sealer, UnusableKey, load_sealer
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import MAIL, NOW, arc_seal, parsed, resolver, rsa_key, sign

RESULTS = 'mx.us.test;\r\n\tspf=pass (so it is) smtp.mailfrom=example.test;\r\n\tdkim=pass header.b="ab/c"'
KEYS = {f"sel._domainkey.{name}": {"TXT": [rsa_key().record]} for name in ("us.test", "one.test", "two.test")}
SEALER = load_sealer(rsa_key().private, "US.test", "sel")
FORWARDED = arc_seal(sign(), "one.test", b"spf=pass smtp.mailfrom=example.test")


def _dns(name: bytes, timeout: float = 5) -> bytes:
    return KEYS.get(name.decode().rstrip("."), {"TXT": [""]})["TXT"][0].encode()


async def found(mail: bytes) -> ArcResult:
    return await check_arc(parsed(mail), resolver(KEYS), AuthSettings())


@pytest.mark.parametrize(
    ("mail", "length"),
    [
        pytest.param(MAIL, 1, id="first"),
        pytest.param(sign(), 1, id="signed"),
        pytest.param(FORWARDED, 2, id="second"),
        pytest.param(arc_seal(FORWARDED, "two.test", b"arc=pass"), 3, id="third"),
        pytest.param(b"Subject: a\r\n b\r\nFrom: a@b.test\r\n\r\n", 1, id="empty-body"),
        pytest.param(b"From: a@b.test\r\nSubject: none", 1, id="no-body"),
        pytest.param(MAIL.replace(b"Lunch", "Grüße".encode()), 1, id="utf8"),
    ],
)
async def test_a_seal_holds_for_dkimpy_and_for_us(mail: bytes, length: int) -> None:
    sealed = SEALER.sealed(mail, RESULTS, await found(mail), NOW)
    assert sealed.endswith(mail) and sealed.startswith(b"ARC-Seal: i=%d;" % length)
    assert dkim.arc_verify(sealed, dnsfunc=_dns)[0] == dkim.CV_Pass
    again = await found(sealed)
    assert (again.result, again.length, again.sealers[-1]) == ("pass", length, "us.test"), again
    assert all(len(line) <= 998 for line in sealed.split(b"\r\n"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"at noon", b"at night"),
        (b"Subject: Lunch", b"Subject: Money"),
        (b"From: Ann", b"From: Eve <e@v.test>\r\nFrom: Ann"),
    ],
    ids=["body", "subject", "second-author"],
)
async def test_what_is_changed_afterwards_is_seen(old: bytes, new: bytes) -> None:
    sealed = SEALER.sealed(sign(), RESULTS, ArcResult(), NOW)
    assert (await found(sealed.replace(old, new, 1))).result == "fail"


async def test_fields_that_later_hands_add_or_drop_break_nothing() -> None:
    sealed = SEALER.sealed(b"Return-Path: <a@b.test>\r\nX-Spam-Flag: NO\r\n" + sign(), RESULTS, ArcResult(), NOW)
    changed = b"Received: from x by y\r\n" + sealed.replace(b"Return-Path: <a@b.test>\r\n", b"").replace(
        b"Flag: NO", b"Flag: YES"
    )
    assert (await found(changed)).result == "pass"


async def test_a_chain_that_broke_here_is_marked_and_then_left_alone() -> None:
    broken = FORWARDED.replace(b"at noon", b"at night")
    marked = SEALER.sealed(broken, RESULTS, await found(broken), NOW)
    assert marked.startswith(b"ARC-Seal: i=2; cv=fail;")
    after = await found(marked)
    assert (after.result, after.length) == ("fail", 2)
    assert SEALER.sealed(marked, RESULTS, after, NOW) == marked


@pytest.mark.parametrize(
    ("mail", "chain"),
    [
        pytest.param(FORWARDED, ArcResult("temperror", 1), id="dns-was-down"),
        pytest.param(FORWARDED, ArcResult(), id="nobody-looked"),
        pytest.param(FORWARDED.replace(b"i=1", b"i=50"), ArcResult("fail", 1), id="no-number-left"),
        pytest.param(FORWARDED.replace(b"i=1", b"i=2"), ArcResult("pass", 1), id="sets-are-missing"),
    ],
)
def test_no_seal_where_nothing_certain_can_be_said(mail: bytes, chain: ArcResult) -> None:
    assert SEALER.sealed(mail, RESULTS, chain, NOW) == mail


class _Broken:
    def sign(self, *_: object) -> bytes:
        raise RuntimeError("the key store is gone")


def test_a_broken_key_does_not_break_the_mail() -> None:
    assert Sealer("us.test", "sel", _Broken()).sealed(MAIL, RESULTS, ArcResult(), NOW) == MAIL  # type: ignore[arg-type]


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        pytest.param(b"hello", "no private key", id="garbage"),
        pytest.param(_pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key", id="elliptic"),
        pytest.param(_pem(rsa.generate_private_key(65_537, 1024)), "1024 bits", id="short"),
    ],
)
def test_a_key_that_is_of_no_use_is_refused_at_once(pem: bytes, why: str) -> None:
    with pytest.raises(UnusableKey, match=why):
        load_sealer(pem, "us.test", "sel")
