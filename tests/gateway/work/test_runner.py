"""The runner: jobs run once whoever runs them, failures are tried again, upkeep comes round, leases pass on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.work.kinds import Effect, JobFailed, Kind, Run
from gateway.work.runner import LOST_LEASES, Runner
from store.changes.engine import Store
from store.kv.contract import StoreError, StoreUnavailable
from store.queue import jobs
from store.queue.jobs import Job, Wish
from store.schema import keys
from tests.support.mail_store import START_MS as NOW


@dataclass(slots=True)
class Clock:
    now: datetime = field(default=datetime.fromtimestamp(NOW / 1000, UTC))

    def __call__(self) -> datetime:
        return self.now

    @property
    def ms(self) -> int:
        return round(self.now.timestamp() * 1000)

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def put(store: Store, *names: str, kind: str = "work") -> None:
    await store.write(lambda txn: [jobs.put(txn, Job(name, kind, b"", NOW, NOW)) for name in names])


def noting(done: list[str]) -> Run:
    async def run(job: Job) -> None:
        await asyncio.sleep(0)
        done.append(job.id)

    return run


def raising(*errors: Exception) -> Run:
    left = list(errors)

    async def run(job: Job) -> None:
        if left:
            raise left.pop(0)

    return run


@asynccontextmanager
async def running(runner: Runner) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(runner.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0)


async def test_two_runners_run_every_job_once(store: Store, clock: Clock) -> None:
    done: list[str] = []
    names = [f"{n:03}" for n in range(60)]
    await put(store, *names)
    runners = [Runner(store, [Kind("work", noting(done), at_once=7)], clock) for _ in range(2)]
    while sum(await asyncio.gather(*(each.work_once() for each in runners))):
        pass
    assert sorted(done) == names
    assert await store.read(jobs.waiting) == []


async def test_a_job_is_run_as_soon_as_it_is_committed(store: Store, clock: Clock) -> None:
    done: list[str] = []
    async with running(Runner(store, [Kind("work", noting(done))], clock, poll_s=60.0)):
        for name in ("a", "b", "c"):
            await put(store, name)
            await until(lambda name=name: name in done)  # type: ignore[misc]


async def test_more_jobs_than_places_are_all_done_without_looking_by_the_clock(store: Store, clock: Clock) -> None:
    done: list[str] = []
    await put(store, *(f"{n:02}" for n in range(20)))
    async with running(Runner(store, [Kind("work", noting(done), at_once=3)], clock, poll_s=600.0)):
        await until(lambda: len(done) == 20)
    assert len(set(done)) == 20


async def test_an_effect_lands_with_the_end_of_the_job(store: Store, clock: Clock) -> None:
    async def run(job: Job) -> Effect:
        return lambda txn: txn.kv.add(keys.meta("effects"), 1)

    await put(store, "a")
    await Runner(store, [Kind("work", run)], clock).work_once()
    assert await store.read(lambda view: view.kv.get(keys.meta("effects"))) == (1).to_bytes(8, "big")
    assert await store.read(jobs.waiting) == []


async def test_an_effect_of_a_job_that_was_lost_does_not_land(store: Store, clock: Clock) -> None:
    async def run(job: Job) -> Effect:
        clock.forward(61)
        await jobs.claim(store, [Wish("work", 1, 60_000)], clock.ms)  # another took it meanwhile
        return lambda txn: txn.kv.add(keys.meta("effects"), 1)

    await put(store, "a")
    await Runner(store, [Kind("work", run)], clock).work_once()
    assert await store.read(lambda view: view.kv.get(keys.meta("effects"))) is None
    [theirs] = await store.read(jobs.waiting)
    assert theirs.attempts == 2


@pytest.mark.parametrize(
    "error",
    [JobFailed("not now"), StoreUnavailable("not now"), StoreError("not now"), LookupError("not now")],
    ids=lambda error: type(error).__name__,
)
async def test_what_fails_is_tried_again_after_growing_pauses(store: Store, clock: Clock, error: Exception) -> None:
    kind = Kind("work", raising(*[error] * 7), pauses_s=(1.0, 10.0, 100.0))
    await put(store, "a")
    runner = Runner(store, [kind], clock)
    for longest in (1, 10, 100, 100, 100, 100, 100):
        assert await runner.work_once() == 1
        [job] = await store.read(jobs.waiting)
        assert 0.75 * longest <= (job.due_ms - clock.ms) / 1000 <= longest
        assert "not now" in job.last_error
        assert await runner.work_once() == 0
        clock.forward(longest)
    assert await runner.work_once() == 1
    assert await store.read(jobs.waiting) == []


async def test_one_job_that_fails_does_not_stop_the_others(store: Store, clock: Clock) -> None:
    async def run(job: Job) -> None:
        if job.id == "b":
            raise ZeroDivisionError

    await put(store, "a", "b", "c")
    await Runner(store, [Kind("work", run, at_once=10)], clock).work_once()
    assert [job.id for job in await store.read(jobs.waiting)] == ["b"]


@pytest.mark.parametrize("how", ["permanent", "too old"])
async def test_what_is_hopeless_is_given_up_and_that_is_told(store: Store, clock: Clock, how: str) -> None:
    told: list[str] = []
    kind = Kind(
        "work",
        raising(JobFailed("no such thing", is_permanent=how == "permanent")),
        give_up_s=3600.0,
        given_up=lambda txn, job, why: told.append(f"{job.id}: {why}"),
    )
    await put(store, "a")
    if how == "too old":
        clock.forward(3600)
    await Runner(store, [kind], clock).work_once()
    assert told == ["a: no such thing"]
    assert await store.read(jobs.waiting) == []
    assert [job.last_error for job in await store.read(jobs.buried)] == ["no such thing"]


async def test_a_job_that_kills_whoever_touches_it_is_given_up(store: Store, clock: Clock) -> None:
    await put(store, "poison")
    for _ in range(LOST_LEASES):
        await jobs.claim(store, [Wish("work", 1, 60_000)], clock.ms)  # and the worker dies
        clock.forward(60)
    done: list[str] = []
    await Runner(store, [Kind("work", noting(done))], clock).work_once()
    assert done == []
    [dead] = await store.read(jobs.buried)
    assert "ended or hung" in dead.last_error


async def test_a_dead_workers_job_goes_to_another_when_its_lease_ends(store: Store, clock: Clock) -> None:
    done: list[str] = []
    await put(store, "a")
    await jobs.claim(store, [Wish("work", 1, 60_000)], clock.ms)
    runner = Runner(store, [Kind("work", noting(done))], clock)
    clock.forward(59.9)
    assert await runner.work_once() == 0
    clock.forward(0.1)
    assert await runner.work_once() == 1
    assert done == ["a"]


async def test_a_worker_that_stops_gives_its_jobs_back_at_once(store: Store, clock: Clock) -> None:
    begun: list[str] = []

    async def run(job: Job) -> None:
        begun.append(job.id)
        await asyncio.Event().wait()

    await put(store, "a")
    async with running(Runner(store, [Kind("work", run)], clock)):
        await until(lambda: begun == ["a"])
    done: list[str] = []
    assert await Runner(store, [Kind("work", noting(done))], clock).work_once() == 1
    assert done == ["a"]


async def test_a_long_job_keeps_its_lease(store: Store, clock: Clock) -> None:
    """Real time for the renewals, the test's clock for the leases."""
    go = asyncio.Event()

    async def run(job: Job) -> None:
        await go.wait()

    await put(store, "a")
    async with running(Runner(store, [Kind("work", run, lease_s=0.06)], clock)):
        await until(lambda: bool(asyncio.all_tasks()))
        for _ in range(3):
            before = (await store.read(jobs.waiting))[0].due_ms
            clock.forward(0.05)
            async with asyncio.timeout(20):
                while (await store.read(jobs.waiting))[0].due_ms == before:
                    await asyncio.sleep(0.005)
        assert (await jobs.claim(store, [Wish("work", 1, 60)], clock.ms)).jobs == ()
        go.set()
        async with asyncio.timeout(20):
            while await store.read(jobs.waiting):
                await asyncio.sleep(0)


async def test_a_job_that_was_dropped_is_stopped(store: Store, clock: Clock) -> None:
    stopped: list[str] = []

    async def run(job: Job) -> None:
        try:
            await store.write(lambda txn: jobs.drop(txn, job.id))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(job.id)
            raise

    await put(store, "a")
    await Runner(store, [Kind("work", run, lease_s=0.03)], clock).work_once()
    assert stopped == ["a"]
    assert await store.read(jobs.waiting) == await store.read(jobs.buried) == []


async def test_upkeep_comes_round_on_one_of_two_workers(store: Store, clock: Clock) -> None:
    done: list[str] = []
    runners = [Runner(store, [Kind("tidy", noting(done), every_s=300.0)], clock) for _ in range(2)]
    await asyncio.gather(*(runner.prepare() for runner in runners))
    for turn in range(1, 4):
        for _ in range(2):
            await asyncio.gather(*(runner.work_once() for runner in runners))
        assert done == ["tidy"] * turn
        clock.forward(299)
        assert await runners[0].work_once() == 0
        clock.forward(1)


async def test_upkeep_that_fails_comes_again_and_is_never_given_up(store: Store, clock: Clock) -> None:
    kind = Kind("tidy", raising(*[JobFailed("no", is_permanent=True)] * 9), pauses_s=(1.0, 9999.0), every_s=60.0)
    runner = Runner(store, [kind], clock)
    await runner.prepare()
    for _ in range(9):
        assert await runner.work_once() == 1
        clock.forward(60)
    assert await store.read(jobs.buried) == []
    assert await runner.work_once() == 1
    [job] = await store.read(jobs.waiting)
    assert (job.attempts, job.last_error) == (0, "")


async def test_a_job_of_an_unknown_kind_waits_for_a_program_that_knows_it(store: Store, clock: Clock) -> None:
    await put(store, "a", kind="of tomorrow")
    assert await Runner(store, [Kind("work", noting([]))], clock).work_once() == 0
    assert len(await store.read(jobs.waiting)) == 1


async def test_a_store_that_fails_does_not_end_the_runner(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real = store.read
    failures = 2

    async def read(body: Callable[..., object]) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreUnavailable("gone")
        return await real(body)

    monkeypatch.setattr("gateway.work.runner._STORE_PAUSE_S", 0.001)
    monkeypatch.setattr(store, "read", read)
    await put(store, "a")
    async with running(Runner(store, [Kind("work", noting(done))], clock)):
        await until(lambda: done == ["a"])
