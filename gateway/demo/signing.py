"""Signs the demo's mails: DKIM and ARC, on keys that live as long as the demo. RFC 6376, RFC 8463, RFC 8617.

For mails that we wrote ourselves: one header field a name is signed, always relaxed/relaxed.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.mailauth.canonical import relaxed_body, relaxed_field

_SIGNED = (
    *("From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
)
_FOLD = 70  #: characters of base64 a line


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, the record that goes with it, and the name of its algorithm."""

    private: rsa.RSAPrivateKey | Ed25519PrivateKey
    record: str
    algorithm: str

    def sign(self, text: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(hashlib.sha256(text).digest())  # RFC 8463 §3: the digest is what is signed


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a selector, its domain and the key published there."""

    selector: str
    domain: str
    key: Key


def rsa_key() -> Key:
    """A fresh key of 2,048 bits."""
    private = rsa.generate_private_key(65_537, 2048)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = private.public_key().public_bytes(serialization.Encoding.DER, form)
    return Key(private, f"v=DKIM1; k=rsa; p={_base64(public)}", "rsa-sha256")


def ed25519_key() -> Key:
    """A fresh key; its record holds the 32 octets themselves (RFC 8463 §4.2)."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Key(private, f"v=DKIM1; k=ed25519; p={_base64(public)}", "ed25519-sha256")


def dkim_sign(octets: bytes, signer: Signer, at: datetime) -> bytes:
    """The mail with a DKIM-Signature on top. Line ends must be CRLF."""
    return _message_signature(octets, signer, at, "DKIM-Signature", "v=1") + octets


def arc_seal(octets: bytes, signer: Signer, at: datetime, results: str) -> bytes:
    """The mail with a first ARC set on top. ``results`` is what the sealer found, with its name in front."""
    told = f"ARC-Authentication-Results: i=1; {results}\r\n".encode()
    signature = _message_signature(octets, signer, at, "ARC-Message-Signature", "i=1")
    tags = f"i=1; a={signer.key.algorithm}; t={_seconds(at)}; cv=none;\r\n\td={signer.domain}; s={signer.selector};"
    seal = f"ARC-Seal: {tags}\r\n\tb=".encode()
    # RFC 8617 §5.1.1: results, message signature, seal, in this order
    text = b"".join(relaxed_field(field) + b"\r\n" for field in (told, signature)) + relaxed_field(seal)
    return seal + _folded(signer.key.sign(text)) + signature + told + octets


def _message_signature(octets: bytes, signer: Signer, at: datetime, name: str, first: str) -> bytes:
    block, _, body = octets.partition(b"\r\n\r\n")
    fields = _fields(block)
    present = [field for field in _SIGNED if field.lower() in fields]
    body_hash = _base64(hashlib.sha256(relaxed_body(body)).digest())
    tags = (
        f"{first}; a={signer.key.algorithm}; c=relaxed/relaxed;\r\n\td={signer.domain}; s={signer.selector}; "
        f"t={_seconds(at)};\r\n\th={':'.join(present)};\r\n\tbh={body_hash};\r\n\tb="
    )
    unsigned = f"{name}: {tags}".encode()
    text = b"".join(relaxed_field(fields[field.lower()]) + b"\r\n" for field in present) + relaxed_field(unsigned)
    return unsigned + _folded(signer.key.sign(text))


def _fields(block: bytes) -> dict[str, bytes]:
    """The last field of each name, which is the one that RFC 6376 §5.4.2 signs first."""
    fields: dict[str, bytes] = {}
    for field in re.split(rb"\r\n(?![ \t])", block):
        fields[field.partition(b":")[0].strip().decode("ascii").lower()] = field
    return fields


def _folded(signature: bytes) -> bytes:
    text = _base64(signature)
    lines: Sequence[str] = [text[i : i + _FOLD] for i in range(0, len(text), _FOLD)]
    return "\r\n\t".join(lines).encode() + b"\r\n"


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
