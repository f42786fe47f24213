"""Greylisting: a doubtful mail from a stranger is asked to come back, which senders of spam seldom do. RFC 6647.

It is asked after the judgement, so ordinary mail is never delayed. Who came back in time is not asked again. What is
remembered is where a mail comes from, its sender and its recipients; where it comes from is the domain that SPF or
DKIM proves, so that a large sender may try again from another of its hosts, and else the client's network.
"""

import hashlib
from dataclasses import dataclass, replace

from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Reason
from gateway.reputation.history import network_of
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import counter, counter_octets
from store.schema import expiring, keys

FIRST = Signal("greylist.first", "A doubtful mail from a stranger may come again: {detail}")
EMITS = frozenset({FIRST})

_TRIED, _PASSED = b"g", b"G"


@dataclass(frozen=True, slots=True)
class GreylistSettings:
    from_probability: float = 0.35  #: of being unwanted, below which nothing is asked to come back
    wait_s: int = 240  #: an earlier retry is asked again
    retry_s: int = 2 * 86_400  #: a later retry is a new try
    remember_s: int = 36 * 86_400  #: who came back, anew with each of its mails: monthly newsletters included


class Greylist:
    """Decides whether a judged mail must come again."""

    def __init__(self, store: Store, settings: GreylistSettings) -> None:
        self._store = store
        self._settings = settings

    async def consider(self, facts: DataFacts, judgement: Judgement) -> Judgement:
        """The judgement, deferred when this is a stranger's first try. Raises StoreUnavailable."""
        if not self._is_asked(facts, judgement):
            return judgement
        now_ms = int(facts.envelope.received_at.timestamp() * 1000)
        origin = origin_of(facts)
        tried = _key(_TRIED, origin, (facts.envelope.mail_from or "").lower(), *_recipients(facts))
        passed = _key(_PASSED, origin, (facts.envelope.mail_from or "").lower().rpartition("@")[2])
        wait_s = await self._store.write(lambda txn: self._ask(txn, tried, passed, now_ms))
        if wait_s == 0:
            return judgement
        evidence = Evidence(FIRST, f"not before {wait_s} seconds from now")
        reasons = (*judgement.verdict.reasons, Reason(FIRST.name, 0.0, evidence.sentence))
        verdict = replace(judgement.verdict, action=Action.DEFER, rule=FIRST.name, reasons=reasons)
        return replace(judgement, verdict=verdict, evidence=(*judgement.evidence, evidence))

    def _is_asked(self, facts: DataFacts, judgement: Judgement) -> bool:
        verdict, history = judgement.verdict, facts.history
        if verdict.action not in (Action.ACCEPT, Action.JUNK) or verdict.probability < self._settings.from_probability:
            return False
        if judgement.ruled is not None and judgement.ruled.is_waved_through:
            return False
        if history.ham or history.is_allowed or facts.envelope.peer.user:
            return False
        has_people = any(not recipient.is_trap for recipient in facts.envelope.rcpt_to)
        return has_people and bool(network_of(facts.envelope.peer.ip))

    def _ask(self, txn: StoreTxn, tried: bytes, passed: bytes, now_ms: int) -> int:
        """Seconds to wait, 0 for none."""
        settings = self._settings
        is_known = expiring.get(txn.kv, passed, now_ms) is not None
        first = expiring.get(txn.kv, tried, now_ms)
        waited_ms = now_ms - counter(first) if first is not None else -1
        if is_known or waited_ms >= settings.wait_s * 1000:
            expiring.put_until(txn.kv, passed, b"", now_ms + settings.remember_s * 1000)
            expiring.delete(txn.kv, tried)
            return 0
        if first is None:
            expiring.put_until(txn.kv, tried, counter_octets(now_ms), now_ms + settings.retry_s * 1000)
            waited_ms = 0
        return max(1, settings.wait_s - waited_ms // 1000)


def origin_of(facts: DataFacts) -> str:
    """Where a mail comes from: a proven domain, the author's own first, else the client's network."""
    proven = facts.auth.authenticated_domains
    if proven:
        author = facts.content.from_domain
        return author if author in proven else min(proven)
    return network_of(facts.envelope.peer.ip).hex()


def passed_origins(view: StoreView, now_ms: int) -> int:
    """How many senders are remembered for having come back."""
    start = keys.REPUTATION + _PASSED
    return sum(1 for _ in expiring.scan(view.kv, start, keys.prefix_end(start), now_ms))


def _recipients(facts: DataFacts) -> list[str]:
    return sorted(recipient.address.lower() for recipient in facts.envelope.rcpt_to)


def _key(kind: bytes, *parts: str) -> bytes:
    """Of one length, whatever a sender writes; addresses do not lie about in it."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        octets = part.encode("utf-8", "surrogatepass")
        digest.update(len(octets).to_bytes(4, "big") + octets)
    return keys.REPUTATION + kind + digest.digest()
