"""Every backend against the memory double: random transactions, some of them aborted, always the same answers."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from store.kv.contract import KeyValueStore, WriteTxn
from store.kv.foundationdb import FoundationKeyValueStore, FoundationSettings
from store.kv.memory import MemoryKeyValueStore
from store.kv.postgres import PostgresKeyValueStore, PostgresSettings
from store.kv.rocksdb import RocksKeyValueStore, RocksSettings
from store.kv.sqlite import SqliteKeyValueStore, SqliteSettings
from tests.support import foundationdb
from tests.support.fdb_double import Double
from tests.support.postgres import Server

KEYS = st.binary(max_size=2).map(lambda key: key.translate(bytes(range(256))[:4] * 64))  # few keys: many meetings
VALUES = st.one_of(st.binary(max_size=8), st.integers(1, 2000).map(bytes))
END = b"\xff" * 4

Step = Callable[[WriteTxn], Any]


Plan = list[tuple[list[Step], bool]]  # bodies: their steps, and whether they are aborted


class Aborted(Exception):
    """Raised at the end of a body that is to be undone."""


def _scan_and_act(start: bytes, end: bytes, reverse: bool, limit: int | None, act: str) -> Step:
    """Scan, and on every second row delete it, or put near it."""

    def step(txn: WriteTxn) -> list[tuple[bytes, bytes]]:
        seen = []
        for number, (key, value) in enumerate(txn.scan(start, end, reverse=reverse, limit=limit)):
            seen.append((key, value))
            if number % 2 == 0 and act == "delete":
                txn.delete(key)
            if number < 30 and act == "put":
                txn.put(key[:1] + b"\x02", b"met")
        return seen

    return step


def _add(key: bytes, delta: int) -> Step:
    # A counter has keys of its own: four octets, which no other step writes.
    return lambda txn: txn.add(b"\x01n" + key[:1] + b"c", delta)


STEPS = st.one_of(
    st.builds(lambda k, v: lambda txn: txn.put(k, v), KEYS, VALUES),
    st.builds(lambda k: lambda txn: txn.delete(k), KEYS),
    st.builds(lambda k: lambda txn: txn.get(k), KEYS),
    st.builds(lambda a, b: lambda txn: txn.delete_range(a, b), KEYS, KEYS),
    st.builds(
        _scan_and_act,
        KEYS,
        st.one_of(KEYS, st.just(END)),
        st.booleans(),
        st.one_of(st.none(), st.integers(0, 9)),
        st.sampled_from(["look", "delete", "put"]),
    ),
    st.builds(_add, KEYS, st.integers(-99, 99)),
)


def _body(steps: list[Step], is_aborted: bool, answers: list[Any]) -> Callable[[WriteTxn], None]:
    def body(txn: WriteTxn) -> None:
        answers.clear()  # a body may run again
        answers.extend(step(txn) for step in steps)
        if is_aborted:
            raise Aborted

    return body


class LikeMemory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.path = Path(self.folder.name) / "store"
        self.memory = MemoryKeyValueStore()
        self.durable = self.loop.run_until_complete(self.open())

    async def open(self) -> KeyValueStore:
        raise NotImplementedError

    def faults(self) -> list[str]:
        """What is wrong with the backend's files at the end."""
        return []

    async def _apply(self, store: KeyValueStore, plan: Plan) -> Any:
        """Run the bodies at once, so that they share a group; their answers in order."""
        answers: list[list[Any]] = [[] for _ in plan]
        bodies = [_body(steps, is_aborted, given) for (steps, is_aborted), given in zip(plan, answers, strict=True)]
        outcomes = await asyncio.gather(*(store.write(body) for body in bodies), return_exceptions=True)
        return answers, [type(outcome) for outcome in outcomes]

    @rule(plan=st.lists(st.tuples(st.lists(STEPS, max_size=6), st.booleans()), min_size=1, max_size=4))
    def write(self, plan: Plan) -> None:
        expected = self.loop.run_until_complete(self._apply(self.memory, plan))
        assert self.loop.run_until_complete(self._apply(self.durable, plan)) == expected

    @rule(number=st.integers(20, 700))
    def fill(self, number: int) -> None:
        def body(txn: WriteTxn) -> None:
            for index in range(number):
                txn.put(index.to_bytes(2, "little"), b"filled")

        for store in (self.memory, self.durable):
            self.loop.run_until_complete(store.write(body))

    @rule()
    def reopen(self) -> None:
        self.loop.run_until_complete(self.durable.close())
        self.durable = self.loop.run_until_complete(self.open())

    @invariant()
    def both_hold_the_same(self) -> None:
        expected = self.loop.run_until_complete(self.memory.read(lambda txn: list(txn.scan(b"", END))))
        assert self.loop.run_until_complete(self.durable.read(lambda txn: list(txn.scan(b"", END)))) == expected

    def teardown(self) -> None:
        with contextlib.closing(self.loop), self.folder:
            found = self.faults()
            self.loop.run_until_complete(self.durable.close())
            assert found == []


class SqliteLikeMemory(LikeMemory):
    async def open(self) -> KeyValueStore:
        return await SqliteKeyValueStore.open(self.path, SqliteSettings(readers=1))

    def faults(self) -> list[str]:
        assert isinstance(self.durable, SqliteKeyValueStore)
        return self.loop.run_until_complete(self.durable.integrity())


class RocksLikeMemory(LikeMemory):
    async def open(self) -> KeyValueStore:
        return await RocksKeyValueStore.open(self.path, RocksSettings(readers=1))


class PostgresLikeMemory(LikeMemory):
    server: ClassVar[Server]

    def __init__(self) -> None:
        self.url = self.server.new_database()
        super().__init__()

    async def open(self) -> KeyValueStore:
        return await PostgresKeyValueStore.open(self.url, PostgresSettings(readers=1))


class FoundationLikeMemory(LikeMemory):
    kind: ClassVar[str]

    def __init__(self) -> None:
        self.cleanup = contextlib.ExitStack()
        self.place = self.cleanup.enter_context(foundationdb.ground(self.kind))
        super().__init__()

    async def open(self) -> KeyValueStore:
        return await FoundationKeyValueStore.open(self.place.url, FoundationSettings(readers=1), self.place.binding)

    def teardown(self) -> None:
        with self.cleanup:
            super().teardown()


class TroubledLikeMemory(FoundationLikeMemory):
    """With commits that conflict, that nobody answers, and reads that have to be repeated."""

    kind = "foundationdb"

    @rule(
        commits=st.lists(st.sampled_from([1020, 1007, "landed", "lost", "late"]), max_size=4),
        reads=st.lists(st.sampled_from([1007, 1009, 1037]), max_size=2),
        code=st.sampled_from([1021, 1039]),
    )
    def trouble(self, commits: list[int | str], reads: list[int], code: int) -> None:
        assert isinstance(self.place.binding, Double)
        faults = self.place.binding.cluster.faults
        faults.commits.extend(commits)
        faults.reads.extend(reads)
        faults.lost_code = code

    @rule()
    def reopen(self) -> None:
        assert isinstance(self.place.binding, Double)
        self.place.binding.cluster.faults.commits.clear()  # what a closing store sweeps away may be late, harmlessly
        super().reopen()

    @rule()
    def arrive_late(self) -> None:
        assert isinstance(self.place.binding, Double)
        assert set(self.place.binding.cluster.deliver_late()) <= {1020}


def _run(machine: type[LikeMemory], examples: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[no-untyped-call]


def test_sqlite_answers_like_memory() -> None:
    _run(SqliteLikeMemory, examples=25)


def test_rocksdb_answers_like_memory() -> None:
    _run(RocksLikeMemory, examples=25)


def test_postgres_answers_like_memory(postgres_server: Server) -> None:
    PostgresLikeMemory.server = postgres_server
    _run(PostgresLikeMemory, examples=15)


@pytest.mark.parametrize("kind", foundationdb.GROUNDS)
def test_foundationdb_answers_like_memory(kind: str) -> None:
    FoundationLikeMemory.kind = kind
    _run(FoundationLikeMemory, examples=25)


def test_foundationdb_in_trouble_answers_like_memory() -> None:
    _run(TroubledLikeMemory, examples=40)
