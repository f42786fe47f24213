"""dkimpy as we use it: keys that are already here, bodies that are already canonical, and limits on what it reads."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import dkim
from dkim.util import parse_tag_value

from gateway.mailauth.canonical import relaxed_body, simple_body
from gateway.mailauth.keys import KeyName, KeyRecord
from gateway.mailauth.words import printable, read_tags

_MAX_HEADER = 512 * 1024  #: octets of a header block that is parsed
_MAX_FIELD = 16_384  #: octets of one signature field
_MAX_SIGNED = 300  #: names in h=
_MAX_RSA_BITS = 8_192  #: a verification is a modular power in Python: bound it
_MAX_EXPONENT = 1 << 33
_LONG_RUN = re.compile(rb"\s{65}")  #: dkimpy's pattern for b= is quadratic in a run of white space

_QUIET = logging.Logger("dkimpy.quiet")
_QUIET.addHandler(logging.NullHandler())


class BadSignature(Exception):
    """A signature or key that cannot be used, whatever the mail says: permerror."""


class UnknownKey(Exception):
    """The DNS could not tell the key: temperror."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key record that was understood."""

    key: Any  #: as dkimpy holds it
    bits: int
    kind: bytes  #: b"rsa" or b"ed25519"
    testing: bool
    strict_identity: bool  #: t=s: i= must be exactly at d=
    hashes: tuple[str, ...]  #: that the owner accepts, () for all


@dataclass(frozen=True)
class SignedMail:
    """A mail split for hashing. Canonical bodies are made once, however many signatures there are."""

    octets: bytes  #: line ends are CRLF

    @cached_property
    def headers(self) -> list[list[bytes]]:
        """Names and values as dkimpy wants them. Raises BadSignature for a block it cannot read."""
        block = self.octets[: self._body_start]
        if len(block) > _MAX_HEADER:
            raise BadSignature("header too large")
        if b"\nFrom " in block:  # dkimpy skips such a line, mail programs read "From :" as an author
            raise BadSignature("a header line is not a field")
        try:
            return list(dkim.rfc822_parse(block)[0])
        except (dkim.DKIMException, IndexError) as error:
            raise BadSignature(f"header cannot be read: {error}") from error

    @cached_property
    def _body_start(self) -> int:
        if self.octets.startswith(b"\r\n"):
            return 2
        end = self.octets.find(b"\r\n\r\n")
        return len(self.octets) if end < 0 else end + 4

    @cached_property
    def relaxed(self) -> bytes:
        return relaxed_body(self.octets[self._body_start :])

    @cached_property
    def simple(self) -> bytes:
        return simple_body(self.octets[self._body_start :])


@lru_cache(maxsize=1024)
def read_key(record: bytes) -> PublicKey:
    """Parse a key record. Raises BadSignature."""
    tags = read_tags(record)
    if not tags.get("p"):
        raise BadSignature("key revoked")  # RFC 6376 §3.6.1
    services = [word.strip() for word in tags.get("s", "*").split(":")]
    if "*" not in services and "email" not in services:
        raise BadSignature("key is not for mail")
    try:
        key, bits, kind, _ = dkim.evaluate_pk("", record)
    except Exception as error:  # boundary: dkimpy raises many kinds on keys made to break it
        raise BadSignature(printable(f"bad key: {error}")) from error
    if kind == b"rsa" and not (0 < bits <= _MAX_RSA_BITS and 0 < key["publicExponent"] < _MAX_EXPONENT):
        raise BadSignature(f"key of {bits} bits is out of bounds")
    flags = [word.strip() for word in tags.get("t", "").split(":")]
    hashes = tuple(word.strip().lower() for word in tags["h"].split(":")) if "h" in tags else ()
    return PublicKey(key, bits, bytes(kind), "y" in flags, "s" in flags, hashes)


def check_shape(field: bytes) -> None:
    """Raises BadSignature for a signature field that would be slow to read."""
    if len(field) > _MAX_FIELD or _LONG_RUN.search(field) or field.count(b":") > _MAX_SIGNED:
        raise BadSignature("signature field too large")


def tags_of(field: bytes) -> dict[bytes, bytes]:
    """Tags as dkimpy reads them. Raises BadSignature."""
    check_shape(field)
    try:
        return dict(parse_tag_value(field))
    except dkim.util.InvalidTagValueList as error:
        raise BadSignature(printable(f"bad tag list: {error!r}")) from error


class _Keyed:
    """Replaces how dkimpy finds keys and canonicalises bodies. Mixed into both of its verifiers."""

    def __init__(self, mail: SignedMail, keys: Mapping[KeyName, KeyRecord]) -> None:
        super().__init__(None, logger=_QUIET, minkey=0)  # type: ignore[call-arg]  # dkimpy's, untyped
        self.mail = mail
        self.keys = keys
        self.headers = mail.headers
        self.used_key: PublicKey | None = None

    def verify_sig(
        self, sig: dict[bytes, bytes], include_headers: list[bytes], sig_header: tuple[bytes, bytes], dnsfunc: object
    ) -> bool:
        """dkimpy's hook. Raises BadSignature, UnknownKey and dkimpy's own."""
        key = self._find_key(sig)
        self.used_key = key
        self.pk, self.keysize, self.ktag, self.seqtlsrpt = key.key, key.bits, key.kind, False
        header_way, _, body_way = sig.get(b"c", b"simple/simple").partition(b"/")
        self.body = self.mail.relaxed if body_way == b"relaxed" else self.mail.simple
        if self.body and body_way == b"relaxed":
            sig = {**sig, b"c": header_way + b"/simple"}  # it is relaxed already, and simple is cheap
        return bool(self.verify_sig_process(sig, include_headers, sig_header, None))  # type: ignore[attr-defined]

    def _find_key(self, sig: Mapping[bytes, bytes]) -> PublicKey:
        name = (sig[b"s"].decode("utf-8", "replace").lower(), sig[b"d"].decode("utf-8", "replace").lower())
        record = self.keys.get(name, KeyRecord())
        if record.is_unknown:
            raise UnknownKey(f"no answer for the key {name[0]}._domainkey.{name[1]}")
        if not record.text:
            raise BadSignature("no key for signature")
        key = read_key(record.text)
        kind, _, digest = sig[b"a"].partition(b"-")
        if kind != key.kind:
            raise BadSignature("key is of another kind than the signature")
        if key.hashes and digest.decode("ascii", "replace") not in key.hashes:
            raise BadSignature("key does not allow this hash")
        return key


class DkimVerifier(_Keyed, dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """All DKIM signatures of one mail."""

    def signatures(self) -> list[tuple[bytes, bytes]]:
        return [(name, value) for name, value in self.headers if name.lower() == b"dkim-signature"]


class ArcVerifier(_Keyed, dkim.ARC):  # type: ignore[misc]  # dkimpy has no types
    """Signatures and seals of an ARC chain, one at a time; what makes a chain is in ``arc_chain``."""

    def verify_field(
        self,
        tags: Mapping[bytes, bytes],
        names: Sequence[bytes],
        field: tuple[bytes, bytes],
        headers: Sequence[Sequence[bytes]],
    ) -> bool:
        """Does ``field`` sign ``names`` out of ``headers``? Raises BadSignature, UnknownKey and dkimpy's own.

        Without c= it is relaxed: RFC 8617 §4.1.3 knows nothing else for seals, and sealers mean it in signatures.
        """
        self.headers = [list(header) for header in headers]
        return self.verify_sig({b"c": b"relaxed/relaxed", **tags}, list(names), field, None)
