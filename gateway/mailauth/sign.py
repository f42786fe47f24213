"""Signs mail that our own people send. RFC 6376 §5, RFC 8463.

Relaxed canonical forms, no length, From signed once more than it is there so that nobody can add one. A domain with an
RSA and an Ed25519 key gets both signatures: not every verifier knows the second.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from gateway.mailauth.canonical import relaxed_body, relaxed_field
from gateway.mailauth.seal import FIELD_START, MIN_BITS, UnusableKey, chosen, folded, folded_names

SigningKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """One key of a domain."""

    domain: str
    selector: str
    key: SigningKey

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.key, rsa.RSAPrivateKey) else "ed25519-sha256"

    @property
    def record(self) -> str:
        """What the DNS has to hold at SELECTOR._domainkey.DOMAIN. RFC 6376 §3.6.1, RFC 8463 §4.2."""
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            octets = public.public_bytes(serialization.Encoding.DER, form)
            return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode()}"
        octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode()}"

    def signature(self, fields: Sequence[bytes], body_hash: bytes, at: datetime) -> bytes:
        """The DKIM-Signature field with its line end."""
        names, signed = chosen(fields, without=frozenset({b"dkim-signature"}))
        tags = f"v=1; a={self.algorithm}; c=relaxed/relaxed;\r\n\td={self.domain}; s={self.selector};"
        head = f"DKIM-Signature: {tags} t={int(at.timestamp())};\r\n\th=".encode("ascii")
        unsigned = head + folded_names(names) + b";\r\n\tbh=" + body_hash + b";\r\n\tb="
        covered = b"".join(relaxed_field(field) + b"\r\n" for field in signed) + relaxed_field(unsigned)
        return unsigned + folded(base64.b64encode(self._octets(covered))) + b"\r\n"

    def _octets(self, covered: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(covered, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(hashlib.sha256(covered).digest())  # RFC 8463 §3


def load_signer(pem: bytes, domain: str, selector: str) -> Signer:
    """From a private key in PEM. Raises UnusableKey."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"no private key in PEM without a password: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise UnusableKey("neither an RSA nor an Ed25519 key")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_BITS:
        raise UnusableKey(f"a key of {key.key_size} bits; at least {MIN_BITS} are needed (RFC 8301 §3.2)")
    return Signer(domain.lower(), selector.lower(), key)


def signed(octets: bytes, domain: str, signers: Mapping[str, Sequence[Signer]], at: datetime) -> bytes:
    """The mail with a signature of each key of its author's domain on top, as it was when there is none.

    Computes in time linear in the mail's size: run it in a thread.
    """
    own = signers.get(domain.lower(), ())
    if not own:
        return octets
    block, _, body = octets.partition(b"\r\n\r\n")
    fields = [field for field in FIELD_START.split(block) if b":" in field]
    body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
    return b"".join((*(signer.signature(fields, body_hash, at) for signer in own), octets))
