"""The end of a submission: one transaction with copies, jobs, quarantine, trace, the account's sums and audit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from gateway.delivery.commit import DAY_MS, STAGED_AT_MOST, Outcome, header_from, target_of
from gateway.delivery.headers import explanation
from gateway.delivery.local import LocalCopy, deliver_copies
from gateway.envelope import Recipient
from gateway.observe.stages import Stages
from gateway.outbound.relay import relay_job
from gateway.outbound.suspension import suspend
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Thresholds, log_odds
from gateway.reputation import relations, sending
from gateway.reputation.sending import Submitted
from store.audit import chain
from store.blob.contract import BlobId, BlobMissing, Staged
from store.changes.engine import AccountId, Store, StoreTxn
from store.kv.contract import StoreUnavailable
from store.mail.emails import NewEmail
from store.mail.model import EmailId
from store.mail.parsing import Digest
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, Held, HeldCopy
from store.queue import jobs
from store.trace import rows as trace
from store.trace.rows import OutcomeRow, ReasonRow, Trace


@dataclass(frozen=True, slots=True)
class Ended:
    """A mail whose fate is settled."""

    facts: DataFacts
    judgement: Judgement
    action: Action  #: what is done; where the relay did not take it, REJECT or DEFER
    why: str  #: where it was not the verdict: the relay's words
    mail: Submitted
    login: str  #: address of the account
    kept: bytes | None  #: what is delivered here or held; None when nothing is
    digest: Digest  #: of the mail
    failed: int = 0  #: recipients that were refused for good
    is_unwanted: bool = False  #: counts against the account
    suspend: str = ""  #: why the account may send no more


@dataclass(frozen=True, slots=True)
class Filing:
    """Makes the end of a submission durable."""

    store: Store
    keep_days: int
    thresholds: Thresholds
    domain_days: Mapping[str, int] = field(default_factory=dict)

    async def end(self, ended: Ended, stages: Stages) -> Outcome:
        """Durable when it returns. Raises StoreUnavailable and OverQuota, and then nothing was kept."""
        for _ in range(STAGED_AT_MOST):
            staged = await self.store.blobs.stage(ended.kept) if ended.kept is not None else None
            try:
                return await self.store.write(_Unit(self, ended, staged, stages).run)
            except BlobMissing:
                continue  # the same octets were there, and were collected before this transaction linked them
        raise StoreUnavailable(f"the octets were collected {STAGED_AT_MOST} times before they were linked")


@dataclass(frozen=True, slots=True)
class _Unit:
    """One mail's transaction; ``run`` may be repeated, so it changes nothing but the transaction."""

    filing: Filing
    ended: Ended
    staged: Staged | None
    stages: Stages

    def run(self, txn: StoreTxn) -> Outcome:
        ended = self.ended
        ends: Mapping[Action, Callable[[StoreTxn], list[OutcomeRow]]] = {
            Action.ACCEPT: self._deliver,
            Action.QUARANTINE: self._hold,
        }
        if self.staged is not None:
            txn.keep(self.staged)
        outcomes = ends.get(ended.action, self._nothing)(txn)
        sent = len(ended.mail.recipients) if ended.action is Action.ACCEPT else 0
        sending.record(txn, ended.mail, sent=sent, failed=ended.failed, is_unwanted=ended.is_unwanted)
        if ended.suspend:
            suspend(txn, ended.login, chain.PROGRAM, ended.suspend, self._now_ms)
        row = self._trace(tuple(outcomes))
        trace.put(txn, row)
        number = ended.facts.message.headers.text("Message-ID")[:300]
        return Outcome(ended.action, row.category, row, number)

    @property
    def _now_ms(self) -> int:
        return self.ended.mail.now_ms

    @property
    def _people(self) -> tuple[Recipient, ...]:
        return self.ended.facts.envelope.rcpt_to

    def _deliver(self, txn: StoreTxn) -> list[OutcomeRow]:
        """Who is outside has the mail already; everybody else gets it here, whether it fits or not."""
        ended, envelope = self.ended, self.ended.facts.envelope
        had: dict[AccountId, EmailId] = {}
        if self.staged is not None:
            copies = [LocalCopy(AccountId(r.account), "inbox") for r in self._people if r.account is not None]
            new = NewEmail(self.staged.id, ended.digest, self._now_ms, reception=envelope.id)
            had = deliver_copies(txn, copies, new, must_fit=len(copies) == len(self._people))
            for recipient in self._people:
                if recipient.relay is not None and not recipient.is_outside:
                    self._relay(txn, recipient, self.staged.id)
        own = AccountId(ended.mail.account)
        relations.record_sent(txn, own, ended.digest, self._now_ms, also=ended.mail.recipients)
        return [
            self._outcome(r, Action.ACCEPT, had.get(AccountId(r.account)) if r.account is not None else None)
            for r in self._people
        ]

    def _relay(self, txn: StoreTxn, recipient: Recipient, blob: BlobId) -> None:
        """To a domain that we relay for, by a job, as mail from elsewhere goes there."""
        envelope, target = self.ended.facts.envelope, target_of(recipient)
        sender = envelope.mail_from or ""
        jobs.put(txn, relay_job(txn, envelope.id, sender, recipient.address, target, blob, self._now_ms))

    def _hold(self, txn: StoreTxn) -> list[OutcomeRow]:
        ended, verdict = self.ended, self.ended.judgement.verdict
        assert self.staged is not None, "what is held is kept"
        copies = tuple(
            HeldCopy(r.address, r.account, target_of(r), HELD, expires_ms=self._expiry()) for r in self._people
        )
        quarantine.put(
            txn,
            Held(
                id=ended.facts.envelope.id,
                blob=self.staged.id,
                held_ms=self._now_ms,
                expires_ms=self._expiry(),
                category=verdict.category,
                probability=verdict.probability,
                doubt=int(max(0.0, verdict.log_odds - log_odds(self.filing.thresholds.hold)) * 10_000),
                mail_from=ended.facts.envelope.mail_from or "",
                header_from=header_from(ended.facts),
                subject=ended.facts.view.subject[:300],
                why=explanation(verdict),
                copies=copies,
                is_outgoing=True,
            ),
        )
        detail = f"outgoing, {verdict.category} {verdict.probability:.3f}"
        chain.record(txn, self._now_ms, chain.PROGRAM, "quarantine.hold", ended.facts.envelope.id, detail)
        return [self._outcome(recipient, Action.QUARANTINE) for recipient in self._people]

    def _nothing(self, txn: StoreTxn) -> list[OutcomeRow]:
        return [self._outcome(recipient, self.ended.action) for recipient in self._people]

    def _outcome(self, recipient: Recipient, action: Action, email: EmailId | None = None) -> OutcomeRow:
        target = target_of(recipient)
        return OutcomeRow(recipient.address, recipient.account, target, action.name.lower(), email, "", self.ended.why)

    def _expiry(self) -> int:
        domain = self.ended.login.rpartition("@")[2].lower()
        return self._now_ms + (self.filing.domain_days.get(domain) or self.filing.keep_days) * DAY_MS

    def _trace(self, outcomes: tuple[OutcomeRow, ...]) -> Trace:
        facts, verdict, limits = self.ended.facts, self.ended.judgement.verdict, self.filing.thresholds
        envelope = facts.envelope
        return Trace(
            id=envelope.id,
            received_ms=self._now_ms,
            ip=str(envelope.peer.ip),
            helo=envelope.peer.helo,
            tls=envelope.peer.tls,
            mail_from=envelope.mail_from or "",
            header_from=header_from(facts),
            subject=facts.view.subject[:300],
            size=len(facts.message.octets),
            blob=self.staged.id if self.staged is not None else None,
            category=verdict.category,
            action=self.ended.action.name.lower(),
            probability=verdict.probability,
            rule=verdict.rule,
            reasons=tuple(ReasonRow(r.signal, r.nats, r.sentence) for r in verdict.reasons),
            model_ids=verdict.model_ids,
            policy_id=verdict.policy_id,
            auth=msgspec.json.encode(facts.auth),
            outcomes=outcomes,
            ms=dict(self.stages.ms),
            links=tuple(dict.fromkeys(url.host for url in facts.content.urls))[:20],
            thresholds=(limits.junk, limits.hold, limits.refuse),
            is_outgoing=True,
        )
