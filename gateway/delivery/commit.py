"""Acting on a verdict: one transaction with the mail, its copies, quarantine, jobs, trace, learning and audit."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

import msgspec

from gateway.delivery.headers import explanation, result_headers
from gateway.delivery.local import LocalCopy, deliver_copies
from gateway.delivery.parcels import TAKEN, Parcel, parcels
from gateway.envelope import Recipient
from gateway.mailauth.header import authentication_results
from gateway.mailauth.seal import Sealer
from gateway.mailauth.stamp import stamp
from gateway.observe.stages import Stages
from gateway.outbound.relay import relay_job
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Verdict, log_odds
from gateway.reputation import history
from gateway.reputation.rates import Rates
from gateway.traps.springing import spring
from store.audit import chain
from store.blob.contract import BlobMissing, Staged
from store.changes.engine import AccountId, Store, StoreTxn
from store.kv.contract import StoreUnavailable
from store.labels.rows import Label
from store.mail.emails import NewEmail
from store.mail.model import EmailId
from store.mail.parsing import Digest, digest_octets
from store.policy import entries as policy
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, Held, HeldCopy
from store.queue import jobs
from store.trace import rows as trace
from store.trace.rows import OutcomeRow, ReasonRow, Trace

DAY_MS = 86_400_000
AT_ONCE_OCTETS = 8 * 1024  #: a mail up to this size takes less time to read than to hand to a thread and back
TRAP = "trap"
STAGED_AT_MOST = 3

LabelOf = Callable[[str, DataFacts, bool, str, int], Label]
"""(reception id, facts, is_spam, by, at_ms): the label of a mail whose facts are at hand."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mail; the trace row holds the rest."""

    action: Action
    category: str
    trace: Trace
    message_id: str = ""  #: as written in the mail, which relays before and behind us log, too


@dataclass(frozen=True, slots=True)
class Commit:
    """Turns verdicts into durable rows."""

    store: Store
    hostname: str
    keep_days: int
    thresholds: tuple[float, float, float]
    label_of: LabelOf
    threads: Executor | None = None
    domain_days: Mapping[str, int] = field(default_factory=dict)  #: where held mail expires sooner or later
    rates: Rates | None = None
    reports_traps: bool = False  #: mail to traps goes to Pyzor
    sealer: Sealer | None = None  #: seals mail that goes on to another host

    async def act(self, facts: DataFacts, judgement: Judgement, stages: Stages) -> Outcome:
        """Durable when it returns. Raises StoreUnavailable and OverQuota, and then nothing was kept."""
        verdict = judgement.verdict
        traps = tuple(r for r in facts.envelope.rcpt_to if r.is_trap)
        people = tuple(r for r in facts.envelope.rcpt_to if not r.is_trap)
        action = verdict.action if people else Action.ACCEPT  # a trap's sender is told nothing
        sent = parcels(people, judgement, len(facts.message.octets)) if action in TAKEN else ()
        prepared = [await self._prepared(facts, parcel.verdict) for parcel in sent]
        label = None
        if traps:
            now_ms = int(facts.envelope.received_at.timestamp() * 1000)
            label = self.label_of(facts.envelope.id, facts, True, TRAP, now_ms)
        for _ in range(STAGED_AT_MOST):
            packed = [
                Packed(parcel, await self.store.blobs.stage(octets), digest)
                for parcel, (octets, digest) in zip(sent, prepared, strict=True)
            ]
            reports = bool(traps) and self.reports_traps
            report = await self.store.blobs.stage(facts.message.octets) if reports else None
            unit = _Unit(self, facts, judgement, action, people, traps, tuple(packed), label, report, stages)
            try:
                return await self.store.write(unit.run)
            except BlobMissing:
                continue  # the same octets were there, and were collected before this transaction linked them
        raise StoreUnavailable(f"the octets were collected {STAGED_AT_MOST} times before they were linked")

    async def _prepared(self, facts: DataFacts, verdict: Verdict) -> tuple[bytes, Digest]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self._stamped, facts, verdict)

    def _stamped(self, facts: DataFacts, verdict: Verdict) -> tuple[bytes, Digest]:
        headers = result_headers(facts, verdict, self.hostname)
        octets = stamp(facts.message.octets, facts.message, headers, self.hostname)
        if self.sealer is not None and any(recipient.relay is not None for recipient in facts.envelope.rcpt_to):
            told = authentication_results(facts.auth, self.hostname, str(facts.envelope.peer.ip))
            octets = self.sealer.sealed(octets, told, facts.auth.arc, facts.envelope.received_at)
        return octets, digest_octets(octets)


@dataclass(frozen=True, slots=True)
class Packed:
    """A parcel whose octets are where the transaction can keep them."""

    parcel: Parcel
    staged: Staged
    digest: Digest


@dataclass(frozen=True, slots=True)
class _Unit:
    """One mail's transaction; ``run`` may be repeated, so it changes nothing but the transaction."""

    commit: Commit
    facts: DataFacts
    judgement: Judgement
    action: Action
    people: tuple[Recipient, ...]
    traps: tuple[Recipient, ...]
    packed: tuple[Packed, ...]  #: mildest first; none when the mail is not taken
    label: Label | None
    report: Staged | None
    stages: Stages

    def run(self, txn: StoreTxn) -> Outcome:
        outcomes = [OutcomeRow(r.address, None, "", TRAP) for r in self.traps]
        had: dict[AccountId, EmailId] = {}
        for packed in self.packed:
            txn.keep(packed.staged)
            is_held = packed.parcel.action is Action.QUARANTINE
            outcomes += self._hold(txn, packed) if is_held else self._deliver(txn, packed, had)
        if not self.packed:
            outcomes += [self._outcome(recipient, self.action) for recipient in self.people]
        places = {recipient.address: place for place, recipient in enumerate(self.people)}
        outcomes.sort(key=lambda row: places.get(row.address, -1))  # as they were named; traps first
        self._learn(txn)
        if self.commit.rates is not None:
            self.commit.rates.count(txn, self.facts.envelope)
        row = self._trace(tuple(outcomes))
        trace.put(txn, row)
        return Outcome(self.action, row.category, row, self.facts.message.headers.text("Message-ID")[:300])

    @property
    def _now_ms(self) -> int:
        return int(self.facts.envelope.received_at.timestamp() * 1000)

    @property
    def _thresholds(self) -> tuple[float, float, float]:
        """Those that the verdict was made with."""
        own = self.judgement.ruled.thresholds if self.judgement.ruled is not None else None
        return (own.junk, own.hold, own.refuse) if own is not None else self.commit.thresholds

    def _deliver(self, txn: StoreTxn, packed: Packed, had: dict[AccountId, EmailId]) -> list[OutcomeRow]:
        """``had`` are the accounts that have the mail: of two addresses of one account the milder verdict counts."""
        envelope, parcel = self.facts.envelope, packed.parcel
        role = "junk" if parcel.action is Action.JUNK else "inbox"
        accounts = (AccountId(r.account) for r in parcel.people if r.account is not None)
        copies = [LocalCopy(account, role) for account in accounts if account not in had]
        new = NewEmail(packed.staged.id, packed.digest, self._now_ms, reception=envelope.id)
        # What goes elsewhere, too, was taken by somebody: it is not sent back because it does not fit here.
        is_elsewhere = len(self.packed) > 1 or any(recipient.relay is not None for recipient in parcel.people)
        had.update(deliver_copies(txn, copies, new, must_fit=not is_elsewhere))
        rows: list[OutcomeRow] = []
        for recipient in parcel.people:
            if recipient.relay is not None:
                job = relay_job(
                    txn,
                    envelope.id,
                    envelope.mail_from or "",
                    recipient.address,
                    target_of(recipient),
                    packed.staged.id,
                    self._now_ms,
                )
                jobs.put(txn, job)
            email = had.get(AccountId(recipient.account)) if recipient.account is not None else None
            rows.append(self._outcome(recipient, parcel.action, email))
        return rows

    def _outcome(self, recipient: Recipient, action: Action, email: EmailId | None = None) -> OutcomeRow:
        """With the reason where recipients differ; else the trace itself says it."""
        ruled = self.judgement.ruled
        shares = ruled.shares if ruled is not None and ruled.verdict is self.judgement.verdict else ()
        own = next((share.verdict for share in shares if share.address == recipient.address), None)
        rule, why = (own.rule, explanation(own)) if own is not None else ("", "")
        return OutcomeRow(
            recipient.address, recipient.account, target_of(recipient), action.name.lower(), email, rule, why
        )

    def _hold(self, txn: StoreTxn, packed: Packed) -> list[OutcomeRow]:
        envelope, verdict, people = self.facts.envelope, packed.parcel.verdict, packed.parcel.people
        copies = tuple(
            HeldCopy(r.address, r.account, target_of(r), HELD, expires_ms=self._expiry(r.address)) for r in people
        )
        quarantine.put(
            txn,
            Held(
                id=envelope.id,
                blob=packed.staged.id,
                held_ms=self._now_ms,
                expires_ms=max(copy.expires_ms for copy in copies),
                category=verdict.category,
                probability=verdict.probability,
                # What a rule holds although its sum would not is the most doubtful of all.
                doubt=int(max(0.0, verdict.log_odds - log_odds(self._thresholds[1])) * 10_000),
                mail_from=envelope.mail_from or "",
                header_from=header_from(self.facts),
                subject=self.facts.view.subject[:300],
                why=explanation(verdict),
                copies=copies,
            ),
        )
        chain.record(
            txn,
            self._now_ms,
            "mailward",
            "quarantine.hold",
            envelope.id,
            f"{verdict.category} {verdict.probability:.3f}",
        )
        return [self._outcome(recipient, Action.QUARANTINE) for recipient in people]

    def _expiry(self, address: str) -> int:
        days = self.commit.domain_days.get(address.rpartition("@")[2].lower()) or self.commit.keep_days
        return self._now_ms + days * DAY_MS

    def _learn(self, txn: StoreTxn) -> None:
        facts, ruled = self.facts, self.judgement.ruled
        if self.action is Action.DEFER and not self.traps:
            return  # it comes again, and counts then
        # What one recipient wants is no fault of a sender: it is counted by the evidence, not by rules.
        unwanted = bool(self.people) and (ruled.general if ruled is not None else self).action is not Action.ACCEPT
        for name in ruled.hits if ruled is not None and self.people else ():
            policy.count_hit(txn, name)
        if self.label is not None:
            spring(txn, self.traps, facts.view, self.label, self.report, self._now_ms)
        history.record(
            txn, facts.envelope, facts.content, facts.auth, facts.view, is_unwanted=unwanted, is_trap=bool(self.traps)
        )
        if facts.history.is_first_contact and not self.traps:
            near, automatic = facts.history.near, facts.history.is_automatic
            history.record_stranger(txn, facts.envelope, facts.content, facts.auth, near, is_automatic=automatic)

    def _trace(self, outcomes: tuple[OutcomeRow, ...]) -> Trace:
        envelope, verdict = self.facts.envelope, self.judgement.verdict
        only_traps = bool(self.traps) and not self.people
        return Trace(
            id=envelope.id,
            received_ms=self._now_ms,
            ip=str(envelope.peer.ip),
            helo=envelope.peer.helo,
            tls=envelope.peer.tls,
            mail_from=envelope.mail_from or "",
            header_from=header_from(self.facts),
            subject=self.facts.view.subject[:300],
            size=len(self.facts.message.octets),
            blob=self.packed[-1].staged.id if self.packed else None,
            category=TRAP if only_traps else verdict.category,
            action=TRAP if only_traps else self.action.name.lower(),
            probability=verdict.probability,
            rule=verdict.rule,
            reasons=tuple(ReasonRow(r.signal, r.nats, r.sentence) for r in verdict.reasons),
            model_ids=verdict.model_ids,
            policy_id=verdict.policy_id,
            auth=msgspec.json.encode(self.facts.auth),
            outcomes=outcomes,
            ms=dict(self.stages.ms),
            links=tuple(dict.fromkeys(url.host for url in self.facts.content.urls))[:20],
            thresholds=self._thresholds,
        )


def target_of(recipient: Recipient) -> str:
    return f"{recipient.relay.host}:{recipient.relay.port}" if recipient.relay is not None else ""


def header_from(facts: DataFacts) -> str:
    """Name and address of the first author, as people write it; a long name must not push the address out."""
    if not facts.content.from_:
        return ""
    author = facts.content.from_[0]
    return f"{author.name[:160]} <{author.email[:320]}>" if author.name else author.email[:320]
