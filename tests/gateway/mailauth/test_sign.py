"""Signatures on outgoing mail, read back by dkimpy and by our own verifier."""

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.mailauth.seal import UnusableKey
from gateway.mailauth.sign import Signer, load_signer, signed
from tests.gateway.mailauth.mailroom import MAIL, NOW


def pem(key: object) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


RSA = load_signer(pem(rsa.generate_private_key(65537, 2048)), "Example.com", "R1")
ED = load_signer(pem(ed25519.Ed25519PrivateKey.generate()), "example.com", "e1")


def dns(name: bytes, timeout: float = 5) -> bytes:
    records = {"r1._domainkey.example.com.": RSA.record, "e1._domainkey.example.com.": ED.record}
    return records[name.decode()].encode()


def verdicts(mail: bytes, count: int = 2) -> list[bool]:
    """Of the topmost signatures."""
    checked = dkim.DKIM(mail)
    found = []
    for at in range(count):
        try:
            found.append(checked.verify(at, dns))
        except dkim.ValidationError:
            found.append(False)
    return found


@pytest.mark.parametrize("signers", [(RSA,), (ED,), (RSA, ED)], ids=["rsa", "ed25519", "both"])
@pytest.mark.parametrize(
    "mail",
    [
        pytest.param(MAIL, id="ordinary"),
        pytest.param(b"From: a@example.com\r\nSubject: a\r\n\tb\r\n\r\n", id="no-body"),
        pytest.param(b"From: a@example.com\r\n\r\n" + b"x" * 5_000 + b"  \r\n\r\n\r\n", id="long-line-and-empty-tail"),
        pytest.param("From: ä@example.com\r\nSubject: Grüße\r\n\r\nß\r\n".encode(), id="utf8"),
        pytest.param(b"DKIM-Signature: v=1; a=x; b=y\r\nFrom: a@example.com\r\n\r\nHi\r\n", id="signed-before"),
    ],
)
def test_a_signature_holds(signers: tuple[Signer, ...], mail: bytes) -> None:
    made = signed(mail, "EXAMPLE.com", {"example.com": signers}, NOW)
    assert made.endswith(mail)
    assert verdicts(made, len(signers)) == [True] * len(signers)
    assert max(map(len, made[: -len(mail)].split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"at noon", b"at night", id="body"),
        pytest.param(b"Subject: Lunch", b"Subject: Money", id="subject"),
        pytest.param(b"From: Ann", b"From: Eve <e@v.test>\r\nFrom: Ann", id="second-author-on-top"),
    ],
)
def test_a_change_is_seen(old: bytes, new: bytes) -> None:
    made = signed(MAIL, "example.com", {"example.com": (RSA, ED)}, NOW)
    assert old in made and verdicts(made) == [True, True]
    assert verdicts(made.replace(old, new, 1)) == [False, False]


def test_a_domain_without_keys_is_not_signed() -> None:
    assert signed(MAIL, "other.example", {"example.com": (RSA,)}, NOW) is MAIL


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        pytest.param(b"nothing", "no private key", id="garbage"),
        pytest.param(pem(rsa.generate_private_key(65537, 1024)), "1024 bits", id="short"),
        pytest.param(pem(ec.generate_private_key(ec.SECP256R1())), "neither", id="other-kind"),
    ],
)
def test_an_unusable_key_is_told(octets: bytes, why: str) -> None:
    with pytest.raises(UnusableKey, match=why):
        load_signer(octets, "example.com", "s")
