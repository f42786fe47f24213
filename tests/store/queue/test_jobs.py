"""Jobs are leased to one worker at a time, come back when it fails, and end."""

import asyncio

import msgspec
import pytest

from store.changes.announce import QUEUE
from store.changes.engine import Store, StoreTxn
from store.queue import jobs
from store.queue.jobs import Job, Wish
from store.schema import keys
from tests.support.mail_store import START_MS as NOW

LEASE = 600_000
HOUR_MS = 3_600_000


def job(name: str = "a", kind: str = "work", due_ms: int = NOW, created_ms: int = NOW) -> Job:
    return Job(name, kind, b"body", created_ms, due_ms)


async def put(store: Store, *wanted: Job) -> None:
    await store.write(lambda txn: [jobs.put(txn, each) for each in wanted])


async def claim(store: Store, now_ms: int = NOW, limit: int = 10) -> list[Job]:
    return list((await jobs.claim(store, [Wish("work", limit, LEASE)], now_ms)).jobs)


async def ids(store: Store, now_ms: int = NOW, limit: int = 10) -> list[str]:
    return [each.id for each in await claim(store, now_ms, limit)]


async def finish(store: Store, job: Job) -> bool:
    return await store.write(lambda txn: jobs.finish(txn, job, NOW))


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


async def test_what_is_wanted_again_while_it_runs_runs_once_more(store: Store) -> None:
    """As an account's index: a mail that came while the index was being made is not forgotten."""
    await store.write(lambda txn: [jobs.want(txn, job()) for _ in range(3)])
    [first] = await claim(store)
    await store.write(lambda txn: [jobs.want(txn, job()) for _ in range(3)])
    assert await ids(store) == []
    assert await finish(store, first)
    [second] = await claim(store)
    assert (second.id, second.attempts) == ("a", 1)
    assert await finish(store, second)
    assert await store.read(jobs.waiting) == []


async def test_a_job_that_waits_is_not_wanted_twice(store: Store) -> None:
    await store.write(lambda txn: [jobs.want(txn, job()) for _ in range(2)])
    [only] = await claim(store)
    await finish(store, only)
    assert await store.read(jobs.waiting) == []


async def test_a_new_job_is_announced_and_one_that_was_there_is_not(store: Store) -> None:
    with store.subscribe(QUEUE) as listener:
        await put(store, job())
        assert listener.event.is_set()
        listener.event.clear()
        await put(store, job())
        assert not listener.event.is_set()


async def test_a_job_done_is_gone(store: Store) -> None:
    await put(store, job())
    [leased] = await claim(store)
    assert await finish(store, leased)
    assert not await finish(store, leased)
    assert await store.read(jobs.waiting) == []
    assert await ids(store, NOW + 10 * LEASE) == []


async def test_a_job_put_back_comes_up_later_and_says_why(store: Store) -> None:
    await put(store, job())
    [leased] = await claim(store)
    assert await store.write(lambda txn: jobs.put_back(txn, leased, NOW + 5, "x" * 10_000))
    assert await ids(store, NOW + 4) == []
    [back] = await claim(store, NOW + 5)
    assert (back.attempts, len(back.last_error), back.lost) == (2, 500, 0)


async def test_a_renewed_lease_holds_longer(store: Store) -> None:
    await put(store, job())
    [leased] = await claim(store)
    assert await store.write(lambda txn: jobs.renew(txn, leased, NOW + 3 * LEASE))
    assert await ids(store, NOW + 3 * LEASE - 1) == []
    assert await ids(store, NOW + 3 * LEASE) == ["a"]
    assert not await store.write(lambda txn: jobs.renew(txn, leased, NOW + 9 * LEASE))


async def test_leases_that_end_by_themselves_are_counted_until_somebody_gives_the_job_back(store: Store) -> None:
    await put(store, job())
    lost = [(await claim(store, NOW + n * LEASE))[0].lost for n in range(4)]
    assert lost == [0, 1, 2, 3]
    [last] = await claim(store, NOW + 4 * LEASE)
    await store.write(lambda txn: jobs.put_back(txn, last, NOW + 5 * LEASE))
    assert (await claim(store, NOW + 5 * LEASE))[0].lost == 0


async def test_when_the_next_job_comes_up_is_told(store: Store) -> None:
    await put(store, job("now"), job("later", due_ms=NOW + 7), job("other", kind="else", due_ms=NOW + 3))
    wish = Wish("work", 10, LEASE)
    assert (await jobs.claim(store, [wish], NOW)).next_due_ms == NOW + 7
    assert (await jobs.claim(store, [wish, Wish("else", 1, LEASE)], NOW)).next_due_ms == NOW + 3
    assert (await jobs.claim(store, [Wish("none", 1, LEASE)], NOW)) == jobs.Claim(())


async def test_a_busy_kind_does_not_keep_another_waiting(store: Store) -> None:
    await put(store, *(job(f"r{n:03}", kind="send") for n in range(50)), job("index", due_ms=NOW))
    taken = (await jobs.claim(store, [Wish("send", 2, LEASE), Wish("work", 1, LEASE)], NOW)).jobs
    assert [each.id for each in taken] == ["r000", "r001", "index"]
    taken = (await jobs.claim(store, [Wish("send", 0, LEASE), Wish("work", 1, LEASE)], NOW)).jobs
    assert taken == ()


@pytest.mark.parametrize("outcome", ["done", "leased again", "dropped", "put back"])
async def test_who_lost_the_lease_decides_nothing(store: Store, outcome: str) -> None:
    """A worker so slow that another took over must not bring a finished job back, or take it from the other."""
    await put(store, job())
    [slow] = await claim(store)
    [other] = await claim(store, NOW + LEASE)
    if outcome == "done":
        await finish(store, other)
    elif outcome == "dropped":
        await store.write(lambda txn: jobs.drop(txn, "a"))
    elif outcome == "put back":
        await store.write(lambda txn: jobs.put_back(txn, other, NOW + LEASE))
    before = await store.read(jobs.waiting)
    late = NOW + LEASE + 1
    for step in (
        lambda txn: jobs.put_back(txn, slow, late, "too slow"),
        lambda txn: jobs.bury(txn, slow, "too slow"),
        lambda txn: jobs.finish(txn, slow, late),
        lambda txn: jobs.start_over(txn, slow, late),
        lambda txn: jobs.renew(txn, slow, late + LEASE),
    ):
        assert not await store.write(step)
    assert await store.read(jobs.waiting) == before
    assert await store.read(jobs.buried) == []


async def test_a_job_given_up_is_kept_aside_until_a_person_lets_it_run_again(store: Store) -> None:
    await put(store, job())
    [leased] = await claim(store)
    assert await store.write(lambda txn: jobs.bury(txn, leased, "never"))
    assert await ids(store, NOW + 10 * LEASE) == []
    [dead] = await store.read(jobs.buried)
    assert (dead.id, dead.last_error, dead.lease) == ("a", "never", 0)
    assert await store.write(lambda txn: jobs.revive(txn, "a", NOW + 1)) is not None
    assert await store.read(jobs.buried) == []
    [again] = await claim(store, NOW + 1)
    assert (again.attempts, again.created_ms) == (1, NOW + 1)


async def test_a_waiting_job_can_be_hurried_but_not_one_that_runs(store: Store) -> None:
    await put(store, job(due_ms=NOW + HOUR_MS))
    assert await store.write(lambda txn: jobs.revive(txn, "a", NOW)) is not None
    [leased] = await claim(store)
    assert await store.write(lambda txn: jobs.revive(txn, "a", NOW)) is None
    assert await store.read(jobs.waiting) == [leased]
    assert await store.write(lambda txn: jobs.revive(txn, "other", NOW)) is None


async def test_a_row_that_cannot_be_read_is_set_aside_and_the_others_go_on(store: Store) -> None:
    await put(store, job("bad", due_ms=NOW - 1), job("good"))
    await store.kv.write(lambda txn: txn.put(keys.job("bad"), b"\x01damage"))
    assert [each.kind for each in await store.read(jobs.waiting)] == [jobs.UNREADABLE, "work"]
    await store.write(lambda txn: jobs.want(txn, job("bad")))
    assert await ids(store) == ["good"]
    [dead] = await store.read(jobs.buried)
    assert (dead.id, dead.kind, dead.body) == ("bad", jobs.UNREADABLE, b"\x01damage")
    assert await store.write(lambda txn: jobs.revive(txn, "bad", NOW)) is None
    assert await store.write(lambda txn: jobs.drop(txn, "bad")) == dead
    assert await store.read(jobs.buried) == []


async def test_a_place_in_the_order_that_leads_nowhere_goes(store: Store) -> None:
    await put(store, job())
    for row in (keys.job_due("work", 1, "gone"), keys.job_due("work", 2, "a")):
        await store.kv.write(lambda txn, row=row: txn.put(row, b""))
    assert await ids(store) == ["a"]
    prefix = keys.jobs_due("work")
    left = await store.read(lambda view: list(view.kv.scan(prefix, keys.prefix_end(prefix))))
    assert [key for key, _ in left] == [keys.job_due("work", NOW + LEASE, "a")]


async def test_jobs_of_the_first_schema_are_adopted(store: Store) -> None:
    old = msgspec.msgpack.encode(["a", "work", b"body", NOW, NOW, 2, "busy"])

    def body(txn: StoreTxn) -> None:
        txn.kv.put(keys.job("a"), b"\x01" + old)
        txn.kv.put(keys.JOB_DUE + keys.u64(NOW) + b"a", b"work")

    await store.write(body)
    assert await store.write(jobs.adopt) == 1
    assert await store.write(jobs.adopt) == 0
    [adopted] = await claim(store)
    assert (adopted.id, adopted.attempts, adopted.last_error) == ("a", 3, "busy")
