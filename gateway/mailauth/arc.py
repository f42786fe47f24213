"""ARC: the chain of forwarders that say what they saw before they changed the mail. RFC 8617."""

import asyncio
from collections.abc import Mapping
from typing import Any

import dkim

from gateway.dns.resolver import Resolver, normal_name
from gateway.mailauth.keys import KeyName, KeyRecord, fetch_keys, key_name
from gateway.mailauth.results import ArcResult
from gateway.mailauth.settings import AuthSettings
from gateway.mailauth.signed import ArcVerifier, BadSignature, SignedMail, UnknownKey, check_shape
from gateway.mailauth.words import printable, read_tags
from store.message.model import HeaderField, Message

_AAR_SHOWN = 1_000  #: characters of the first set's results that are kept


async def check_arc(message: Message, resolver: Resolver, settings: AuthSettings) -> ArcResult:
    """Verify the chain; "none" for a mail without one, at no cost. Never raises for what a mail or the DNS holds."""
    seals = message.headers.all("ARC-Seal")
    if not seals:
        return ArcResult()
    if len(seals) > settings.max_arc_sets:
        return ArcResult("permerror", len(seals), reason="chain is too long")
    signatures = message.headers.all("ARC-Message-Signature")
    if len(signatures) > len(seals):
        return ArcResult("fail", len(seals), reason="chain is not complete")
    names = [name for name in map(_key, (*seals, *signatures)) if name is not None]
    keys = await fetch_keys(names, resolver)
    return await asyncio.to_thread(verify_chain, SignedMail(message.octets), keys, len(seals), settings)


def _key(field: HeaderField) -> KeyName | None:
    return key_name(read_tags(field.raw))


def verify_chain(mail: SignedMail, keys: Mapping[KeyName, KeyRecord], length: int, settings: AuthSettings) -> ArcResult:
    """Verify without the network. Computes only: run it in a thread."""
    sets: list[dict[str, Any]] = []
    try:
        verifier = ArcVerifier(mail, keys)
        for name, value in verifier.headers:
            if name.lower() in (b"arc-seal", b"arc-message-signature"):
                check_shape(value)
        verifier.newest = length
        outcome, sets, reason = verifier.verify()
    except UnknownKey as error:
        return ArcResult("temperror", length, reason=printable(error))
    except BadSignature as error:
        return ArcResult("fail", length, reason=printable(error))
    except Exception as error:  # boundary: dkimpy raises many kinds on chains made to break it
        return ArcResult("permerror", length, reason=printable(f"cannot be verified: {error!r}"))
    sealers = tuple(_domain(one) for one in reversed(sets))
    passed = outcome == dkim.CV_Pass
    return ArcResult(
        "pass" if passed else "fail",
        length,
        sealers,
        trusted=passed and bool(sealers) and sealers[-1] in settings.trusted_sealers,
        oldest_results=_oldest(sets),
        reason="" if passed else printable(reason),
    )


def _domain(one: Mapping[str, Any]) -> str:
    return normal_name(bytes(one.get("as-domain", b"")).decode("utf-8", "replace")) or ""


def _oldest(sets: list[dict[str, Any]]) -> str:
    first = next((one for one in sets if one.get("instance") == 1), None)
    return printable(bytes(first["aar-value"]).decode("utf-8", "replace"), _AAR_SHOWN) if first else ""
