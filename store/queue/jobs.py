"""The job queue. A lease that runs out is redelivery, so every job must be harmless to run twice."""

import msgspec
from msgspec.structs import replace

from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import ReadTxn, WriteTxn
from store.schema import keys
from store.schema.rows import Reader, pack

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
#: Waits between attempts; the last one repeats until ``give_up_ms``. As Postfix: quick at first, then hourly.
BACKOFF_MS = (MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS)
GIVE_UP_MS = 5 * 24 * HOUR_MS  # RFC 5321 §4.5.4.1: at least four to five days


class Job(msgspec.Struct, frozen=True, array_like=True):
    """Work to be done after a commit."""

    id: str
    kind: str  #: "relay", "expire", "collect"
    body: bytes  #: MessagePack of what the kind needs
    created_ms: int
    due_ms: int
    attempts: int = 0
    last_error: str = ""


read_job = Reader(Job)


def put(txn: StoreTxn, job: Job) -> None:
    """Enqueue in the caller's transaction. The same id again changes nothing."""
    if txn.kv.get(_row_key(job.id)) is not None:
        return
    _store(txn.kv, job)
    txn.touch()


async def claim(store: Store, kinds: frozenset[str], now_ms: int, lease_ms: int, limit: int = 10) -> list[Job]:
    """Take due jobs; nobody else gets them until the lease ends."""
    due = await store.read(lambda view: _due(view.kv, kinds, now_ms, limit))
    if not due:
        return []  # the usual case costs no write
    return await store.write(
        lambda txn: [_lease(txn.kv, job, now_ms + lease_ms) for job in _due(txn.kv, kinds, now_ms, limit)]
    )


async def done(store: Store, job: Job) -> None:
    await store.write(lambda txn: remove(txn, job))


def remove(txn: StoreTxn, job: Job) -> None:
    """Forget a finished job, in the transaction that records its effect."""
    current = _get(txn.kv, job.id)
    if current is not None:
        txn.kv.delete(_due_key(current))
        txn.kv.delete(_row_key(job.id))


def retry(txn: StoreTxn, job: Job, error: str, now_ms: int) -> bool:
    """Put a claimed job back for later. False when it was tried for long enough: bury it then.

    Changes nothing when the lease ended meanwhile: whoever has the job now decides.
    """
    wait_ms = BACKOFF_MS[min(max(job.attempts, 1), len(BACKOFF_MS)) - 1]
    if now_ms + wait_ms - job.created_ms > GIVE_UP_MS:
        return False
    if _get(txn.kv, job.id) == job:
        remove(txn, job)
        _store(txn.kv, replace(job, due_ms=now_ms + wait_ms, last_error=error[:500]))
    return True


def bury(txn: StoreTxn, job: Job, error: str) -> bool:
    """Move a hopeless job aside, where ``mailward queue list`` shows it; False when the lease ended meanwhile."""
    if _get(txn.kv, job.id) != job:
        return False
    remove(txn, job)
    txn.kv.put(keys.JOB_DEAD + job.id.encode(), pack(replace(job, last_error=error[:500])))
    return True


def drop(txn: StoreTxn, job_id: str) -> Job | None:
    """Forget a job, waiting or given up; who tries it at this moment changes nothing any more. None: no such job."""
    job = _get(txn.kv, job_id)
    if job is not None:
        remove(txn, job)
        return job
    row = txn.kv.get(keys.JOB_DEAD + job_id.encode())
    txn.kv.delete(keys.JOB_DEAD + job_id.encode())
    return read_job(row) if row is not None else None


def waiting(view: StoreView) -> list[Job]:
    return [read_job(row) for _, row in view.kv.scan(keys.JOB, keys.prefix_end(keys.JOB))]


def buried(view: StoreView) -> list[Job]:
    return [read_job(row) for _, row in view.kv.scan(keys.JOB_DEAD, keys.prefix_end(keys.JOB_DEAD))]


def _row_key(job_id: str) -> bytes:
    return keys.JOB + job_id.encode()


def _due_key(job: Job) -> bytes:
    return keys.JOB_DUE + keys.u64(job.due_ms) + job.id.encode()


def _get(txn: ReadTxn, job_id: str) -> Job | None:
    row = txn.get(_row_key(job_id))
    return read_job(row) if row is not None else None


def _store(txn: WriteTxn, job: Job) -> None:
    txn.put(_row_key(job.id), pack(job))
    txn.put(_due_key(job), job.kind.encode())


def _due(txn: ReadTxn, kinds: frozenset[str], now_ms: int, limit: int) -> list[Job]:
    found: list[Job] = []
    for key, kind in txn.scan(keys.JOB_DUE, keys.JOB_DUE + keys.u64(now_ms + 1)):
        if kind.decode() not in kinds:
            continue
        job = _get(txn, key[len(keys.JOB_DUE) + 8 :].decode())
        if job is not None:
            found.append(job)
        if len(found) >= limit:
            break
    return found


def _lease(txn: WriteTxn, job: Job, until_ms: int) -> Job:
    txn.delete(_due_key(job))
    leased = replace(job, due_ms=until_ms, attempts=job.attempts + 1)
    _store(txn, leased)
    return leased
