"""Whatever sessions do at the same time, there is an order in which they might have done it one after the other.

The order is known: that of the commits, and within a group that of the bodies. Run again in it over the memory
double, every body must give the same answers, and the same rows must be there at the end.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.kv.contract import KeyValueStore, WriteTxn
from store.kv.foundationdb import FoundationKeyValueStore, FoundationSettings
from store.kv.foundationdb_binding import place_of
from store.kv.memory import MemoryKeyValueStore
from tests.store.kv.test_stateful import END, STEPS, Step
from tests.support.fdb_cluster import Cluster
from tests.support.fdb_double import Double

URL = "foundationdb:?prefix=test"
_FATES: list[int | str] = [0, 0, 0, 0, 1020, "landed", "lost", "late"]


@pytest.fixture(autouse=True)
def _threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@dataclass(slots=True)
class Session:
    """One caller's bodies, one after the other, each with a row that tells which commit it landed with."""

    number: int
    plans: list[list[Step]]
    answers: list[list[Any]] = field(default_factory=list)
    ran: list[int] = field(default_factory=list)  #: among all bodies, when each ran last

    def row(self, index: int) -> bytes:
        return END + b"landed%d.%d" % (self.number, index)  # where no step looks

    async def run(self, kv: KeyValueStore, ticks: Iterator[int]) -> None:
        for index in range(len(self.plans)):
            self.answers.append([])
            self.ran.append(0)
            await kv.write(self.body(index, ticks))

    def body(self, index: int, ticks: Iterator[int]) -> Callable[[WriteTxn], None]:
        def body(txn: WriteTxn) -> None:
            self.ran[index] = next(ticks)
            self.answers[index] = []
            for step in self.plans[index]:
                self.answers[index].append(step(txn))
                time.sleep(0)  # let the others in
            txn.put(self.row(index), b"")

        return body


async def _together(cluster: Cluster, sessions: list[Session], stores: int) -> dict[bytes, bytes]:
    """Run the sessions at once, over as many processes' stores; the rows that are there at the end."""
    setting = FoundationSettings(readers=1, group_bodies=3)
    opened = [await FoundationKeyValueStore.open(URL, setting, Double(cluster)) for _ in range(stores)]
    ticks = count()
    async with asyncio.timeout(60):
        await asyncio.gather(*(each.run(opened[each.number % stores], ticks) for each in sessions))
    assert set(cluster.deliver_late()) <= {1020, 1007}
    cluster.faults.commits.clear()
    rows = await opened[0].read(lambda txn: dict(txn.scan(b"", END)))
    for kv in opened:
        await kv.close()
    return rows


async def _one_after_the_other(cluster: Cluster, sessions: list[Session]) -> dict[bytes, bytes]:
    """The same in the order of the commits; asserts that everyone sees the same."""
    prefix = place_of(URL).rows
    order = sorted(
        (cluster.written_at(prefix + each.row(index)), each.ran[index], each.number, index)
        for each in sessions
        for index in range(len(each.plans))
    )
    memory = MemoryKeyValueStore()
    for _, _, number, index in order:
        again = Session(number, sessions[number].plans, [[]] * (index + 1), [0] * (index + 1))
        await memory.write(again.body(index, count()))
        assert again.answers[index] == sessions[number].answers[index]
    return await memory.read(lambda txn: dict(txn.scan(b"", END)))


@given(
    plans=st.lists(st.lists(st.lists(STEPS, min_size=1, max_size=4), min_size=1, max_size=4), min_size=2, max_size=5),
    stores=st.integers(2, 3),
    fates=st.lists(st.sampled_from(_FATES), max_size=12),
)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_what_happens_at_once_might_have_happened_one_after_the_other(
    plans: list[list[list[Step]]], stores: int, fates: list[int | str]
) -> None:
    async def compare() -> None:
        cluster = Cluster()
        cluster.faults.commits.extend(fates)
        sessions = [Session(number, each) for number, each in enumerate(plans)]
        rows = await _together(cluster, sessions, stores)
        assert rows == await _one_after_the_other(cluster, sessions)

    asyncio.run(compare())


def test_the_sessions_do_meet() -> None:
    """Or the test above would show nothing."""

    def step(txn: WriteTxn) -> int:
        seen = len(list(txn.scan(b"\x01", b"\x02")))
        txn.put(b"\x01%d" % seen, b"")
        return seen

    cluster = Cluster()
    sessions = [Session(number, [[step, step]] * 10) for number in range(4)]
    rows = asyncio.run(_together(cluster, sessions, 2))
    assert rows == asyncio.run(_one_after_the_other(cluster, sessions))
    assert sum(key.startswith(b"\x01") for key in rows) == 80
    assert cluster.backoffs > 0
