"""Seals mail that we hand on: whoever gets it can see what we saw before we added to it. RFC 8617 §5.1.

A seal is a service to the next host. A mail that cannot be sealed goes on without one; nothing raised here reaches it.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.mailauth.arc_chain import MAX_INSTANCE, RESULTS, SEAL, SIGNATURE, instance_of, newest_of
from gateway.mailauth.canonical import relaxed_body, relaxed_field
from gateway.mailauth.results import ArcResult

log = structlog.get_logger()

MIN_BITS = 2048  #: of the sealing key; RFC 8301 §3.2 asks signers for it
#: RFC 6376 §5.4.1, and what earlier hands have signed (RFC 8617 §4.1.2); each as often as it is there.
_SIGNED = (
    *(b"from", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"resent-from", b"resent-to", b"resent-date"),
    *(b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"list-post", b"list-help", b"dkim-signature"),
)
_OVERSIGNED = b"from"  #: a second one, added on the way, breaks the signature (RFC 6376 §8.15)
_MAX_NAMES = 100  #: in h=
FIELD_START = re.compile(rb"\r\n(?![ \t])")
_FOLD = 70  #: characters of base64 or of names on a line


class UnusableKey(ValueError):
    """The sealing key cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Who seals: a domain, its selector, and the key published there."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey

    def sealed(self, octets: bytes, results: str, chain: ArcResult, at: datetime) -> bytes:
        """The mail with one more ARC set on top, or as it was where there can be none. Never raises.

        ``results`` is the value of our own Authentication-Results field, ``chain`` what was found of the sets before.
        Computes in time linear in the mail's size: run it in a thread.
        """
        try:
            return self._set(octets, results, chain, at) + octets
        except Exception as error:  # boundary: a mail without a seal is better than no mail
            log.error("arc.seal.failed", domain=self.domain, error=repr(error), exc_info=error)
            return octets

    def _set(self, octets: bytes, results: str, chain: ArcResult, at: datetime) -> bytes:
        """The three fields, b"" where the chain has ended or nothing certain can be said of it."""
        block, _, body = octets.partition(b"\r\n\r\n")
        fields = [field for field in FIELD_START.split(block) if b":" in field]
        newest, has_failed = newest_of([tuple(field.split(b":", 1)) for field in fields])
        status = _status(chain, newest)
        if not status or has_failed or newest >= MAX_INSTANCE:
            return b""
        told = f"ARC-Authentication-Results: i={newest + 1}; {results}".encode("ascii", "replace")
        tags = f"a=rsa-sha256; t={int(at.timestamp())};\r\n\td={self.domain}; s={self.selector};"
        signature = self._signature(fields, body, f"i={newest + 1}; {tags}")
        seal = f"ARC-Seal: i={newest + 1}; cv={status}; {tags}\r\n\tb=".encode("ascii")
        # RFC 8617 §5.1.2: over a chain that has failed, a seal stands for its own set alone
        earlier = _earlier(fields, newest) if status == "pass" else []
        covered = b"".join(relaxed_field(field) + b"\r\n" for field in (*earlier, told, signature))
        return self._signed(seal, covered) + b"\r\n" + signature + b"\r\n" + told + b"\r\n"

    def _signature(self, fields: Sequence[bytes], body: bytes, tags: str) -> bytes:
        """ARC-Message-Signature over the mail. RFC 8617 §4.1.2."""
        names, covered = chosen(fields)
        digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        text = f"ARC-Message-Signature: {tags} c=relaxed/relaxed;\r\n\th=".encode("ascii")
        unsigned = text + folded_names(names) + b";\r\n\tbh=" + digest + b";\r\n\tb="
        return self._signed(unsigned, b"".join(relaxed_field(field) + b"\r\n" for field in covered))

    def _signed(self, field: bytes, covered: bytes) -> bytes:
        """The field with its b= filled in. RFC 6376 §3.7."""
        octets = self.key.sign(covered + relaxed_field(field), padding.PKCS1v15(), hashes.SHA256())
        return field + folded(base64.b64encode(octets))


def load_sealer(pem: bytes, domain: str, selector: str) -> Sealer:
    """From a private key in PEM. Raises UnusableKey."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"no private key in PEM without a password: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnusableKey("not an RSA key; hardly any verifier reads other seals yet")
    if key.key_size < MIN_BITS:
        raise UnusableKey(f"a key of {key.key_size} bits; at least {MIN_BITS} are needed")
    return Sealer(domain.lower(), selector.lower(), key)


def _status(chain: ArcResult, newest: int) -> str:
    """cv= of our seal, "" where we cannot say: our DNS being down must not end a chain that is whole."""
    if chain.result == "none":
        return "none" if not newest else ""
    return {"pass": "pass", "fail": "fail", "permerror": "fail"}.get(chain.result, "")


def chosen(fields: Sequence[bytes], without: frozenset[bytes] = frozenset()) -> tuple[list[bytes], list[bytes]]:
    """Names for h=, and the fields they stand for: of one name the lowest first. RFC 6376 §5.4.2."""
    by_name: dict[bytes, list[bytes]] = {}
    for field in reversed(fields):
        by_name.setdefault(field.partition(b":")[0].strip().lower(), []).append(field)
    names = (name for name in _SIGNED if name not in without)
    found = [(name, field) for name in names for field in by_name.get(name, ())][:_MAX_NAMES]
    return [*(name for name, _ in found), _OVERSIGNED], [field for _, field in found]


def folded(text: bytes) -> bytes:
    """Base64 on lines of its own."""
    return b"\r\n\t".join(text[i : i + _FOLD] for i in range(0, len(text), _FOLD))


def folded_names(names: Sequence[bytes]) -> bytes:
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > _FOLD:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n\t".join(lines)[:-1]


def _earlier(fields: Sequence[bytes], newest: int) -> list[bytes]:
    """Fields of the sets before ours in the order in which they are sealed. RFC 8617 §5.1.1."""
    found: dict[tuple[int, bytes], bytes] = {}
    for field in fields:
        name, _, value = field.partition(b":")
        lower = name.strip().lower()
        if lower in (RESULTS, SIGNATURE, SEAL):
            found[instance_of(lower, value), lower] = field
    return [found[instance, name] for instance in range(1, newest + 1) for name in (RESULTS, SIGNATURE, SEAL)]
