"""DKIM: which domains have signed this mail, and whether we believe them. RFC 6376, RFC 8301, RFC 8463.

dkimpy verifies; what counts is decided here. A signature that leaves part of the body open (l=) never passes,
nor does SHA-1 or an RSA key below 1,024 bits, nor one that has expired or comes from the future.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime

import dkim

from gateway.dns.resolver import Resolver, normal_name
from gateway.mailauth.keys import KeyName, KeyRecord, fetch_keys, key_name
from gateway.mailauth.results import DkimResult
from gateway.mailauth.settings import AuthSettings
from gateway.mailauth.signed import BadSignature, DkimVerifier, PublicKey, SignedMail, UnknownKey, tags_of
from gateway.mailauth.words import printable, read_tags
from store.message.model import Message

_COLON = re.compile(rb"\s*:\s*")


async def check_dkim(
    message: Message, resolver: Resolver, now: datetime, settings: AuthSettings
) -> tuple[DkimResult, ...]:
    """Verify the topmost signatures; () for an unsigned mail. Never raises for what a mail or the DNS holds."""
    fields = message.headers.all("DKIM-Signature")[: settings.max_signatures]
    if not fields:
        return ()
    names = [name for name in (key_name(read_tags(field.raw)) for field in fields) if name is not None]
    keys = await fetch_keys(names, resolver)
    return await asyncio.to_thread(verify_all, SignedMail(message.octets), keys, now, settings)


def verify_all(
    mail: SignedMail, keys: Mapping[KeyName, KeyRecord], now: datetime, settings: AuthSettings
) -> tuple[DkimResult, ...]:
    """Verify without the network. Computes only: run it in a thread."""
    try:
        verifier = DkimVerifier(mail, keys)
    except BadSignature as error:
        return (DkimResult("permerror", reason=printable(error)),)
    found = verifier.signatures()[: settings.max_signatures]
    return tuple(_verify(verifier, field, now, settings) for field in found)


def _verify(verifier: DkimVerifier, field: tuple[bytes, bytes], now: datetime, settings: AuthSettings) -> DkimResult:
    told = _told(read_tags(field[1]))
    verifier.used_key = None
    try:
        tags = tags_of(field[1])
        # dkimpy compares t= and x= with this machine's clock; we judge them by when the mail came, below
        dkim.validate_signature_fields({k: v for k, v in tags.items() if k not in (b"t", b"x")})
        signed = [name.lower() for name in _COLON.split(tags[b"h"].strip())]
        if b"from" not in signed:
            raise BadSignature("the signature does not cover From")  # RFC 6376 §5.4
        verified = verifier.verify_sig(tags, signed, field, None)
        _check_identity(tags, verifier.used_key)
    except UnknownKey as error:
        return _result(told, "temperror", reason=str(error))
    except dkim.ValidationError as error:
        return _not_valid(told, str(error), verifier.used_key)
    except (BadSignature, dkim.DKIMException) as error:
        return _result(told, "permerror", reason=str(error))
    except Exception as error:  # boundary: dkimpy raises many kinds on signatures made to break it
        return _result(told, "permerror", reason=f"cannot be verified: {error!r}")
    assert verifier.used_key is not None
    if not verified:
        return _result(told, "fail", reason="signature did not verify", key=verifier.used_key)
    return _judge(told, tags, verifier.used_key, now, settings)


def _not_valid(told: Mapping[str, str], reason: str, key: PublicKey | None) -> DkimResult:
    if reason.startswith("body hash mismatch"):
        return _result(told, "fail", reason="body was changed after signing", key=key)
    return _result(told, "permerror", reason=reason, key=key)


def _check_identity(tags: Mapping[bytes, bytes], key: PublicKey | None) -> None:
    """Raises BadSignature where the key allows no subdomain and i= is at one. RFC 6376 §3.6.1, t=s."""
    if key is None or not key.strict_identity or b"i" not in tags:
        return
    if tags[b"i"].rpartition(b"@")[2].lower() != tags[b"d"].lower():
        raise BadSignature("key does not allow an identity in a subdomain")


def _judge(
    told: Mapping[str, str], tags: Mapping[bytes, bytes], key: PublicKey, now: datetime, settings: AuthSettings
) -> DkimResult:
    """What a signature that verifies is worth."""
    at = now.timestamp()
    signed_at, expires = _seconds(tags, b"t"), _seconds(tags, b"x")
    if tags[b"a"] == b"rsa-sha1":  # RFC 8301 §3.1
        return _result(told, "permerror", "sha1", "SHA-1 signatures do not count", key)
    if key.kind == b"rsa" and key.bits < settings.min_rsa_bits:  # RFC 8301 §3.2
        return _result(told, "fail", "short-key", f"key of {key.bits} bits is too short", key)
    if expires is not None and (expires < at - settings.clock_skew_s or (signed_at or 0) > expires):
        return _result(told, "fail", "expired", "signature has expired", key)
    if signed_at is not None and signed_at > at + settings.clock_skew_s:
        return _result(told, "fail", "future", "signature was made in the future", key)
    if b"l" in tags:  # RFC 6376 §8.2: anything may have been added to the body
        return _result(told, "policy", "length", "only part of the body is signed", key)
    if key.kind == b"rsa" and key.bits < settings.good_rsa_bits:
        return _result(told, "pass", "weak-key", f"key has only {key.bits} bits", key)
    return _result(told, "pass", key=key)


def _seconds(tags: Mapping[bytes, bytes], tag: bytes) -> int | None:
    """A time tag. Raises BadSignature for no number (RFC 6376 §3.5)."""
    value = tags.get(tag)
    if value is None:
        return None
    if not value.isdigit() or len(value) > 12:
        return None if tag == b"t" else 0  # an unreadable expiry is one in the past
    return int(value)


def _told(tags: Mapping[str, str]) -> Mapping[str, str]:
    return {name: printable(tags.get(name, ""), 255) for name in ("a", "i", "s", "b")} | {
        "d": printable(normal_name(tags.get("d", "")) or "", 255)
    }


def _result(
    told: Mapping[str, str],
    outcome: str,
    weakness: str = "",
    reason: str = "",
    key: PublicKey | None = None,
) -> DkimResult:
    return DkimResult(
        outcome,  # type: ignore[arg-type]  # every caller above names one of the outcomes
        domain=told["d"],
        selector=told["s"],
        algorithm=told["a"],
        key_bits=key.bits if key else 0,
        identity=told["i"],
        weakness=weakness,
        reason=printable(reason),
        testing=key.testing if key else False,
        signature_start=told["b"].replace(" ", "")[:8],
    )
