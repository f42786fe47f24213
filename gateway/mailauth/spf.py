"""SPF by pyspf, without its threads and its blocking resolver. RFC 7208.

pyspf asks for records in the middle of its evaluation. We let it: its look-up function reads what we already
know, and where we know nothing it stops the evaluation. We then ask our own resolver and evaluate again from
the start, which is cheap because everything up to that point is known. A domain cannot make this long: the
RFC's own limits bound the look-ups, ``_MAX_ROUNDS`` bounds ours, and oversized records are refused.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from types import ModuleType
from typing import Any, cast

from gateway.dns.resolver import Answer, Mx, Resolver, Txt, normal_name
from gateway.mailauth.results import Scope, SpfOutcome, SpfResult
from gateway.mailauth.words import printable

_MAX_ROUNDS = 48  #: RFC 7208 §4.6.4 allows 10 terms; each may need its record, MX, PTR and an explanation
_MAX_RECORD = 4_096  #: octets of one SPF record; §3.4 asks for 450
_MAX_TERM = 512  #: octets of one term: pyspf's patterns are quadratic in it
_ADDRESSES_AHEAD = 10  #: hosts of an MX or PTR answer that are asked for together

_Key = tuple[str, str]


class _Missing(BaseException):
    """pyspf needs a record that has not been asked for yet."""


@dataclass(slots=True)
class _Known:
    """Answers that an evaluation may read, and the question it stopped at."""

    answers: dict[_Key, Answer] = field(default_factory=dict)
    missing: _Key | None = None
    from_ptr: set[str] = field(default_factory=set)  #: names that the client's address claims to have


_known: ContextVar[_Known] = ContextVar("spf_known")


@dataclass(frozen=True, slots=True)
class SpfIdentity:
    """Who claims to send. ``sender`` is "" for the HELO identity and for the null sender (RFC 7208 §2.3, §2.4)."""

    ip: IPv4Address | IPv6Address
    helo: str
    sender: str
    scope: Scope

    @property
    def domain(self) -> str:
        return (self.sender.rpartition("@")[2] if self.sender else self.helo).rstrip(".").lower()


async def check_spf(identity: SpfIdentity, resolver: Resolver, receiver: str = "") -> SpfResult:
    """Evaluate one identity. Never raises for anything a record or the DNS says; the caller bounds the time."""
    domain = identity.domain
    asked = normal_name(domain)
    if asked is None or "." not in asked:
        return SpfResult("none", "", identity.scope)  # RFC 7208 §4.3
    if not load_pyspf.cache_info().currsize:
        await asyncio.to_thread(load_pyspf)
    known = _Known()
    await _ask(known, resolver, (asked, "TXT"))  # whatever the identity, the record is wanted first
    for _ in range(_MAX_ROUNDS):
        result = _evaluate(identity, asked, receiver, known)
        if known.missing is None or (result is not None and result.result != "fail"):
            # pyspf swallows a miss only while fetching the words of exp=, which matter on a fail alone
            return result or SpfResult("permerror", asked, identity.scope, "the record could not be evaluated")
        await _learn(known, resolver, identity.ip.version)
    return SpfResult("permerror", asked, identity.scope, "too many DNS look-ups")


@cache
def load_pyspf() -> ModuleType:
    """Import pyspf with our look-up in place of its own. About 0.2 s; ``warm_up`` calls it before the first mail."""
    import spf

    spf.DNSLookup = _lookup
    return cast(ModuleType, spf)


def _evaluate(identity: SpfIdentity, domain: str, receiver: str, known: _Known) -> SpfResult | None:
    """One evaluation over what is known; None when it stopped at ``known.missing``."""
    spf = load_pyspf()
    known.missing = None
    token = _known.set(known)
    try:
        query = spf.query(
            i=str(identity.ip),
            s=_ascii_sender(identity, domain),
            h=normal_name(identity.helo) or identity.helo,
            receiver=receiver or None,
        )
        outcome, _, words = query.check()
    except _Missing:
        return None
    except Exception as error:  # boundary: pyspf raises many kinds on records made to break it (RFC 7208 §4.6)
        return SpfResult("permerror", domain, identity.scope, printable(f"record cannot be evaluated: {error!r}"))
    finally:
        _known.reset(token)
    mechanism = printable(query.mechanism) if query.mechanism else ""
    explanation = "" if outcome in ("pass", "none") else printable(words)
    return SpfResult(_outcome(outcome), domain, identity.scope, explanation, mechanism)


def _outcome(word: str) -> SpfOutcome:
    if word in ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"):
        return cast(SpfOutcome, word)
    return "permerror"


def _ascii_sender(identity: SpfIdentity, domain: str) -> str:
    """The sender with its domain in A-labels (RFC 8616 §4); "" stays, which pyspf reads as postmaster at HELO."""
    if not identity.sender:
        return ""
    return identity.sender.rpartition("@")[0] + "@" + domain


def _lookup(name: str, qtype: str, strict: object = True, timeout: float = 0) -> list[tuple[_Key, Any]]:
    """What pyspf calls instead of a resolver. Raises spf.TempError where the DNS could not tell (RFC 7208 §2.6.6)."""
    known = _known.get()
    asked = normal_name(name)
    if asked is None:
        return []
    answer = known.answers.get((asked, qtype))
    if answer is None:
        known.missing = (asked, qtype)
        raise _Missing
    if answer.is_temporary and (qtype == "PTR" or asked in known.from_ptr):
        return []  # RFC 7208 §5.5: ptr does not match, or goes on with the next name
    if answer.is_temporary:
        raise load_pyspf().TempError(f"DNS {answer.status.value} for {qtype} {asked}")
    return [((name, qtype), value) for value in _values(answer)]


def _values(answer: Answer) -> Iterator[object]:
    """Records in the shape pyspf reads: octet strings, addresses, (preference, host)."""
    for record in answer.records:
        match record:
            case Txt(strings):
                _refuse_oversized(record.joined)
                yield strings
            case Mx(preference, host):
                yield (preference, host)
            case str():
                yield record


def _refuse_oversized(record: bytes) -> None:
    """Raises spf.PermError for an SPF record that is too long to be read in bounded time."""
    if record[:6].lower() != b"v=spf1":
        return
    if len(record) > _MAX_RECORD or any(len(term) > _MAX_TERM for term in record.split(b" ")):
        raise load_pyspf().PermError("record too long")


async def _learn(known: _Known, resolver: Resolver, ip_version: int) -> None:
    """Ask for what is missing, and for the addresses behind it, which come next, at the same time."""
    assert known.missing is not None
    answer = await _ask(known, resolver, known.missing)
    kind = "AAAA" if ip_version == 6 else "A"
    hosts = _hosts(answer)[:_ADDRESSES_AHEAD]
    ahead = [(host, kind) for host in hosts]
    if answer.rdtype == "PTR":
        known.from_ptr.update(hosts)
    await _ask_together(known, resolver, ahead)


async def _ask_together(known: _Known, resolver: Resolver, keys: Sequence[_Key]) -> None:
    async with asyncio.TaskGroup() as group:
        for key in keys:
            if key not in known.answers:
                group.create_task(_ask(known, resolver, key))


async def _ask(known: _Known, resolver: Resolver, key: _Key) -> Answer:
    answer = await resolver.query(*key)
    known.answers[key] = answer
    return answer


def _hosts(answer: Answer) -> list[str]:
    """Names whose addresses an mx or ptr term will want."""
    names: Callable[[], Sequence[str]] = {
        "MX": lambda: [mx.host for mx in answer.mx()],
        "PTR": answer.hosts,
    }.get(answer.rdtype, lambda: ())
    return [n for n in map(normal_name, names()) if n is not None]
