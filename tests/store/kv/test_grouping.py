"""Group commit on SQLite, RocksDB, PostgreSQL and FoundationDB: many bodies, one commit, each failure its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from store.kv.contract import KeyValueStore, ReadTxn, StoreError, StoreUnavailable, WriteTxn, counter
from store.kv.foundationdb import FoundationKeyValueStore, FoundationSettings
from store.kv.overlay import MAX_PENDING_OCTETS
from store.kv.postgres import PostgresKeyValueStore, PostgresSettings
from store.kv.rocksdb import RocksKeyValueStore, RocksSettings
from store.kv.sqlite import SqliteKeyValueStore, SqliteSettings
from tests.store.kv.gate import Gate
from tests.support import foundationdb

Grouping = SqliteKeyValueStore | RocksKeyValueStore | PostgresKeyValueStore | FoundationKeyValueStore


@pytest.fixture
def foundation(request: pytest.FixtureRequest) -> Iterator[foundationdb.Ground]:
    with foundationdb.ground(request.node.callspec.params["kv"]) as place:
        yield place


@pytest.fixture(params=["sqlite", "rocksdb", "postgres", *foundationdb.GROUNDS])
async def kv(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Grouping]:
    store: Grouping
    if request.param == "sqlite":
        store = await SqliteKeyValueStore.open(tmp_path / "store.db", SqliteSettings(group_time_s=30, queued=40))
    elif request.param == "rocksdb":
        store = await RocksKeyValueStore.open(tmp_path / "rocks", RocksSettings(group_time_s=30, queued=40))
    elif request.param in foundationdb.GROUNDS:
        place = request.getfixturevalue("foundation")
        settings = FoundationSettings(group_time_s=30, queued=40)
        store = await FoundationKeyValueStore.open(place.url, settings, place.binding)
    else:
        url = request.getfixturevalue("postgres_url")
        store = await PostgresKeyValueStore.open(url, PostgresSettings(group_time_s=30, queued=40))
    yield store
    await store.close()


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


async def _entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.is_entered.wait, 20)


async def _behind_a_gate(kv: KeyValueStore, bodies: list[Callable[[WriteTxn], object]]) -> list[object]:
    """Run the bodies after all of them have queued up behind one that waits."""
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await _entered(gate)
    rest = [asyncio.create_task(kv.write(body)) for body in bodies]
    await asyncio.sleep(0)
    gate.open()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


async def test_queued_writes_share_one_commit(kv: Grouping) -> None:
    assert await _behind_a_gate(kv, [_count] * 30) == list(range(1, 31))
    assert (kv.stats.groups, kv.stats.bodies, kv.stats.largest) == (1, 31, 31)


async def test_a_raising_body_undoes_only_itself(kv: Grouping) -> None:
    await kv.write(lambda txn: txn.put(b"old", b"row"))

    def raising(txn: WriteTxn) -> None:
        txn.add(b"n", 100)
        txn.put(b"bad", b"row")
        txn.put(b"old", b"changed")
        txn.delete_range(b"", b"\xff")
        raise KeyError("mine")

    bodies: list[Callable[[WriteTxn], object]] = [_count, raising, _count, raising, _count]
    results = await _behind_a_gate(kv, bodies)
    assert [results[0], results[2], results[4]] == [1, 2, 3]
    assert [type(results[1]), type(results[3])] == [KeyError, KeyError]
    assert kv.stats.groups == 2
    left = {b"n": (3).to_bytes(8, "big"), b"old": b"row"}
    assert await kv.read(lambda txn: dict(txn.scan(b"", b"\xff"))) == left


async def test_no_caller_is_answered_before_the_commit(kv: Grouping) -> None:
    first, last = Gate(), Gate()
    opening = asyncio.create_task(kv.write(first.body))
    await _entered(first)
    counting, closing = asyncio.create_task(kv.write(_count)), asyncio.create_task(kv.write(last.body))
    await asyncio.sleep(0)
    first.open()
    await _entered(last)  # the count has run, in a group that is still open
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 0
    assert not counting.done()
    last.open()
    assert await counting == 1
    await asyncio.gather(opening, closing)


async def test_a_caller_cancelled_while_queued_is_skipped_and_its_neighbours_land(kv: Grouping) -> None:
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await _entered(gate)
    rest = [asyncio.create_task(kv.write(_count)) for _ in range(6)]
    await asyncio.sleep(0)
    rest[1].cancel()
    rest[4].cancel()
    await asyncio.sleep(0)
    gate.open()
    await first
    results = await asyncio.gather(*rest, return_exceptions=True)
    assert [result for result in results if isinstance(result, int)] == [1, 2, 3, 4]
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 4


async def test_a_read_is_one_snapshot_while_others_write(kv: Grouping) -> None:
    await kv.write(lambda txn: [txn.put(b"%03d" % n, b"old") for n in range(100)])
    gate = Gate()

    def body(txn: ReadTxn) -> set[bytes]:
        rows = txn.scan(b"", b"\xff")
        values = {next(rows)[1]}
        gate.body(txn)
        return values | {value for _, value in rows}

    reading = asyncio.create_task(kv.read(body))
    await _entered(gate)
    await kv.write(lambda txn: [txn.put(b"%03d" % n, b"new") for n in range(100)])
    gate.open()
    assert await reading == {b"old"}


async def test_too_many_waiting_transactions_are_refused(kv: Grouping) -> None:
    results = await _behind_a_gate(kv, [_count] * 60)
    assert sum(isinstance(result, StoreUnavailable) for result in results) == 20
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 40


async def test_what_is_queued_is_served_before_closing(kv: Grouping) -> None:
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await _entered(gate)
    rest = [asyncio.create_task(kv.write(_count)) for _ in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(kv.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="closed"):
        await kv.write(_count)
    gate.open()
    await asyncio.gather(closing, first)
    assert await asyncio.gather(*rest) == [1, 2, 3, 4, 5]


async def test_a_range_wider_than_a_page_is_deleted_or_kept_as_a_whole(kv: Grouping) -> None:
    rows = {b"%06d" % number: b"v" for number in range(9000)}
    await kv.write(lambda txn: [txn.put(key, value) for key, value in rows.items()])

    def raising(txn: WriteTxn) -> None:
        txn.delete_range(b"", b"\xff")
        assert list(txn.scan(b"", b"\xff")) == []
        raise KeyError

    with pytest.raises(KeyError):
        await kv.write(raising)
    assert await kv.read(lambda txn: dict(txn.scan(b"", b"\xff"))) == rows
    await kv.write(lambda txn: txn.delete_range(b"000001", b"008999"))
    assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")]) == [b"000000", b"008999"]


async def test_a_transaction_beyond_memory_is_refused(kv: Grouping) -> None:
    value = bytes(100_000)

    def greedy(txn: WriteTxn) -> None:
        for number in range(MAX_PENDING_OCTETS // len(value) + 1):
            txn.put(b"%06d" % number, value)  # one object a thousand times: only the count is large

    with pytest.raises(StoreError, match="256 MiB"):
        await kv.write(greedy)
    assert await kv.write(_count) == 1
    assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")]) == [b"n"]
