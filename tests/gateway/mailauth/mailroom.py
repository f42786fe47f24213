"""Signed mails and the zone that vouches for them, made fresh for each test run."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.dns.zone import Zone, ZoneResolver
from gateway.envelope import Envelope, Peer, ReceptionId
from store.message.mime import parse_message
from store.message.model import Message

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CLIENT = "192.0.2.1"
MAIL = (
    b"From: Ann <ann@example.test>\r\n"
    b"To: bob@receiver.test\r\n"
    b"Subject: Lunch\r\n"
    b"Date: Sun, 22 Nov 2026 11:59:00 +0000\r\n"
    b"Message-ID: <1@example.test>\r\n"
    b"\r\n"
    b"Shall we eat  at noon? \r\n"
    b"\r\n"
    b"Ann\r\n"
    b"\r\n\r\n"
)


@dataclass(frozen=True)
class Key:
    """A signing key and the record that goes with it."""

    private: bytes
    record: str
    algorithm: bytes


@cache
def rsa_key(bits: int = 2048, extra: str = "") -> Key:
    key = rsa.generate_private_key(65_537, bits) if bits >= 1024 else _short_rsa_key()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Key(pem, f"v=DKIM1; k=rsa; {extra}p={base64.b64encode(der).decode()}", b"rsa-sha256")


def _short_rsa_key() -> rsa.RSAPrivateKey:
    """768 bits, from two fixed primes: today's libraries refuse to make such a key."""
    p = 0xF90A6F4AF1B9F1C8B7F7A6F9F0A3C1B7D9E8F7A6B5C4D3E2F1A0B9C8D7E6F5A4B3C2D1E0F9A8B7C6D5E4F3A2B1C0D9E9
    q = 0xE0A1B2C3D4E5F60718293A4B5C6D7E8F90A1B2C3D4E5F60718293A4B5C6D7E8F90A1B2C3D4E5F60718293A4B5C6D7E91
    p, q = _next_prime(p), _next_prime(q)
    e = 65_537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _next_prime(start: int) -> int:
    candidate = start | 1
    while not all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7, 11)):
        candidate += 2
    return candidate


@cache
def ed25519_key() -> Key:
    key = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.Raw
    private = key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = key.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    record = f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"
    return Key(base64.b64encode(private), record, b"ed25519-sha256")


def sign(
    mail: bytes = MAIL,
    key: Key | None = None,
    domain: str = "example.test",
    selector: str = "sel",
    algorithm: bytes | None = None,
    ways: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
    at: datetime = NOW,
    expires: datetime | None = None,
    length: bool = False,
    identity: str | None = None,
    names: Sequence[bytes] | None = None,
) -> bytes:
    """The mail with a signature on top, made at ``at`` whatever the clock says."""
    key = key or rsa_key()
    signer = _Dated(mail, signature_algorithm=algorithm or key.algorithm)
    signer.at, signer.expires = at, expires
    field = signer.sign(
        selector.encode(),
        domain.encode(),
        key.private,
        identity=identity.encode() if identity else None,
        canonicalize=ways,
        include_headers=list(names) if names else None,
        length=length,
    )
    return bytes(field) + mail


class _Dated(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's signer with t= and x= of our choosing."""

    at = NOW
    expires: datetime | None = None

    def gen_header(self, fields: list[tuple[bytes, bytes]], *rest: object, **named: object) -> bytes:
        at = str(int(self.at.timestamp())).encode()
        dated = [(tag, at if tag == b"t" else value) for tag, value in fields]
        if self.expires is not None:
            dated.insert(2, (b"x", str(int(self.expires.timestamp())).encode()))
        fields[:] = dated
        return bytes(super().gen_header(fields, *rest, **named))


def arc_seal(mail: bytes, domain: str, results: bytes, key: Key | None = None) -> bytes:
    """The mail with one more ARC set, sealed by ``domain``, which saw ``results``."""
    key = key or rsa_key()
    seen = b"Authentication-Results: " + domain.encode() + b"; " + results + b"\r\n"
    fields = dkim.arc_sign(
        seen + mail, b"sel", domain.encode(), key.private, domain.encode(), timestamp=int(NOW.timestamp())
    )
    return b"".join(fields) + seen + mail


def zone(
    extra: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    fail: Sequence[str] = (),
    slow: Sequence[str] = (),
    key: Key | None = None,
) -> Zone:
    """example.test, which sends from CLIENT, signs, and wants forgeries rejected; and what ``extra`` adds."""
    names: dict[str, Mapping[str, Sequence[str]]] = {
        "example.test": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"], "A": ["192.0.2.80"]},
        "mail.example.test": {"A": [CLIENT], "TXT": ["v=spf1 a -all"]},
        "1.2.0.192.in-addr.arpa": {"PTR": ["mail.example.test"]},
        "_dmarc.example.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@reports.test"]},
        "sel._domainkey.example.test": {"TXT": [(key or rsa_key()).record]},
    }
    return Zone.of({**names, **(extra or {})}, fail=fail, slow=slow)


def resolver(
    extra: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    fail: Sequence[str] = (),
    slow: Sequence[str] = (),
    key: Key | None = None,
) -> ZoneResolver:
    return ZoneResolver(zone(extra, fail, slow, key))


def envelope(
    ip: str = CLIENT, helo: str = "mail.example.test", mail_from: str | None = "ann@example.test", user: str = ""
) -> Envelope:
    return Envelope(ReceptionId("test"), Peer(ip_address(ip), 40_000, helo, user=user), mail_from, (), NOW)


def parsed(octets: bytes) -> Message:
    return parse_message(octets)
