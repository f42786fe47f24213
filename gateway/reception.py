"""The table of contents of the whole product: what happens to one mail between its last dot and our reply."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.delivery.commit import Commit, Outcome
from gateway.envelope import Envelope
from gateway.observe.stages import Stages
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.gather import Gatherer
from gateway.pipeline.greylist import FIRST, Greylist
from gateway.pipeline.judge import Judge
from gateway.pipeline.verdict import Action
from gateway.reply import MAILBOX_FULL, Reply, accepted, come_again, deferred, not_proven, refused, unavailable
from store.blob.contract import BlobMissing
from store.kv.contract import StoreError
from store.mail.quota import OverQuota

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reception:
    """Everything needed to judge one mail and act on the verdict. Built by the composition root."""

    gatherer: Gatherer
    judge: Judge
    commit: Commit
    at_once: asyncio.Semaphore
    clock: Callable[[], datetime]
    announce: Callable[[Outcome, Stages], None]
    greylist: Greylist | None = None
    full: Reply = MAILBOX_FULL  #: to a mail that fits none of its recipients

    async def receive(self, envelope: Envelope, octets: bytes) -> Reply:
        """The reply is the last thing that happens: 250 means the commit is durable."""
        stages = Stages()
        try:
            async with self.at_once:
                facts = await self.gatherer.facts(envelope, octets, stages)
                if not _may_write(envelope, facts):
                    return not_proven(envelope.id)
                judgement = await self.judge.judge(facts, stages)
            if self.greylist is not None:
                judgement = await self.greylist.consider(facts, judgement)
            with stages.measure("store"):
                outcome = await self.commit.act(facts, judgement, stages)
        except OverQuota as error:
            log.info("reception.full", id=envelope.id, error=str(error))
            return self.full
        except (StoreError, BlobMissing) as error:
            log.error("reception.store", id=envelope.id, error=repr(error))
            return unavailable(envelope.id)
        self.announce(outcome, stages)
        match outcome.action:
            case Action.REJECT:
                return refused(outcome.category, envelope.id)
            case Action.DEFER if outcome.trace.rule == FIRST.name:
                return come_again(envelope.id)
            case Action.DEFER:
                return deferred(envelope.id)
            case _:
                return accepted(envelope.id)


def _may_write(envelope: Envelope, facts: DataFacts) -> bool:
    """A group that asks who the sender is was told so at RCPT by MAIL FROM, which anybody can write: now it counts."""
    if envelope.peer.user or not any(recipient.is_restricted for recipient in envelope.rcpt_to):
        return True
    return (envelope.mail_from or "").rpartition("@")[2].lower() in facts.auth.authenticated_domains


Receive = Callable[[Envelope, bytes], Awaitable[Reply]]
