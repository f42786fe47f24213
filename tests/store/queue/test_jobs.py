"""Jobs are leased to one worker at a time, come back when it fails, and end."""

import asyncio

import pytest

from store.changes.engine import Store
from store.queue import jobs
from store.queue.jobs import BACKOFF_MS, GIVE_UP_MS, HOUR_MS, MINUTE_MS, Job
from tests.support.mail_store import START_MS as NOW

WORK = frozenset({"work"})
LEASE = 10 * MINUTE_MS


def job(name: str = "a", kind: str = "work", due_ms: int = NOW, created_ms: int = NOW) -> Job:
    return Job(name, kind, b"body", created_ms, due_ms)


async def put(store: Store, *wanted: Job) -> None:
    await store.write(lambda txn: [jobs.put(txn, each) for each in wanted])


async def claim(store: Store, now_ms: int = NOW, limit: int = 10) -> list[Job]:
    return await jobs.claim(store, WORK, now_ms, LEASE, limit)


async def ids(store: Store, now_ms: int = NOW, limit: int = 10) -> list[str]:
    return [each.id for each in await claim(store, now_ms, limit)]


async def test_due_jobs_come_in_the_order_of_their_time(store: Store) -> None:
    await put(store, job("late", due_ms=NOW), job("early", due_ms=NOW - 5), job("not yet", due_ms=NOW + 1))
    assert await ids(store) == ["early", "late"]


async def test_a_limit_leaves_the_rest_for_others(store: Store) -> None:
    await put(store, *(job(str(n)) for n in range(5)))
    assert [await ids(store, limit=2) for _ in range(4)] == [["0", "1"], ["2", "3"], ["4"], []]


async def test_only_the_kinds_asked_for_are_claimed(store: Store) -> None:
    await put(store, job("other", kind="expire"), job("mine"))
    assert await ids(store) == ["mine"]


async def test_two_claimers_never_get_the_same_job(store: Store) -> None:
    await put(store, *(job(f"{n:02}") for n in range(20)))
    taken = await asyncio.gather(*(claim(store, limit=5) for _ in range(6)))
    names = [each.id for part in taken for each in part]
    assert sorted(names) == [f"{n:02}" for n in range(20)]


async def test_a_lease_that_ends_gives_the_job_to_another(store: Store) -> None:
    await put(store, job())
    [first] = await claim(store)
    assert await ids(store, NOW + LEASE - 1) == []
    [second] = await claim(store, NOW + LEASE)
    assert (first.attempts, second.attempts) == (1, 2)


async def test_the_same_id_again_changes_nothing(store: Store) -> None:
    await put(store, job(), job(due_ms=NOW + HOUR_MS))
    assert [each.due_ms for each in await store.read(jobs.waiting)] == [NOW]
    [leased] = await claim(store)
    await put(store, job())
    assert await store.read(jobs.waiting) == [leased]
    assert await ids(store) == []


async def test_a_job_done_is_gone(store: Store) -> None:
    await put(store, job())
    [leased] = await claim(store)
    await jobs.done(store, leased)
    await jobs.done(store, leased)
    assert await store.read(jobs.waiting) == []
    assert await ids(store, NOW + GIVE_UP_MS) == []


@pytest.mark.parametrize(("attempt", "wait_ms"), [*enumerate(BACKOFF_MS, 1), (6, HOUR_MS), (50, HOUR_MS)])
async def test_the_waits_between_attempts_grow(store: Store, attempt: int, wait_ms: int) -> None:
    await put(store, job())
    now = NOW
    for _ in range(attempt):
        [leased] = await claim(store, now)
        now += 1_000
        assert await store.write(lambda txn, leased=leased, now=now: jobs.retry(txn, leased, "busy", now))
        [back] = await store.read(jobs.waiting)
        wait = back.due_ms - now
        now = back.due_ms
    assert (back.attempts, back.last_error, wait) == (attempt, "busy", wait_ms)
    assert await ids(store, back.due_ms - 1) == []
    assert await ids(store, back.due_ms) == ["a"]


async def test_a_job_is_tried_for_days_and_then_given_up(store: Store) -> None:
    await put(store, job())
    now, attempts = NOW, 0
    while True:
        [leased] = await claim(store, now)
        attempts += 1
        if not await store.write(lambda txn, leased=leased, now=now: jobs.retry(txn, leased, "busy", now)):
            break
        [back] = await store.read(jobs.waiting)
        now = back.due_ms
    assert 4 * 24 * HOUR_MS < now - NOW <= GIVE_UP_MS  # RFC 5321 §4.5.4.1
    assert attempts > 100
    assert await store.write(lambda txn: jobs.bury(txn, leased, "busy for days"))
    assert await store.read(jobs.waiting) == []
    [dead] = await store.read(jobs.buried)
    assert (dead.id, dead.attempts, dead.last_error) == ("a", attempts, "busy for days")
    assert await ids(store, now + GIVE_UP_MS) == []


async def test_an_endless_error_is_cut(store: Store) -> None:
    await put(store, job())
    [leased] = await claim(store)
    await store.write(lambda txn: jobs.retry(txn, leased, "x" * 10_000, NOW))
    assert len((await store.read(jobs.waiting))[0].last_error) == 500


@pytest.mark.parametrize("outcome", ["done", "leased again"])
async def test_who_lost_the_lease_decides_nothing(store: Store, outcome: str) -> None:
    """A worker so slow that another took over must not bring a finished job back, or take it from the other."""
    await put(store, job())
    [slow] = await claim(store)
    [other] = await claim(store, NOW + LEASE)
    if outcome == "done":
        await jobs.done(store, other)
    before = await store.read(jobs.waiting)
    late = NOW + LEASE + 1
    assert await store.write(lambda txn: jobs.retry(txn, slow, "too slow", late))
    assert not await store.write(lambda txn: jobs.bury(txn, slow, "too slow"))
    assert await store.read(jobs.waiting) == before
    assert await store.read(jobs.buried) == []
