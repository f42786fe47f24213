"""What a person can do with a held mail. Every act is one transaction: copies, mail, labels, audit together."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from gateway.delivery.local import LocalCopy, deliver_copies
from gateway.learning.opinions import give
from gateway.outbound.relay import relay_job
from gateway.traps.reporting import report_job
from store.audit import chain
from store.changes.engine import AccountId, Store, StoreTxn
from store.labels.rows import Label
from store.mail.emails import NewEmail
from store.mail.parsing import digest_octets
from store.policy import entries as policy
from store.policy.entries import PolicyEntry
from store.quarantine import held as quarantine
from store.quarantine.held import DELETED, RELEASED, Held, HeldCopy, NotHeld
from store.queue import jobs
from store.trace.rows import author

Learner = Callable[[str, bytes, bool, str, int], Label]
"""(reception id, octets, is_spam, by, at_ms): the label to record in the act's own transaction."""


class Quarantine:
    """The acts on held mail, for the console and the command line."""

    def __init__(
        self, store: Store, learn: Learner, clock: Callable[[], datetime], *, reports_spam: bool = False
    ) -> None:
        """``reports_spam`` lets mail that a person confirms as spam go to Pyzor, by a job."""
        self._reports_spam = reports_spam
        self._store = store
        self._learn = learn
        self._clock = clock

    async def release(
        self, reception: str, by: str, *, addresses: Iterable[str] | None = None, learn: bool = False
    ) -> list[HeldCopy]:
        """Deliver held copies to their recipients' inboxes (or relay them on). Raises NotHeld."""
        held = await self._require(reception)
        octets = await self._store.blobs.read(held.blob)
        digest = digest_octets(octets)
        now_ms = self._now_ms()
        label = self._learn(reception, octets, False, by, now_ms) if learn else None

        def body(txn: StoreTxn) -> list[HeldCopy]:
            before = quarantine.get(txn, reception)
            has_it = {c.account for c in before.copies if c.state == RELEASED} if before is not None else set()
            moved = quarantine.settle(txn, reception, RELEASED, by, now_ms, _chosen(addresses))
            accounts = [c.account for c in moved if c.account is not None and c.account not in has_it]
            local = [LocalCopy(AccountId(account), "inbox") for account in accounts]
            new = NewEmail(held.blob, digest, now_ms, reception=reception)
            deliver_copies(txn, local, new, must_fit=False)  # the sender was told long ago that we have it
            for copy in moved:
                if copy.relay:
                    job = relay_job(txn, reception, held.mail_from, copy.address, copy.relay, held.blob, now_ms)
                    jobs.put(txn, job)
            is_learned = label is not None and give(txn, label, "release")
            what = "learned as wanted" if is_learned else ""
            chain.record(txn, now_ms, by, "quarantine.release", reception, what, people=[c.address for c in moved])
            return moved

        return await self._store.write(body)

    async def delete(
        self, reception: str, by: str, *, addresses: Iterable[str] | None = None, learn: bool = False
    ) -> list[HeldCopy]:
        """Give up held copies; with ``learn`` also as an example of unwanted mail. Raises NotHeld."""
        held = await self._require(reception)
        now_ms = self._now_ms()
        label = None
        if learn:
            label = self._learn(reception, await self._store.blobs.read(held.blob), True, by, now_ms)

        def body(txn: StoreTxn) -> list[HeldCopy]:
            moved = quarantine.settle(txn, reception, DELETED, by, now_ms, _chosen(addresses))
            is_learned = label is not None and give(txn, label, "delete")
            if is_learned and self._reports_spam:
                jobs.put(txn, report_job(txn, reception, held.blob, now_ms))
            what = "learned as unwanted" if is_learned else ""
            chain.record(txn, now_ms, by, "quarantine.delete", reception, what, people=[c.address for c in moved])
            return moved

        return await self._store.write(body)

    async def block_sender(self, reception: str, by: str, *, whole_domain: bool = False, days: int = 90) -> PolicyEntry:
        """Block the sender of a mail from now on: its From address, or its whole domain. Raises NotHeld."""
        held = await self._require(reception)
        subject = (author(held.header_from)[1] or held.mail_from).lower()
        if whole_domain:
            subject = "@" + subject.rpartition("@")[2]
        now = self._clock()
        entry = PolicyEntry(
            kind="block",
            subject=subject,
            owner=by,
            reason=f"from quarantine, {reception}",
            created_ms=int(now.timestamp() * 1000),
            expires_ms=int((now + timedelta(days=days)).timestamp() * 1000),
        )

        def body(txn: StoreTxn) -> PolicyEntry:
            policy.put(txn, entry)
            chain.record(txn, entry.created_ms, by, "policy.block", subject, entry.reason)
            return entry

        return await self._store.write(body)

    async def expire(self, limit: int = 500) -> int:
        """Give up held copies whose time is over, some mails a transaction; how many mails. A job of one worker."""
        now_ms = self._now_ms()

        def body(txn: StoreTxn) -> int:
            overdue = quarantine.overdue(txn, now_ms, limit)
            for held, addresses in overdue:
                quarantine.settle(txn, held.id, quarantine.EXPIRED, chain.PROGRAM, now_ms, addresses)
                chain.record(txn, now_ms, chain.PROGRAM, "quarantine.expire", held.id, people=addresses)
            return len(overdue)

        expired = 0
        while (count := await self._store.write(body)) > 0:
            expired += count
        return expired

    async def _require(self, reception: str) -> Held:
        held = await self._store.read(lambda view: quarantine.get(view, reception))
        if held is None or not held.is_held:
            raise NotHeld(reception)
        return held

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


def _chosen(addresses: Iterable[str] | None) -> frozenset[str] | None:
    return None if addresses is None else frozenset(addresses)
