"""The job queue. A lease that runs out is redelivery, so every job must be harmless to run twice.

A job is a row and a place in the order of its kind. Whoever claims it writes a lease into the row: a random number
that is no one else's. Every later step asks whether the row still carries it, in the transaction that takes the step,
so that somebody who was too slow can change nothing (``held``).
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from store.changes.announce import QUEUE
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import ReadTxn, WriteTxn
from store.schema import keys
from store.schema.rows import Reader, RowDamaged, pack

UNREADABLE = "unreadable"  #: the kind under which a row that cannot be read is given up, its octets as the body
_ERROR_LETTERS = 500
_BATCH = 1_000  # rows of the order looked at in one transaction
_KEPT_OCTETS = 50_000  # of a row that cannot be read


class Job(msgspec.Struct, frozen=True, array_like=True):
    """Work to be done after a commit."""

    id: str
    kind: str  #: says who can do it: ``gateway.work.kinds.Kind``
    body: bytes  #: MessagePack of what the kind needs
    created_ms: int
    due_ms: int  #: when it comes up; while it is leased, when the lease ends
    attempts: int = 0
    last_error: str = ""
    lease: int = 0  #: who works on it; 0: nobody
    again: bool = False  #: was wanted once more while somebody worked on it
    lost: int = 0  #: leases in a row that ended by themselves: it may kill whoever touches it


read_job = Reader(Job)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody would take: at most ``limit`` jobs of a kind, for so long."""

    kind: str
    limit: int
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    jobs: tuple[Job, ...]
    next_due_ms: int | None = None  #: when the next job of these kinds comes up; None: none waits


def put(txn: StoreTxn, job: Job) -> None:
    """Enqueue in the caller's transaction. An id that is there already changes nothing."""
    if txn.kv.get(keys.job(job.id)) is None:
        _store(txn.kv, job)
        txn.touch(QUEUE)


def want(txn: StoreTxn, job: Job) -> None:
    """As ``put``, for work that looks at the store when it runs: if it runs now, it runs once more after that."""
    try:
        current = get(txn.kv, job.id)
    except RowDamaged:
        return  # it is set aside when it comes up
    if current is None:
        put(txn, job)
    elif current.lease and not current.again:
        txn.kv.put(keys.job(job.id), pack(replace(current, again=True)))


async def claim(store: Store, wishes: Sequence[Wish], now_ms: int) -> Claim:
    """Take due jobs; nobody else gets them until their lease ends. Rows that cannot be read are set aside."""
    found = await store.read(lambda view: _look(view.kv, wishes, now_ms))
    if not found.jobs:
        return found  # the usual case costs no write
    lease = secrets.randbits(63) | 1
    return await store.write(lambda txn: _take(txn.kv, wishes, now_ms, lease))


def held(txn: StoreTxn, job: Job) -> Job | None:
    """The row as it is now, while ``job``'s lease still holds; None when another decides over it, or it is gone."""
    current = get(txn.kv, job.id)
    return current if current is not None and current.lease == job.lease else None


def renew(txn: StoreTxn, job: Job, until_ms: int) -> bool:
    """Keep a job for longer; False when it was lost."""
    current = held(txn, job)
    if current is not None:
        _move(txn.kv, current, replace(current, due_ms=until_ms))
    return current is not None


def finish(txn: StoreTxn, job: Job, now_ms: int) -> bool:
    """A job is done, in the transaction that records its effect; False when it was lost."""
    current = held(txn, job)
    if current is None:
        return False
    if current.again:
        _move(txn.kv, current, Job(current.id, current.kind, current.body, now_ms, now_ms))
        txn.touch(QUEUE)
    else:
        remove(txn, current)
    return True


def put_back(txn: StoreTxn, job: Job, due_ms: int, error: str = "") -> bool:
    """Let a claimed job come up later, with what went wrong; False when it was lost."""
    current = held(txn, job)
    if current is not None:
        last_error = error[:_ERROR_LETTERS] if error else current.last_error
        back = replace(current, due_ms=due_ms, lease=0, again=False, lost=0, last_error=last_error)
        _move(txn.kv, current, back)
    return current is not None


def start_over(txn: StoreTxn, job: Job, due_ms: int) -> bool:
    """A regular job is done until the next time; False when it was lost."""
    current = held(txn, job)
    if current is not None:
        _move(txn.kv, current, Job(current.id, current.kind, current.body, due_ms, due_ms))
    return current is not None


def bury(txn: StoreTxn, job: Job, error: str) -> bool:
    """Move a hopeless job aside, where ``mailward queue list`` shows it; False when it was lost."""
    current = held(txn, job)
    if current is None:
        return False
    remove(txn, current)
    dead = replace(current, lease=0, again=False, last_error=error[:_ERROR_LETTERS])
    txn.kv.put(keys.JOB_DEAD + job.id.encode(), pack(dead))
    return True


def revive(txn: StoreTxn, job_id: str, now_ms: int) -> Job | None:
    """Let a job that was given up, or that waits, come up now, as if new; None: no such job, or it runs now."""
    current, dead = get(txn.kv, job_id), txn.kv.get(keys.JOB_DEAD + job_id.encode())
    if current is not None and current.lease and current.due_ms > now_ms:
        return None
    job = current or (read_job(dead) if dead is not None else None)
    if job is None or job.kind == UNREADABLE:
        return None
    fresh = replace(job, created_ms=now_ms, due_ms=now_ms, attempts=0, lease=0, lost=0)
    txn.kv.delete(keys.JOB_DEAD + job_id.encode())
    _move(txn.kv, job, fresh)
    txn.touch(QUEUE)
    return fresh


def drop(txn: StoreTxn, job_id: str) -> Job | None:
    """Forget a job, waiting or given up; who tries it at this moment changes nothing any more. None: no such job."""
    job = get(txn.kv, job_id)
    if job is not None:
        remove(txn, job)
        return job
    row = txn.kv.get(keys.JOB_DEAD + job_id.encode())
    txn.kv.delete(keys.JOB_DEAD + job_id.encode())
    return read_job(row) if row is not None else None


def remove(txn: StoreTxn, job: Job) -> None:
    txn.kv.delete(keys.job_due(job.kind, job.due_ms, job.id))
    txn.kv.delete(keys.job(job.id))


def get(txn: ReadTxn, job_id: str) -> Job | None:
    """A job that waits or runs. Raises RowDamaged."""
    row = txn.get(keys.job(job_id))
    return read_job(row) if row is not None else None


def waiting(view: StoreView) -> list[Job]:
    """Every job that waits or runs; one whose row cannot be read has the kind UNREADABLE."""
    return list(_listed(view, keys.JOB))


def buried(view: StoreView) -> list[Job]:
    """Every job that was given up; one whose row could not be read has the kind UNREADABLE."""
    return list(_listed(view, keys.JOB_DEAD))


def _listed(view: StoreView, space: bytes) -> Iterator[Job]:
    for key, row in view.kv.scan(space, keys.prefix_end(space)):
        try:
            yield read_job(row)
        except RowDamaged as error:
            yield _unreadable(key[len(space) :].decode("utf-8", "replace"), row, error)


def adopt(txn: StoreTxn) -> int:
    """Bring places of the first schema, ``j R ms id``, into the order of their kind; how many, at most 1,000."""
    old = list(txn.kv.scan(keys.JOB_DUE + b"\x00", keys.JOB_DUE + b"\x01", limit=_BATCH))
    for key, kind in old:
        ms, job_id = keys.read_u64(key[2:10]), key[10:].decode("utf-8", "replace")
        txn.kv.delete(key)
        txn.kv.put(keys.job_due(kind.decode("utf-8", "replace"), ms, job_id), b"")
    return len(old)


def _store(txn: WriteTxn, job: Job) -> None:
    txn.put(keys.job(job.id), pack(job))
    txn.put(keys.job_due(job.kind, job.due_ms, job.id), b"")


def _move(txn: WriteTxn, before: Job, after: Job) -> None:
    txn.delete(keys.job_due(before.kind, before.due_ms, before.id))
    _store(txn, after)


def _order(txn: ReadTxn, kind: str, limit: int) -> Iterator[tuple[int, str, bytes]]:
    """When, which, and under what key the first jobs of a kind come up."""
    prefix = keys.jobs_due(kind)
    for key, _ in txn.scan(prefix, keys.prefix_end(prefix), limit=limit):
        rest = key[len(prefix) :]
        yield keys.read_u64(rest[:8].ljust(8, b"\x00")), rest[8:].decode("utf-8", "replace"), key


def _look(txn: ReadTxn, wishes: Sequence[Wish], now_ms: int) -> Claim:
    """Whether anything is due: the first row of each kind tells."""
    first = [each for wish in wishes if wish.limit > 0 for each in _order(txn, wish.kind, 1)]
    ready = tuple(Job(job_id, "", b"", 0, due_ms) for due_ms, job_id, _ in first if due_ms <= now_ms)
    return Claim(ready, min((due_ms for due_ms, _, _ in first), default=None))


def _take(txn: WriteTxn, wishes: Sequence[Wish], now_ms: int, lease: int) -> Claim:
    taken: list[Job] = []
    nearest: list[int] = []
    for wish in wishes:
        room = wish.limit
        for due_ms, job_id, key in _order(txn, wish.kind, _BATCH) if room > 0 else ():
            if due_ms > now_ms or room == 0:
                nearest.append(due_ms)
                break
            job = _readable(txn, key, job_id)
            if job is not None:
                taken.append(_lease(txn, job, now_ms + wish.lease_ms, lease))
                room -= 1
    return Claim(tuple(taken), min(nearest, default=None))


def _readable(txn: WriteTxn, key: bytes, job_id: str) -> Job | None:
    """The job at a place in the order. A place that leads nowhere goes; a row that cannot be read is given up."""
    try:
        job = get(txn, job_id)
    except RowDamaged as error:
        dead = _unreadable(job_id, txn.get(keys.job(job_id)) or b"", error)
        txn.delete(keys.job(job_id))
        txn.put(keys.JOB_DEAD + job_id.encode(), pack(dead))
        job = None
    if job is None or keys.job_due(job.kind, job.due_ms, job.id) != key:
        txn.delete(key)
        return None
    return job


def _unreadable(job_id: str, row: bytes, error: RowDamaged) -> Job:
    why = f"its row cannot be read: {error}"
    return Job(job_id, UNREADABLE, row[:_KEPT_OCTETS], 0, 0, last_error=why[:_ERROR_LETTERS])


def _lease(txn: WriteTxn, job: Job, until_ms: int, lease: int) -> Job:
    lost = job.lost + 1 if job.lease else 0
    leased = replace(job, due_ms=until_ms, attempts=job.attempts + 1, lease=lease, lost=lost, again=False)
    _move(txn, job, leased)
    return leased
