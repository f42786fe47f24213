"""Two processes on one PostgreSQL, as two nodes: a job is run by one, and goes on to the other when that is lost."""

import asyncio
import signal
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.work.kinds import Effect, Kind
from gateway.work.runner import Runner
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store, StoreTxn
from store.kv.contract import counter
from store.kv.postgres import PostgresKeyValueStore
from store.kv.postgres_hints import PostgresHints
from store.queue import jobs
from store.queue.jobs import Job
from store.schema import keys

LANDED = keys.meta("landed")
_ROOT = Path(__file__).parents[3]

#: Says what it begins; a job called "slow" it finishes only when a line comes in. Then it says how that ended.
_NODE = """
    import asyncio, sys
    from datetime import UTC, datetime
    from tests.gateway.work.test_two_processes import LANDED, opened
    from gateway.work.kinds import Kind
    from gateway.work.runner import Runner

    async def run(job):
        print("begun", job.id, flush=True)
        if job.id == "slow":
            await asyncio.to_thread(sys.stdin.readline)
        return lambda txn: txn.kv.add(LANDED, 1)

    async def main():
        store = await opened(sys.argv[1])
        runner = Runner(store, [Kind("work", run, at_once=4, lease_s=1.0)], lambda: datetime.now(UTC), poll_s=0.2)
        print("ready", flush=True)
        await runner.run()

    asyncio.run(main())
"""


async def opened(url: str) -> Store:
    kv = await PostgresKeyValueStore.open(url)
    announcer = Announcer(PostgresHints(url))
    await announcer.start()
    return Store(kv, Blobs(kv), announcer)


async def _put(store: Store, *names: str) -> None:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)

    def body(txn: StoreTxn) -> None:
        for name in names:
            jobs.put(txn, Job(name, "work", b"", now_ms, now_ms))

    await store.write(body)


async def _landed(store: Store) -> int:
    return await store.read(lambda view: counter(view.kv.get(LANDED)))


async def _until_idle(store: Store) -> None:
    async with asyncio.timeout(30):
        while await store.read(jobs.waiting):
            await asyncio.sleep(0.02)


@pytest.fixture
async def here(postgres_url: str) -> AsyncIterator[Store]:
    store = await opened(postgres_url)
    yield store
    await store.close()


@pytest.fixture
async def node(postgres_url: str, here: Store) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another node, which works already."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(_NODE), postgres_url, stdin=pipe, stdout=pipe, cwd=_ROOT
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    yield child
    if child.returncode is None:
        child.kill()
    await child.wait()


def _runner(store: Store, done: list[str]) -> Runner:
    async def run(job: Job) -> Effect:
        done.append(job.id)
        return lambda txn: txn.kv.add(LANDED, 1)

    return Runner(store, [Kind("work", run, at_once=4, lease_s=1.0)], lambda: datetime.now(UTC), poll_s=0.2)


async def test_many_jobs_are_run_once_each_by_two_nodes(here: Store, node: asyncio.subprocess.Process) -> None:
    names = [f"job{number:03}" for number in range(80)]
    done: list[str] = []
    task = asyncio.create_task(_runner(here, done).run())
    await _put(here, *names)
    await _until_idle(here)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    node.kill()
    assert node.stdout is not None
    said = (await node.stdout.read()).splitlines()
    theirs = [line.split()[1].decode() for line in said if line.startswith(b"begun ")]
    assert Counter(done + theirs) == Counter(names)
    assert theirs  # both had a share
    assert await _landed(here) == len(names)


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
async def test_the_jobs_of_a_node_that_is_lost_go_to_another_and_end_once(
    here: Store, node: asyncio.subprocess.Process, fate: signal.Signals
) -> None:
    assert node.stdin is not None and node.stdout is not None
    await _put(here, "slow")
    assert await node.stdout.readline() == b"begun slow\n"
    node.send_signal(fate)
    done: list[str] = []
    task = asyncio.create_task(_runner(here, done).run())
    await _until_idle(here)
    assert done == ["slow"]
    if fate == signal.SIGSTOP:  # it wakes up, and believes that it still has the job
        node.stdin.write(b"go on\n")
        node.send_signal(signal.SIGCONT)
        async with asyncio.timeout(30):
            while b"job.lost" not in await node.stdout.readline():
                pass
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await _landed(here) == 1
