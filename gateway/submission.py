"""The table of contents of the way out: what happens to one mail of our own people between its last dot and our reply.

What goes to other domains is handed to the relay first, and only when that has taken it is anything delivered here: a
mail that must come again is then nowhere yet, and nobody gets it twice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from gateway.content.hosts import to_ascii
from gateway.delivery.commit import Outcome
from gateway.delivery.headers import why
from gateway.delivery.recipients import Recipients
from gateway.delivery.submitted import Ended, Filing
from gateway.envelope import Envelope, Peer, Recipient
from gateway.mailauth.sign import Signer, signed
from gateway.mailauth.stamp import render_field
from gateway.observe.stages import Stages
from gateway.outbound.preparing import prepared, received
from gateway.outbound.return_path import ReturnPaths
from gateway.outbound.senders import Senders
from gateway.outbound.smarthost import Handed, SmartHost, hand_over
from gateway.pipeline.conduct import consider, is_unwanted, suspicion
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.gather import Gatherer
from gateway.pipeline.judge import Judge, Judgement
from gateway.pipeline.verdict import Action
from gateway.reply import NO_WAY_OUT, RECIPIENT_UNKNOWN, RELAY_DENIED, Reply, accepted, deferred, unavailable
from gateway.reputation import campaign, nearness, sending
from gateway.reputation.facts import SenderHistory
from gateway.reputation.history import network_of
from gateway.reputation.sending import Submitted
from store.accounts import account as accounts
from store.accounts.login import Logins
from store.blob.contract import BlobMissing
from store.changes.engine import Store, StoreView
from store.kv.contract import StoreError
from store.mail.parsing import digest_octets
from store.mail.quota import OverQuota

log = structlog.get_logger()

NO_RELAY = Reply(
    550, "5.7.1", "mail to other domains cannot be sent from here; the administrator can set outbound.relay"
)
FULL = Reply(552, "5.2.2", "the recipient's mailbox is full")


@dataclass(frozen=True, slots=True)
class Submissions:
    """Everything needed to judge a mail of our own people and to act on the verdict."""

    store: Store
    logins: Logins
    recipients: Recipients
    senders: Senders
    gatherer: Gatherer
    judge: Judge
    filing: Filing
    return_paths: ReturnPaths
    signers: Mapping[str, Sequence[Signer]]
    relay: SmartHost | None
    hostname: str
    at_once: asyncio.Semaphore
    clock: Callable[[], datetime]
    announce: Callable[[Outcome, Stages], None]
    hide_client: bool = True
    suspend_after: int = 0

    async def authenticate(self, login: str, password: str, peer: Peer) -> str | None:
        """The account's address, None when login or password is wrong. Raises TooManyFailures, StoreError."""
        account = await self.logins.check(login, password, str(peer.ip))
        if account is None:
            return None
        network, now_ms = network_of(peer.ip), self._now_ms()
        if not await self.store.read(lambda view: sending.is_noted(view, account.id, network, now_ms)):
            await self.store.write(lambda txn: sending.note_login(txn, account.id, network, now_ms))
        return account.address

    async def admit(self, peer: Peer, mail_from: str) -> Reply | None:
        """Why this account may not send now, or not as this sender. Raises StoreError."""
        now_ms = self._now_ms()
        return await self.store.read(lambda view: self.senders.refusal(view, peer.user, mail_from, now_ms))

    async def resolve(self, address: str, sender: str = "", octets: int = 0) -> Recipient | Reply:
        """The answer to RCPT: here, at a domain that we relay for, or out by the relay. Raises StoreError."""
        found = await self.recipients.resolve(address, sender, octets)
        if found == RELAY_DENIED and "@" in address:
            if self.relay is None:
                return NO_RELAY
            return Recipient(address, relay=self.relay.target, is_outside=True)
        if found == NO_WAY_OUT:
            return NO_RELAY
        # A person who writes to a trap slipped; who tries addresses with a stolen login learns nothing.
        return RECIPIENT_UNKNOWN if isinstance(found, Recipient) and found.is_trap else found

    async def receive(self, envelope: Envelope, octets: bytes) -> Reply:
        """The reply is the last thing that happens: 250 means it is kept here, or the relay has taken it."""
        stages = Stages()
        try:
            async with self.at_once:
                octets = await asyncio.to_thread(prepared, octets, envelope, self.hostname)
                facts = await self.gatherer.facts(envelope, octets, stages)
                refusal = await self._refusal(facts)
                if refusal is not None:
                    log.info("submission.refused", id=envelope.id, login=envelope.peer.user, reply=str(refusal))
                    return refusal
                facts, mail = await self._with_history(facts)
                judgement = consider(facts, await self.judge.judge(facts, stages), self.judge.policy)
            return await self._act(facts, judgement, mail, stages)
        except OverQuota as error:
            log.info("submission.full", id=envelope.id, error=str(error))
            return FULL
        except (StoreError, BlobMissing) as error:
            log.error("submission.store", id=envelope.id, error=repr(error))
            return unavailable(envelope.id)

    async def _refusal(self, facts: DataFacts) -> Reply | None:
        """What could not be known at MAIL: the author, how many recipients, and whether all still holds."""
        envelope, content, now_ms = facts.envelope, facts.content, self._now_ms()
        authors = [each.email for each in (*content.from_, *content.sender)] if content.from_ else []
        login, many = envelope.peer.user, len(envelope.rcpt_to)

        def body(view: StoreView) -> Reply | None:
            refused = self.senders.refusal(view, login, envelope.mail_from or "", now_ms, many)
            return refused or self.senders.of_authors(view, login, authors)

        return await self.store.read(body)

    async def _with_history(self, facts: DataFacts) -> tuple[DataFacts, Submitted]:
        envelope, now_ms = facts.envelope, int(facts.envelope.received_at.timestamp() * 1000)
        stable = campaign.stable_text(facts.view)
        exact, near = campaign.fingerprint_of(stable), nearness.bands(stable)
        to = tuple(recipient.address for recipient in envelope.rcpt_to)
        outside = sum(recipient.is_outside for recipient in envelope.rcpt_to)

        def body(view: StoreView) -> tuple[DataFacts, Submitted]:
            account = accounts.find(view, envelope.peer.user)
            number = account.id if account is not None else 0
            mail = Submitted(number, to, outside, network_of(envelope.peer.ip), exact, now_ms)
            history = SenderHistory(
                trap_campaign=exact is not None and campaign.is_trap_campaign(view, exact, now_ms),
                near_trap=nearness.is_near_trap(view, near, now_ms),
            )
            return replace(facts, history=history, sending=sending.look_up(view, mail)), mail

        return await self.store.read(body)

    async def _act(self, facts: DataFacts, judgement: Judgement, mail: Submitted, stages: Stages) -> Reply:
        action = max(judgement.verdict.action, Action.ACCEPT)
        action = Action.ACCEPT if action is Action.JUNK else action  # there is no Junk on the way out
        unwanted = is_unwanted(judgement, self.judge.policy)
        assert facts.sending is not None
        against = suspicion(facts.sending, judgement, self.suspend_after) if unwanted else ""
        ended = Ended(facts, judgement, action, "", mail, facts.envelope.peer.user, None, digest_octets(b""))
        ended = replace(ended, is_unwanted=unwanted, suspend=against)
        if action is Action.ACCEPT:
            return await self._send(ended, stages)
        if action is Action.QUARANTINE:
            leaving = await asyncio.to_thread(self._leaving, facts)
            ended = replace(ended, kept=leaving)
        await self._file(ended, stages)
        if against:
            log.warning("submission.suspended", login=ended.login, id=facts.envelope.id, why=against)
        return _told(ended, action)

    async def _send(self, ended: Ended, stages: Stages) -> Reply:
        """Outside first, then here."""
        envelope = ended.facts.envelope
        outside = [recipient.address for recipient in envelope.rcpt_to if recipient.is_outside]
        handed = Handed(250, "")
        if outside:
            with stages.measure("relay"):
                handed = await self._hand_over(ended.facts, outside)
        if not handed.is_taken:
            failed = sum(refused.is_permanent for refused in handed.refused)
            action = Action.REJECT if handed.code >= 500 else Action.DEFER
            await self._file(replace(ended, action=action, why=handed.text[:300], failed=failed), stages)
            return Reply(
                handed.code, "5.0.0" if handed.code >= 500 else "4.0.0", f"{handed.text} ({envelope.id})"[:400]
            )
        return await self._keep(ended, stages, is_all_outside=len(outside) == len(envelope.rcpt_to))

    async def _keep(self, ended: Ended, stages: Stages, *, is_all_outside: bool) -> Reply:
        """Deliver what stays here. Where all is with the relay, our records being late changes nothing for anybody."""
        reception = ended.facts.envelope.id
        local = None if is_all_outside else await asyncio.to_thread(self._local, ended)
        digest = await asyncio.to_thread(digest_octets, local or ended.facts.message.octets)
        try:
            await self._file(replace(ended, kept=local, digest=digest), stages)
        except (StoreError, BlobMissing) as error:
            if not is_all_outside:
                raise
            log.error("submission.not-recorded", id=reception, login=ended.login, error=repr(error))
        return accepted(reception)

    async def _hand_over(self, facts: DataFacts, outside: Sequence[str]) -> Handed:
        assert self.relay is not None, "without a relay nobody outside was accepted"
        leaving = await asyncio.to_thread(self._leaving, facts)
        sender = await self.return_paths.signed(facts.envelope.mail_from or "")
        return await hand_over(self.relay, sender, outside, leaving)

    async def _file(self, ended: Ended, stages: Stages) -> None:
        with stages.measure("store"):
            outcome = await self.filing.end(ended, stages)
        self.announce(outcome, stages)

    def _leaving(self, facts: DataFacts) -> bytes:
        """The mail as the world gets it: our trace on top, signed for its author's domain."""
        trace = received(facts.envelope, self.hostname, hide_client=self.hide_client)
        domain = to_ascii(facts.content.from_domain)
        octets = signed(facts.message.octets, domain, self.signers, facts.envelope.received_at)
        return trace + octets

    def _local(self, ended: Ended) -> bytes:
        """The mail as people here get it: with our id and verdict, and who signed in to send it (RFC 8601 §2.7.4)."""
        facts, verdict = ended.facts, ended.judgement.verdict
        envelope = facts.envelope
        told = f"{verdict.category}; action={verdict.action.name.lower()}; p={verdict.probability:.4f}"
        fields = (
            ("Return-Path", f"<{envelope.mail_from or ''}>"),
            ("X-Mailward-Id", envelope.id),
            ("X-Mailward-Verdict", told),
            ("X-Mailward-Why", why(verdict)),
            ("Authentication-Results", f"{self.hostname}; auth=pass smtp.auth={ended.login}"),
        )
        top = b"".join(render_field(name, value) for name, value in fields if value)
        return top + received(envelope, self.hostname, hide_client=self.hide_client) + facts.message.octets

    def _now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)


def _told(ended: Ended, action: Action) -> Reply:
    """What a mail that does not go is told by. Our own people are told by which rule, in words they can ask about."""
    verdict, reception = ended.judgement.verdict, ended.facts.envelope.id
    rule = next((r.sentence for r in verdict.reasons if r.signal == verdict.rule and r.signal.startswith("dlp.")), "")
    said = f": {rule}" if rule.isascii() and rule else ""
    if action is Action.QUARANTINE:
        return Reply(250, "2.0.0", f"held until an administrator has looked at it{said[:200]} ({reception})")
    if action is Action.DEFER:
        return deferred(reception)
    return Reply(550, "5.7.1", f"refused as {verdict.category}{said[:200]} ({reception})")
