"""ARC: the chain of forwarders that say what they saw before they changed the mail. RFC 8617.

dkimpy does the arithmetic; which fields belong together and what a chain is worth is decided here and in
``arc_chain``. A chain whose newest signature leaves part of the body open (l=) or rests on a short key is not trusted.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

import dkim

from gateway.dns.resolver import Resolver, normal_name
from gateway.mailauth.arc_chain import ArcSet, BrokenChain, check_statuses, read_chain, seal_headers, vouches
from gateway.mailauth.keys import KeyName, KeyRecord, fetch_keys, key_name
from gateway.mailauth.results import ArcResult
from gateway.mailauth.settings import AuthSettings
from gateway.mailauth.signed import ArcVerifier, BadSignature, SignedMail, UnknownKey
from gateway.mailauth.words import printable, read_tags
from store.message.model import Message

_AAR_SHOWN = 1_000  #: characters of the first set's results that are kept
#: What a chain is made of, as ``Headers.names`` has it.
ARC_FIELDS = frozenset({"arc-seal", "arc-message-signature", "arc-authentication-results"})


async def check_arc(
    message: Message, resolver: Resolver, settings: AuthSettings, now: datetime | None = None
) -> ArcResult:
    """Verify the chain; "none" for a mail without one, at no cost. Never raises for what a mail or the DNS holds.

    ``now`` is when the mail came, for signatures that expire; None takes none for expired.
    """
    length = max(len(message.headers.all(name)) for name in ARC_FIELDS)
    if not length:
        return ArcResult()
    if length > settings.max_arc_sets:
        return ArcResult("fail", length, reason="chain is too long")
    mail = SignedMail(message.octets)
    try:
        sets = await asyncio.to_thread(_read, mail)
    except (BrokenChain, BadSignature) as error:
        return ArcResult("fail", length, reason=printable(error))
    except Exception as error:  # boundary: dkimpy raises many kinds on chains made to break it
        return ArcResult("permerror", length, reason=printable(f"cannot be read: {error!r}"))
    keys = await fetch_keys(_key_names(sets), resolver)
    return await asyncio.to_thread(verify_chain, mail, sets, keys, settings, now)


def _read(mail: SignedMail) -> tuple[ArcSet, ...]:
    """Raises BrokenChain and BadSignature."""
    sets = read_chain((bytes(name), bytes(value)) for name, value in mail.headers)
    if not sets:
        raise BrokenChain("no set can be read")
    check_statuses(sets)
    return sets


def _key_names(sets: Sequence[ArcSet]) -> list[KeyName]:
    """Of every seal, and of the newest message signature: the others are not verified (RFC 8617 §5.2, step 4)."""
    fields = [sets[-1].signature, *(one.seal for one in sets)]
    return [name for name in (key_name(read_tags(value)) for _, value in fields) if name is not None]


def verify_chain(
    mail: SignedMail,
    sets: Sequence[ArcSet],
    keys: Mapping[KeyName, KeyRecord],
    settings: AuthSettings,
    now: datetime | None = None,
) -> ArcResult:
    """Verify without the network. Computes only: run it in a thread."""
    sealers = tuple(normal_name(one.seal_tags[b"d"].decode("utf-8", "replace")) or "" for one in sets)
    oldest = printable(sets[0].results[1].decode("utf-8", "replace"), _AAR_SHOWN)

    def ended(outcome: str, reason: object = "", trusted: bool = False) -> ArcResult:
        word = outcome  # one of the outcomes, as every caller below names it
        return ArcResult(word, len(sets), sealers, trusted, oldest, printable(reason))  # type: ignore[arg-type]

    try:
        verifier = ArcVerifier(mail, keys)
        _verify_signature(verifier, mail, sets[-1], settings, now)
        for count in range(len(sets), 0, -1):
            _verify_seal(verifier, sets[:count], settings)
    except UnknownKey as error:
        return ended("temperror", error)
    except (BrokenChain, BadSignature, dkim.DKIMException) as error:
        return ended("fail", error)
    except Exception as error:  # boundary: dkimpy raises many kinds on chains made to break it
        return ended("permerror", f"cannot be verified: {error!r}")
    if b"l" in sets[-1].signature_tags:  # RFC 6376 §8.2: anything may have been added to the body
        return ended("pass", "only part of the body is signed")
    return ended("pass", trusted=_is_vouched_for(sets, sealers, settings))


def _is_vouched_for(sets: Sequence[ArcSet], sealers: Sequence[str], settings: AuthSettings) -> bool:
    """Did the first of the trusted hands that the mail went through last find its author authentic?

    What a set says is worth no more than those who sealed it, so trust goes down from the newest seal only as far as
    every sealer is trusted; whatever came before is hearsay.
    """
    first = len(sets)
    while first and sealers[first - 1] in settings.trusted_sealers:
        first -= 1
    return first < len(sets) and vouches(sets[first])


def _verify_signature(
    verifier: ArcVerifier, mail: SignedMail, one: ArcSet, settings: AuthSettings, now: datetime | None
) -> None:
    """Raises BrokenChain, BadSignature, UnknownKey and dkimpy's own. RFC 8617 §5.2, step 4."""
    expires = one.signature_tags.get(b"x", b"")
    if now is not None and expires[:12].isdigit() and int(expires[:12]) < now.timestamp() - settings.clock_skew_s:
        raise BrokenChain("newest message signature has expired")
    if b"from" not in one.signed:
        raise BrokenChain("newest message signature does not cover From")
    try:
        holds = verifier.verify_field(one.signature_tags, one.signed, one.signature, mail.headers)
    except dkim.ValidationError as error:
        raise BrokenChain(f"newest message signature: {error}") from error
    _check_key(verifier, settings)
    if not holds:
        raise BrokenChain("newest message signature did not verify")


def _verify_seal(verifier: ArcVerifier, sets: Sequence[ArcSet], settings: AuthSettings) -> None:
    """The last set's seal, over all sets up to it. Raises as above. RFC 8617 §5.2, step 6."""
    fields, names = seal_headers(sets)
    tags = {name: value for name, value in sets[-1].seal_tags.items() if name not in (b"bh", b"c")}
    holds = verifier.verify_field(tags, names, sets[-1].seal, fields)
    _check_key(verifier, settings)
    if not holds:
        raise BrokenChain(f"seal {len(sets)} did not verify")


def _check_key(verifier: ArcVerifier, settings: AuthSettings) -> None:
    """RFC 8301 §3.2 holds for sealers, too."""
    key = verifier.used_key
    if key is not None and key.kind == b"rsa" and key.bits < settings.min_rsa_bits:
        raise BadSignature(f"key of {key.bits} bits is too short")
