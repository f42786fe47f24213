"""Hands jobs to those who can do them. Every worker of every node runs one; leases keep them apart."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from gateway.work.kinds import Effect, JobFailed, Kind
from store.changes.announce import QUEUE
from store.changes.engine import Store, StoreTxn
from store.kv.contract import StoreError
from store.queue import jobs
from store.queue.jobs import Job, Wish

log = structlog.get_logger()

LOST_LEASES = 5  #: in a row, after which a job is given up: it may be what kills whoever touches it
_STORE_PAUSE_S = 1.0


class LeaseLost(Exception):
    """Another worker has the job now, or a person dropped it."""


class Runner:
    """One worker's share of the jobs."""

    def __init__(
        self, store: Store, kinds: Sequence[Kind], clock: Callable[[], datetime], *, poll_s: float = 5.0
    ) -> None:
        self._store = store
        self._kinds = {kind.name: kind for kind in kinds}
        self._clock = clock
        self._poll_s = poll_s
        self._running: dict[asyncio.Task[None], Job] = {}
        self._next_due_ms: int | None = None

    async def run(self) -> None:
        """Work until cancelled; then what was not finished goes to other workers at once."""
        await self.prepare()
        with self._store.subscribe(QUEUE) as listener:
            try:
                while True:
                    try:
                        for task in await self._begin():
                            task.add_done_callback(lambda _: listener.event.set())
                        pause_s = self._pause_s()
                    except StoreError as error:
                        log.warning("jobs.store", error=repr(error))
                        pause_s = _STORE_PAUSE_S
                    await listener.wait(pause_s)
            finally:
                await self._let_go()

    async def prepare(self) -> None:
        """Enqueue the regular jobs that are not there yet."""
        now_ms = self._now_ms()
        regular = [Job(kind.name, kind.name, b"", now_ms, now_ms) for kind in self._kinds.values() if kind.every_s]

        def enqueue(txn: StoreTxn) -> None:
            for job in regular:
                jobs.put(txn, job)

        await self._store.write(enqueue)

    async def work_once(self) -> int:
        """Claim what is due and see it through; how many jobs that were."""
        begun = await self._begin()
        await asyncio.gather(*begun)
        return len(begun)

    async def _begin(self) -> list[asyncio.Task[None]]:
        busy = Counter(job.kind for job in self._running.values())
        wishes = [
            Wish(kind.name, kind.at_once - busy[kind.name], int(kind.lease_s * 1000)) for kind in self._kinds.values()
        ]
        claim = await jobs.claim(self._store, wishes, self._now_ms())
        self._next_due_ms = claim.next_due_ms
        begun = [asyncio.create_task(self._attempt(self._kinds[job.kind], job), name=job.id) for job in claim.jobs]
        for task, job in zip(begun, claim.jobs, strict=True):
            self._running[task] = job
            task.add_done_callback(self._running.pop)
        return begun

    def _pause_s(self) -> float:
        if self._next_due_ms is None:
            return self._poll_s
        return min(max((self._next_due_ms - self._now_ms()) / 1000, 0.0), self._poll_s)

    async def _attempt(self, kind: Kind, job: Job) -> None:
        """One try. Whatever happens is noted on the job; when even that fails, the lease ends and it comes again."""
        try:
            if job.lost >= LOST_LEASES and kind.every_s is None:
                why = f"whoever worked on it ended or hung, {job.lost} times in a row"
                await self._store.write(lambda txn: self._give_up(txn, kind, job, why))
                return
            try:
                effect = await self._under_lease(kind, job)
            except JobFailed as failed:
                await self._fail(kind, job, str(failed), is_permanent=failed.is_permanent)
            except LeaseLost:
                raise
            except StoreError as error:
                await self._fail(kind, job, str(error), is_permanent=False)
            except Exception as error:  # the boundary of a job: one that cannot be done must not stop the others
                log.error("job.failed", job=job.id, kind=kind.name, error=repr(error), exc_info=error)
                await self._fail(kind, job, repr(error), is_permanent=False)
            else:
                await self._store.write(lambda txn: self._finish(txn, kind, job, effect))
        except LeaseLost:
            log.info("job.lost", job=job.id, kind=kind.name)
        except StoreError as error:
            log.warning("jobs.store", job=job.id, kind=kind.name, error=repr(error))

    async def _under_lease(self, kind: Kind, job: Job) -> Effect | None:
        """The run, with its lease renewed; cancelled when that is lost. Raises LeaseLost and what the run raises."""
        work: asyncio.Future[Effect | None] = asyncio.ensure_future(kind.run(job))
        until = time.monotonic() + kind.lease_s
        try:
            while not (await asyncio.wait([work], timeout=kind.lease_s / 3))[0]:
                try:
                    lease_ms = self._now_ms() + int(kind.lease_s * 1000)
                    is_ours = await self._store.write(lambda txn, at=lease_ms: jobs.renew(txn, job, at))  # type: ignore[misc]
                except StoreError as error:
                    log.warning("jobs.store", job=job.id, kind=kind.name, error=repr(error))
                    is_ours = time.monotonic() < until
                else:
                    until = time.monotonic() + kind.lease_s
                if not is_ours:
                    raise LeaseLost
            return work.result()
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait([work])

    def _finish(self, txn: StoreTxn, kind: Kind, job: Job, effect: Effect | None) -> None:
        now_ms = self._now_ms()
        if kind.every_s is not None:
            is_ours = jobs.start_over(txn, job, now_ms + int(kind.every_s * 1000))
        else:
            is_ours = jobs.finish(txn, job, now_ms)
        if not is_ours:
            raise LeaseLost
        if effect is not None:
            effect(txn)

    async def _fail(self, kind: Kind, job: Job, why: str, *, is_permanent: bool) -> None:
        pause_s = kind.pauses_s[min(max(job.attempts, 1), len(kind.pauses_s)) - 1]
        if kind.every_s is not None:
            pause_s = min(pause_s, kind.every_s)
        due_ms = self._now_ms() + int(pause_s * 1000 * random.uniform(0.75, 1.0))

        def body(txn: StoreTxn) -> None:
            is_late = due_ms - job.created_ms > kind.give_up_s * 1000
            if kind.every_s is None and (is_permanent or is_late):
                self._give_up(txn, kind, job, why)
            elif not jobs.put_back(txn, job, due_ms, why):
                raise LeaseLost

        await self._store.write(body)

    def _give_up(self, txn: StoreTxn, kind: Kind, job: Job, why: str) -> None:
        if not jobs.bury(txn, job, why):
            raise LeaseLost
        if kind.given_up is not None:
            kind.given_up(txn, job, why)

    async def _let_go(self) -> None:
        """Stop what runs and give the jobs back, so that nobody waits for their leases to end."""
        begun = dict(self._running)
        for task in begun:
            task.cancel()
        if not begun:
            return
        await asyncio.wait(begun)
        now_ms = self._now_ms()
        try:
            await self._store.write(lambda txn: [jobs.put_back(txn, job, now_ms) for job in begun.values()])
        except StoreError as error:
            log.warning("jobs.store", error=repr(error))

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)
