"""Indexing mail as a job, right after the commit that brought it.

A commit that brings mail marks its account (``keys.to_index``) and wakes the followers. One job an account, whoever
puts it first; the job works until nothing is left and takes the mark away. So a burst of mail is one job, and a hint
that is lost or a worker that dies costs time only: until then a search reads the mails themselves.
"""

import asyncio
import time

import structlog

from gateway.work.kinds import HOUR_S, Kind
from store.changes.announce import INDEX
from store.changes.engine import AccountId, Store, StoreTxn, StoreView
from store.kv.contract import StoreError, counter
from store.queue import jobs
from store.queue.jobs import Job
from store.schema import keys
from store.search import state as states
from store.search.indexing import Indexer, IndexSettings

log = structlog.get_logger()

KIND = "index"
GATHER_S = 3.0  #: mail that comes within this time is indexed together; until then a search reads it directly
POLL_S = 60.0
_ACCOUNTS_AT_ONCE = 200


def job_of(account: AccountId, now_ms: int) -> Job:
    return Job(f"{KIND}-{account}", KIND, keys.u32(account), now_ms, now_ms)


def kinds(store: Store, settings: IndexSettings) -> tuple[Kind, Kind]:
    """Indexing one account, and finding accounts whose index is missing, behind, or of an older version."""
    indexer = Indexer(store, settings)

    async def index(job: Job) -> None:
        account = AccountId(keys.read_u32(job.body))
        started, mails = time.monotonic(), 0

        def told(count: int) -> None:
            nonlocal mails
            mails += count

        await indexer.catch_up(account, told)
        log.debug("search.indexed", account=account, mails=mails, seconds=round(time.monotonic() - started, 3))

    async def look(_: Job) -> None:
        await mark_behind(store, settings)

    return Kind(KIND, index), Kind("find-unindexed", look, every_s=HOUR_S)


async def follow(store: Store) -> None:
    """Put a job for every account that is marked, until cancelled."""
    with store.subscribe(INDEX) as listener:
        while True:
            try:
                await put_jobs(store)
            except StoreError as error:
                log.warning("search.follow", error=repr(error))
            if await listener.wait(POLL_S):
                await asyncio.sleep(GATHER_S)


async def put_jobs(store: Store) -> None:
    """Jobs for marked accounts that have none waiting. Raises StoreUnavailable."""
    at: bytes | None = keys.TO_INDEX
    while at is not None:
        at, marked = await store.read(lambda view, start=at: _marked(view, start))  # type: ignore[misc]
        if marked:
            await store.write(lambda txn, some=marked: _want(txn, some))  # type: ignore[misc]


def _want(txn: StoreTxn, marked: list[AccountId]) -> None:
    for account in marked:
        jobs.want(txn, job_of(account, txn.now_ms))


def put_each(txn: StoreTxn, some: list[AccountId]) -> None:
    """Jobs for accounts that have none."""
    for account in some:
        jobs.put(txn, job_of(account, txn.now_ms))


def _marked(view: StoreView, start: bytes) -> tuple[bytes | None, list[AccountId]]:
    """Some marked accounts, and where to go on."""
    rows = [key for key, _ in view.kv.scan(start, keys.prefix_end(keys.TO_INDEX), limit=_ACCOUNTS_AT_ONCE)]
    found: list[AccountId] = []
    for key in rows:
        account = AccountId(keys.read_u32(key[1:5]))
        job = jobs.get(view.kv, job_of(account, 0).id)
        if job is None or (job.lease and not job.again):
            found.append(account)
    return (rows[-1] + b"\x00" if len(rows) == _ACCOUNTS_AT_ONCE else None), found


async def mark_behind(store: Store, settings: IndexSettings) -> None:
    """Mark accounts whose index does not reach their mail or was made in another way. Raises StoreUnavailable."""
    at: bytes | None = keys.ACCOUNT
    while at is not None:
        at, behind = await store.read(lambda view, start=at: _behind(view, start, settings))  # type: ignore[misc]
        for account in behind:
            await store.write(lambda txn, one=account: txn.kv.put(keys.to_index(one), b""))  # type: ignore[misc]
    await put_jobs(store)


def _behind(view: StoreView, start: bytes, settings: IndexSettings) -> tuple[bytes | None, list[AccountId]]:
    rows = [key for key, _ in view.kv.scan(start, keys.prefix_end(keys.ACCOUNT), limit=_ACCOUNTS_AT_ONCE)]
    found: list[AccountId] = []
    for key in rows:
        account = AccountId(keys.read_u32(key[1:5]))
        mine = view.account(account)
        state = states.get(mine)
        has_more = counter(mine.get(keys.LAST_ID)) > state.serving.upto and (
            next(mine.scan(keys.email(state.serving.upto + 1), keys.prefix_end(b"E"), limit=1), None) is not None
        )
        if has_more or state.building is not None or state.dropping or not settings.made(state.serving):
            found.append(account)
    return (rows[-1] + b"\x00" if len(rows) == _ACCOUNTS_AT_ONCE else None), found
