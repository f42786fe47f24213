"""Bringing a store of an older schema up to date: ordered steps, each in short transactions, each harmless to repeat.

One process migrates, under a lease it renews; the others wait. No process that serves with the older schema may be
there. A crash in the middle costs nothing: the steps begin again, and the version moves when all of them are done.
"""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from store.accounts import account as accounts
from store.changes.engine import Store, StoreTxn
from store.kv.contract import WriteTxn
from store.mail import domains, quota
from store.quarantine import held
from store.queue import jobs
from store.schema import expiring, keys
from store.schema.version import SCHEMA, stamp, version_of
from store.upkeep import presence

BATCH = 500
LEASE_MS = 60_000
_LEASE = keys.meta("migrating")
_CAMPAIGN_MS = 30 * 24 * 3600 * 1000  # how long schema 1 remembered a trap's mail

Tell = Callable[[str, int], None]
"""(step, rows done so far)"""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is different from a version on."""

    version: int
    name: str
    run: Callable[[Store, Callable[[int], None]], Awaitable[None]]


async def _place_jobs(store: Store, done: Callable[[int], None]) -> None:
    """Jobs come up by kind."""
    while count := await store.write(jobs.adopt):
        done(count)


async def _index_held(store: Store, done: Callable[[int], None]) -> None:
    """Held mail is listed by expiry and by recipient."""
    after = ""
    while after := await store.write(lambda txn, after=after: held.reindex(txn, after, BATCH)):  # type: ignore[misc]
        done(BATCH)


async def _end_by_time(store: Store, done: Callable[[int], None]) -> None:
    """Fingerprints of traps end by themselves; sessions, which live for hours, are begun anew."""
    for space in (keys.FINGERPRINT, keys.SESSION):
        while count := await store.write(lambda txn, space=space: _renew(txn.kv, space)):  # type: ignore[misc]
            done(count)


def _renew(txn: WriteTxn, space: bytes) -> int:
    """Some rows of the old form; how many. Those of the new one begin with another octet."""
    old = [row for row in txn.scan(space, keys.prefix_end(space)) if expiring.end_of(row[1]) is None][:BATCH]
    for key, value in old:
        txn.delete(key)
        if space == keys.FINGERPRINT and len(value) == 8:
            expiring.put_until(txn, key, b"", keys.read_u64(value) + _CAMPAIGN_MS)
    return len(old)


async def _count_mail(store: Store, done: Callable[[int], None]) -> None:
    """What accounts hold is counted, for their quota."""
    after = 0
    while page := await store.read(lambda view, after=after: list(accounts.every(view, after, BATCH))):  # type: ignore[misc]
        for account in page:
            if await store.read(lambda view, number=account.id: quota.usage(view.account(number))) is None:  # type: ignore[misc]
                await quota.recount(store, account.id, domains.of_address(account.address))
            done(1)
        after = page[-1].id


async def _find_unindexed(store: Store, done: Callable[[int], None]) -> None:
    """Mail from before there was an index is indexed by a job, which looks for accounts that are marked."""
    after = 0
    while page := await store.read(lambda view, after=after: list(accounts.every(view, after, BATCH))):  # type: ignore[misc]
        marks = [keys.TO_INDEX + keys.u32(account.id) for account in page]
        await store.write(lambda txn, marks=marks: [txn.kv.put(mark, b"") for mark in marks])  # type: ignore[misc]
        done(len(page))
        after = page[-1].id


STEPS = (
    Step(2, "jobs by kind", _place_jobs),
    Step(2, "held mail by expiry and recipient", _index_held),
    Step(2, "what ends by itself", _end_by_time),
    Step(2, "mail counted for quotas", _count_mail),
    Step(2, "mail to be indexed", _find_unindexed),
)


async def migrate(store: Store, tell: Tell = lambda _step, _rows: None, *, wait_s: float = 600.0) -> int:
    """Bring the store to this program's schema; the version it had. Waits while another process does it.

    Raises SchemaNewer, InUse while somebody serves with the older schema, StoreUnavailable.
    """
    before = await store.read(lambda view: version_of(view.kv))
    if before == SCHEMA:
        await store.write(lambda txn: _stamp_unless(txn.kv))
        return before
    await presence.refuse_when_serving(store, _now_ms(store))
    token = f"{os.getpid()} {secrets.token_hex(8)}".encode()
    for _ in range(int(wait_s)):
        if await store.write(lambda txn: _take_lease(txn, token)):
            break
        await asyncio.sleep(1.0)
        if await store.read(lambda view: version_of(view.kv)) == SCHEMA:
            return before
    else:
        raise presence.InUse("another process has been migrating the store for long: look at it before trying again")
    renewing = asyncio.create_task(_renew_lease(store, token))
    try:
        for step in STEPS:
            if step.version > before:
                await _run(store, step, tell)
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
    await store.write(lambda txn: _finish(txn, token))
    return before


async def _run(store: Store, step: Step, tell: Tell) -> None:
    total = 0

    def done(rows: int) -> None:
        nonlocal total
        total += rows
        tell(step.name, total)

    tell(step.name, 0)
    await step.run(store, done)


def _stamp_unless(txn: WriteTxn) -> None:
    if version_of(txn) == SCHEMA:
        stamp(txn)


def _take_lease(txn: StoreTxn, token: bytes) -> bool:
    row = txn.kv.get(_LEASE)
    if row is not None and row[8:] != token and keys.read_u64(row[:8]) > txn.now_ms:
        return False
    txn.kv.put(_LEASE, keys.u64(txn.now_ms + LEASE_MS) + token)
    return True


async def _renew_lease(store: Store, token: bytes) -> None:
    while True:
        await asyncio.sleep(LEASE_MS / 4000)
        await store.write(lambda txn: _take_lease(txn, token))


def _finish(txn: StoreTxn, token: bytes) -> None:
    row = txn.kv.get(_LEASE)
    if row is not None and row[8:] == token:
        txn.kv.delete(_LEASE)
    stamp(txn.kv)


def _now_ms(store: Store) -> int:
    return int(store.clock() * 1000)
