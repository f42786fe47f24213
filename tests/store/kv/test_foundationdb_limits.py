"""FoundationDB's limits are told with what to do, and nobody else pays for who is over them."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from store.kv.contract import MAX_VALUE_OCTETS, ReadTxn, StoreError, StoreUnavailable, WriteTxn, counter
from store.kv.foundationdb import FoundationKeyValueStore, FoundationSettings
from store.kv.foundationdb_binding import place_of
from store.kv.foundationdb_link import MAX_KEY_OCTETS
from tests.store.kv.gate import Gate
from tests.support.fdb_cluster import Cluster
from tests.support.fdb_double import Double
from tests.support.foundationdb import ManualClock

END = b"\xff" * 8


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def kv(clock: ManualClock) -> AsyncIterator[FoundationKeyValueStore]:
    settings = FoundationSettings(group_time_s=30.0, clock=clock)
    store = await FoundationKeyValueStore.open("foundationdb:?prefix=test", settings, Double(Cluster(clock)))
    yield store
    await store.close()


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


def _counted(txn: ReadTxn) -> int:
    return counter(txn.get(b"n"))


async def _entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.is_entered.wait, 20)


def _slow(clock: ManualClock, seconds: float) -> Callable[[ReadTxn], object]:
    def body(txn: ReadTxn) -> object:
        first = txn.get(b"a")
        clock.pass_s(seconds)
        return first, txn.get(b"b")

    return body


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_body_of_more_than_five_seconds_is_refused_with_what_to_do(
    kv: FoundationKeyValueStore, clock: ManualClock, call: str
) -> None:
    run = kv.read if call == "read" else kv.write
    assert await run(_slow(clock, 4.9)) == (None, None)
    with pytest.raises(StoreUnavailable, match=r"5 seconds: read and write less"):
        await run(_slow(clock, 5.1))
    assert await kv.write(_count) == 1


async def test_a_write_whose_commit_comes_too_late_is_refused_as_well(
    kv: FoundationKeyValueStore, clock: ManualClock
) -> None:
    def body(txn: WriteTxn) -> None:
        txn.add(b"n", 1)
        clock.pass_s(6)

    with pytest.raises(StoreUnavailable, match="5 seconds"):
        await kv.write(body)
    assert await kv.read(_counted) == 0


async def test_a_slow_body_costs_its_neighbours_nothing_but_time(
    kv: FoundationKeyValueStore, clock: ManualClock
) -> None:
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await _entered(gate)
    rest = [asyncio.create_task(kv.write(body)) for body in (_count, _slow(clock, 6), _count)]
    await asyncio.sleep(0)
    gate.open()
    await first
    results = await asyncio.gather(*rest, return_exceptions=True)
    assert [results[0], results[2]] == [1, 2]
    assert isinstance(results[1], StoreUnavailable)


def _bulk(rows: int) -> Callable[[WriteTxn], None]:
    def body(txn: WriteTxn) -> None:
        for number in range(rows):
            txn.put(b"bulk%06d" % number, bytes(MAX_VALUE_OCTETS))

    return body


@pytest.mark.parametrize("rows", [100, 400])
async def test_a_transaction_that_is_too_large_says_what_to_cut_and_its_neighbours_land(
    kv: FoundationKeyValueStore, rows: int
) -> None:
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await _entered(gate)
    rest = [asyncio.create_task(kv.write(body)) for body in (_count, _bulk(rows), _count)]
    await asyncio.sleep(0)
    gate.open()
    await first
    results = await asyncio.gather(*rest, return_exceptions=True)
    assert [results[0], results[2]] == [1, 2]
    assert isinstance(results[1], StoreError)
    assert not isinstance(results[1], StoreUnavailable)
    assert "write fewer rows" in str(results[1])
    assert str(rows) in str(results[1])
    assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", END)]) == [b"n"]


async def test_many_small_keys_are_too_large_as_well(kv: FoundationKeyValueStore) -> None:
    def body(txn: WriteTxn) -> None:
        for number in range(60_000):
            txn.put(b"%040d" % number, b"")

    with pytest.raises(StoreError, match="write fewer rows"):
        await kv.write(body)
    assert await kv.write(_count) == 1


async def test_no_body_joins_a_group_that_is_large_already(kv: FoundationKeyValueStore) -> None:
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await _entered(gate)
    bodies = [lambda txn, n=n: txn.put(b"%03d" % n, bytes(100_000)) for n in range(40)]
    rest = [asyncio.create_task(kv.write(body)) for body in bodies]
    await asyncio.sleep(0)
    gate.open()
    await first
    await asyncio.gather(*rest)
    assert kv.stats.groups == 4
    assert kv.stats.largest <= 11


async def test_the_longest_keys_and_values_fit_and_longer_ones_do_not(kv: FoundationKeyValueStore) -> None:
    """Whatever the prefix: 64 letters are the longest."""
    key = b"k" * MAX_KEY_OCTETS
    await kv.write(lambda txn: txn.put(key, bytes(MAX_VALUE_OCTETS)))
    assert await kv.read(lambda txn: txn.get(key)) == bytes(MAX_VALUE_OCTETS)
    with pytest.raises(ValueError, match=str(MAX_KEY_OCTETS)):
        await kv.write(lambda txn: txn.put(key + b"k", b""))
    assert len(place_of("foundationdb:?prefix=" + "a" * 64).marks) + MAX_KEY_OCTETS + 1 <= 10_000


@pytest.mark.parametrize("octets", [MAX_KEY_OCTETS, MAX_KEY_OCTETS + 1, 20_000])
async def test_bounds_longer_than_any_key_are_bounds_all_the_same(kv: FoundationKeyValueStore, octets: int) -> None:
    longest, bound = b"k" * MAX_KEY_OCTETS, b"k" * octets
    keys = [b"j", longest[:-1], longest, b"kl", b"l"]
    await kv.write(lambda txn: [txn.put(key, b"") for key in keys])
    assert await kv.read(lambda txn: [key for key, _ in txn.scan(bound, END)]) == [k for k in keys if k >= bound]
    assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", bound)]) == [k for k in keys if k < bound]
    assert await kv.read(lambda txn: txn.get(bound)) == (b"" if octets == MAX_KEY_OCTETS else None)
