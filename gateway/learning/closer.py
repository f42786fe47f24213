"""A closer look at one mail, on demand: which words and sentences moved the models, and what would have changed it.

Everything is judged anew, by the judge that is in use now: sentences by leaving each out, changes by making them. What
cannot be found out again, such as what was known of the sender then, is taken from the trace.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address

import msgspec

from gateway.content.gather import gather
from gateway.envelope import Envelope, Peer, ReceptionId, Recipient
from gateway.learning.scorer import ModelScorer
from gateway.mailauth.results import AuthResults
from gateway.observe.stages import Stages
from gateway.pipeline.changes import thinkable
from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.facts import DataFacts, Protected
from gateway.pipeline.judge import Judge
from gateway.pipeline.trial import Alternative, alternatives
from gateway.pipeline.verdict import Action, Verdict
from gateway.reputation.facts import SenderHistory
from models.explain import SentencePart, WordPart, sentences
from models.view import view_of
from store.message.mime import parse_message
from store.trace.rows import Trace

WORDS = 20  #: named
MOST_OCTETS = 8_000_000  #: of a mail that is looked at

#: Families of signals that come from what was known then, or from others that were asked then.
_OF_THEN = frozenset({"dnslist", "pyzor", "clamav", "history", "campaign", "flood", "trap", "lists"})
_LOCAL = "model.local"
_FIRST = "history.first-contact"


@dataclass(frozen=True, slots=True)
class Closer:
    """What a closer look found."""

    verdict: Verdict  #: of the mail as it is, judged now: what the rest is compared with
    words: tuple[WordPart, ...]  #: the hardest pulls on the word model, in nats
    words_nats: float  #: the word model's whole answer
    words_rest: float  #: what is not in ``words``: all other words, what it says of any mail, the cut at its bounds
    sentences: tuple[SentencePart, ...]  #: most incriminating first
    read_by_language_model: bool  #: whether the sentences were read by it, too
    alternatives: tuple[Alternative, ...]  #: changes that would have let it be delivered


class CloserLook:
    """Looks at one mail at a time."""

    def __init__(self, judge: Judge, scorer: ModelScorer, protected: Protected) -> None:
        self._judge = judge
        self._scorer = scorer
        self._protected = protected
        self._one = asyncio.Semaphore(1)

    async def of_trace(self, row: Trace, octets: bytes) -> Closer | None:
        """A mail of the store, as it was kept, asking no network. None for one that is too large, and for mail of our
        own people, which another judge judges."""
        if len(octets) > MOST_OCTETS or row.is_outgoing:
            return None
        facts = await asyncio.to_thread(recalled, row, octets, self._protected)
        return await self.of_facts(facts, of_then(row, self._judge))

    async def of_facts(self, facts: DataFacts, known: Sequence[Evidence]) -> Closer:
        """The same of a mail whose facts are at hand; ``known`` is evidence that stays whatever is changed."""
        async with self._one:
            judge = self._judge.beside(known)

            async def rejudge(changed: DataFacts) -> Verdict:
                return (await judge.judge(changed, Stages())).verdict

            judgement = await judge.judge(facts, Stages())
            parts = await asyncio.to_thread(self._scorer.parts, facts.view)
            asked = judgement.asked_language_model
            leaning = partial(self._scorer.leaning, use_language=asked)
            cut = await asyncio.to_thread(sentences, facts.view, leaning)
            texts = [part.text for part in cut]
            found: tuple[Alternative, ...] = ()
            if judgement.verdict.action is not Action.ACCEPT:
                found = await alternatives(rejudge, facts, thinkable(facts, judgement.verdict.reasons, texts))
        named = tuple(part for part in parts.parts if part.words)[:WORDS]
        rest = parts.nats - sum(part.nats for part in named)
        return Closer(judgement.verdict, named, parts.nats, rest, cut, asked, found)


def recalled(row: Trace, octets: bytes, protected: Protected) -> DataFacts:
    """The facts of a mail that was judged before, from its trace and the octets that were kept."""
    message = parse_message(as_it_came(octets, row.id))
    view = view_of(message)
    is_first = any(reason.signal == _FIRST for reason in row.reasons)
    envelope = Envelope(
        ReceptionId(row.id),
        Peer(ip_address(row.ip), 0, row.helo, row.tls),
        row.mail_from or None,
        tuple(Recipient(copy.address, copy.account) for copy in row.outcomes if copy.action != "trap"),
        datetime.fromtimestamp(row.received_ms / 1000, UTC),
    )
    auth = msgspec.json.decode(row.auth, type=AuthResults)
    history = SenderHistory(seen=0 if is_first else 1)
    return DataFacts(envelope, message, auth, view, gather(message, view), history, protected)


def as_it_came(octets: bytes, reception: str) -> bytes:
    """Without the fields that we put on top: down to our own Received field, which names the reception."""
    message = parse_message(octets)
    end = message.root.header_start
    for field in message.headers.fields[:30]:
        end = octets.find(field.raw, end) + len(field.raw)
        if field.name.lower() == "received" and f"id {reception};".encode() in field.raw:
            return octets[end:].removeprefix(b"\r").removeprefix(b"\n")
    return octets


def of_then(row: Trace, judge: Judge) -> tuple[Evidence, ...]:
    """Evidence of the trace that cannot be found out again, weighing what it weighed."""
    weights = judge.policy.weights
    kept: list[Evidence] = []
    for reason in row.reasons:
        if reason.signal != _LOCAL and reason.signal.partition(".")[0] not in _OF_THEN:
            continue
        weight = weights.get(reason.signal, 0.0)
        signal = Signal(reason.signal, reason.sentence)
        kept.append(Evidence(signal, "", reason.nats / weight if weight else 1.0))
    return tuple(kept)
