"""How SQLite runs transactions: in groups, beside readers, behind locks, on a full disk."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from store.kv.contract import ReadTxn, StoreUnavailable, WriteTxn, counter
from store.kv.sqlite import SqliteKeyValueStore, SqliteSettings
from tests.store.kv.gate import Gate, Opener


async def _behind_a_gate(kv: SqliteKeyValueStore, bodies: list[Callable[[WriteTxn], object]]) -> list[object]:
    """Run the bodies after all of them have queued up behind one that waits."""
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    rest = [asyncio.create_task(kv.write(body)) for body in bodies]
    await asyncio.sleep(0)
    gate.open()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


async def test_queued_writes_share_one_commit(opened: Opener, path: Path) -> None:
    kv = await opened(SqliteSettings(group_time_s=30))
    results = await _behind_a_gate(kv, [_count] * 30)
    assert results == list(range(1, 31))
    assert (kv.stats.groups, kv.stats.bodies, kv.stats.largest) == (1, 31, 31)


async def test_a_group_is_bounded_by_number(opened: Opener) -> None:
    kv = await opened(SqliteSettings(group_time_s=30, group_bodies=10))
    await _behind_a_gate(kv, [_count] * 34)
    assert (kv.stats.groups, kv.stats.largest) == (4, 10)


async def test_a_group_is_bounded_by_time(opened: Opener) -> None:
    kv = await opened(SqliteSettings(group_time_s=0))
    await _behind_a_gate(kv, [_count] * 5)
    assert (kv.stats.groups, kv.stats.largest) == (6, 1)


async def test_no_caller_is_answered_before_the_commit(opened: Opener) -> None:
    kv = await opened(SqliteSettings(group_time_s=30))
    first, last = Gate(), Gate()
    opening = asyncio.create_task(kv.write(first.body))
    await asyncio.to_thread(first.is_entered.wait, 20)
    counting, closing = asyncio.create_task(kv.write(_count)), asyncio.create_task(kv.write(last.body))
    await asyncio.sleep(0)
    first.open()
    await asyncio.to_thread(last.is_entered.wait, 20)  # the count has run, in a group that is still open
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 0
    assert not opening.done()
    assert not counting.done()
    last.open()
    assert await counting == 1
    await asyncio.gather(opening, closing)


async def test_a_raising_body_undoes_only_itself(opened: Opener) -> None:
    kv = await opened(SqliteSettings(group_time_s=30))

    def raising(txn: WriteTxn) -> None:
        txn.add(b"n", 100)
        txn.put(b"bad", b"row")
        txn.delete_range(b"", b"\xff")
        raise KeyError("mine")

    bodies: list[Callable[[WriteTxn], object]] = [_count, raising, _count, raising, _count]
    results = await _behind_a_gate(kv, bodies)
    assert kv.stats.groups == 1
    assert [results[0], results[2], results[4]] == [1, 2, 3]
    assert [type(results[1]), type(results[3])] == [KeyError, KeyError]
    assert await kv.read(lambda txn: dict(txn.scan(b"", b"\xff"))) == {b"n": (3).to_bytes(8, "big")}


async def test_a_caller_cancelled_while_queued_is_skipped_and_its_neighbours_land(opened: Opener) -> None:
    kv = await opened(SqliteSettings(group_time_s=30))
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
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


async def test_a_caller_cancelled_while_its_body_runs_breaks_nothing(opened: Opener) -> None:
    kv = await opened()
    gate = Gate()

    def body(txn: WriteTxn) -> None:
        txn.put(b"k", b"landed")
        gate.body(txn)

    task = asyncio.create_task(kv.write(body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()
    assert await kv.write(lambda txn: txn.get(b"k")) == b"landed"


async def test_readers_do_not_wait_for_a_writer_and_see_the_state_before_it(opened: Opener) -> None:
    kv = await opened()
    await kv.write(lambda txn: txn.put(b"k", b"old"))
    gate = Gate()

    def body(txn: WriteTxn) -> None:
        txn.put(b"k", b"new")
        gate.body(txn)

    writing = asyncio.create_task(kv.write(body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    assert await asyncio.wait_for(kv.read(lambda txn: txn.get(b"k")), 10) == b"old"
    gate.open()
    await writing
    assert await kv.read(lambda txn: txn.get(b"k")) == b"new"


async def test_a_read_is_one_snapshot_while_others_write(opened: Opener) -> None:
    kv = await opened()
    await kv.write(lambda txn: [txn.put(b"%03d" % n, b"old") for n in range(100)])
    gate = Gate()

    def body(txn: ReadTxn) -> set[bytes]:
        rows = txn.scan(b"", b"\xff")
        values = {next(rows)[1]}
        gate.body(txn)
        return values | {value for _, value in rows}

    reading = asyncio.create_task(kv.read(body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    await kv.write(lambda txn: [txn.put(b"%03d" % n, b"new") for n in range(100)])
    gate.open()
    assert await reading == {b"old"}


async def test_a_slow_reader_leaves_the_other_readers_free(opened: Opener) -> None:
    kv = await opened(SqliteSettings(readers=2))
    gate = Gate()
    slow = asyncio.create_task(kv.read(gate.body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    assert await asyncio.wait_for(kv.read(lambda txn: txn.get(b"k")), 10) is None
    gate.open()
    await slow


async def test_a_locked_file_is_unavailable_after_the_deadline_and_works_again(opened: Opener, path: Path) -> None:
    kv = await opened(SqliteSettings(busy_timeout_s=0.3))
    await kv.write(_count)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE").fetchall()
    started = time.monotonic()
    results = await asyncio.gather(*(kv.write(_count) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert 0.29 <= time.monotonic() - started < 3
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 1
    other.execute("ROLLBACK").fetchall()
    other.close()
    assert await kv.write(_count) == 2


async def test_a_lock_given_back_in_time_is_waited_for(opened: Opener, path: Path) -> None:
    kv = await opened(SqliteSettings(busy_timeout_s=20))
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE").fetchall()
    waiting = asyncio.create_task(kv.write(_count))
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 0
    other.execute("COMMIT").fetchall()
    other.close()
    assert await waiting == 1


async def test_a_full_disk_is_unavailable_writes_nothing_and_heals(opened: Opener) -> None:
    kv = await opened(SqliteSettings(max_octets=400 * 4096))
    await kv.write(lambda txn: [txn.put(b"old%d" % n, bytes(50_000)) for n in range(10)])
    before = await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")])
    with pytest.raises(StoreUnavailable, match="Full"):
        await kv.write(lambda txn: [txn.put(b"new%d" % n, bytes(100_000)) for n in range(40)])
    assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")]) == before
    await kv.write(lambda txn: txn.delete_range(b"old", b"ole"))
    await kv.write(lambda txn: [txn.put(b"new%d" % n, bytes(50_000)) for n in range(10)])
    assert await kv.integrity() == []


async def test_a_body_that_fills_the_disk_does_not_take_its_group_with_it(opened: Opener) -> None:
    kv = await opened(SqliteSettings(max_octets=200 * 4096, group_time_s=30))

    def greedy(txn: WriteTxn) -> None:
        for number in range(40):
            txn.put(b"big%d" % number, bytes(100_000))

    results = await _behind_a_gate(kv, [_count, greedy, _count])
    assert [results[0], results[2]] == [1, 2]
    assert isinstance(results[1], StoreUnavailable)
    assert kv.stats.lost == 2  # the group, and the greedy one alone
    assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")]) == [b"n"]


async def test_a_body_that_swallows_the_failure_is_lost_all_the_same(opened: Opener) -> None:
    kv = await opened(SqliteSettings(max_octets=100 * 4096))

    def stubborn(txn: WriteTxn) -> str:
        try:
            for number in range(40):
                txn.put(b"big%d" % number, bytes(100_000))
        except StoreUnavailable:
            pass
        return "all is well"

    with pytest.raises(StoreUnavailable):
        await kv.write(stubborn)
    assert await kv.read(lambda txn: list(txn.scan(b"", b"\xff"))) == []


async def test_too_many_waiting_transactions_are_refused(opened: Opener) -> None:
    kv = await opened(SqliteSettings(queued=3, group_time_s=30))
    results = await _behind_a_gate(kv, [_count] * 5)
    assert [type(result) for result in results] == [int, int, int, StoreUnavailable, StoreUnavailable]


async def test_close_serves_what_is_queued(opened: Opener, path: Path) -> None:
    kv = await opened(SqliteSettings(group_time_s=30))
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    rest = [asyncio.create_task(kv.write(_count)) for _ in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(kv.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="closed"):
        await kv.write(_count)
    gate.open()
    await closing
    await first
    assert await asyncio.gather(*rest) == [1, 2, 3, 4, 5]
    again = await opened()
    assert await again.read(lambda txn: counter(txn.get(b"n"))) == 5


@pytest.mark.parametrize("rows", [0, 1, 3, 31, 32, 33, 600, 1500])
async def test_any_number_of_puts_lands_or_is_undone(opened: Opener, rows: int) -> None:
    kv = await opened()
    expected = {b"%05d" % number: b"%d" % number for number in range(rows)}

    def body(txn: WriteTxn) -> None:
        for key, value in reversed(expected.items()):
            txn.put(key, value)

    def raising(txn: WriteTxn) -> None:
        body(txn)
        txn.delete_range(b"", b"00700")
        txn.put(b"00001", b"changed")
        raise KeyError

    await kv.write(body)
    with pytest.raises(KeyError):
        await kv.write(raising)
    assert await kv.read(lambda txn: dict(txn.scan(b"", b"\xff"))) == expected
