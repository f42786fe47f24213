"""Blobs in the key-value store: the contract on both backends, and what is its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from store.blob.chunks import (
    BlobSettings,
    chunk_key,
    discard,
    keep,
    list_ids,
    meta_key,
    read_range,
    shape_of,
)
from store.blob.contract import BlobId, BlobMissing, Staged, Wanted
from store.blob.view import Blobs
from store.kv.contract import KeyValueStore, ReadTxn, StoreError, StoreUnavailable, WriteTxn
from store.kv.memory import MemoryKeyValueStore
from store.kv.postgres import PostgresKeyValueStore
from store.kv.rocksdb import RocksKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from tests.contracts.blob import CHUNK, BlobContract, Link, mail_like, noise
from tests.support.faulty_kv import FaultyKeyValueStore

T = TypeVar("T")


@pytest.fixture(params=["memory", "sqlite", "rocksdb", "postgres"])
async def kv(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyValueStore]:
    store: KeyValueStore = MemoryKeyValueStore()
    if request.param == "sqlite":
        store = await SqliteKeyValueStore.open(tmp_path / "store.db")
    elif request.param == "rocksdb":
        store = await RocksKeyValueStore.open(tmp_path / "store.rocks")
    elif request.param == "postgres":
        store = await PostgresKeyValueStore.open(request.getfixturevalue("postgres_url"))
    yield store
    await store.close()


@pytest.fixture
def blobs(kv: KeyValueStore) -> Blobs:
    return Blobs(kv)


@pytest.fixture
def link(kv: KeyValueStore) -> Link:
    async def linked(staged: Staged) -> None:
        await kv.write(lambda txn: keep(txn, staged))

    return linked


async def written(kv: KeyValueStore, octets: bytes) -> BlobId:
    staged = await Blobs(kv).stage(octets)
    await kv.write(lambda txn: keep(txn, staged))
    return staged.id


class CountingView:
    """A view that counts the rows it gave out."""

    def __init__(self, txn: ReadTxn) -> None:
        self._txn = txn
        self.rows = 0
        self.octets = 0

    def get(self, key: bytes) -> bytes | None:
        return self._txn.get(key)

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None):  # type: ignore[no-untyped-def]
        for row in self._txn.scan(start, end, reverse=reverse, limit=limit):
            self.rows += 1
            self.octets += len(row[1])
            yield row


class TestContract(BlobContract):
    pass


async def test_a_range_read_touches_only_its_chunks(kv: KeyValueStore) -> None:
    blob = await written(kv, noise(10 * CHUNK))

    def body(txn: ReadTxn) -> int:
        view = CountingView(txn)
        read_range(view, blob, 3 * CHUNK + 5, 5 * CHUNK)
        return view.rows

    assert await kv.read(body) == 2


async def test_compressible_octets_take_less_room_and_noise_hardly_more(kv: KeyValueStore) -> None:
    def room(txn: ReadTxn) -> int:
        return sum(len(key) + len(value) for key, value in txn.scan(b"b", b"c"))

    await written(kv, mail_like(4 * CHUNK))
    packed = await kv.read(room)
    assert packed < CHUNK // 10
    await written(kv, noise(4 * CHUNK))
    assert await kv.read(room) - packed < 4 * CHUNK + 400


async def test_keys_are_as_drawn(kv: KeyValueStore) -> None:
    blob = await written(kv, noise(CHUNK + 1))
    keys = await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")])
    assert keys == [b"b" + blob + b"\x00", b"b" + blob + b"\x01\x00\x00\x00\x00", b"b" + blob + b"\x01\x00\x00\x00\x01"]
    assert keys == [meta_key(blob), chunk_key(blob, 0), chunk_key(blob, 1)]


async def test_a_small_blob_rides_up_to_the_setting_and_spans_chunks(kv: KeyValueStore) -> None:
    blobs = Blobs(kv, BlobSettings(small_octets=3 * CHUNK))
    staged = await blobs.stage(noise(2 * CHUNK + 1))
    assert len(staged.frames) == 3
    assert await kv.read(lambda txn: list(list_ids(txn))) == []
    await kv.write(lambda txn: keep(txn, staged))
    assert await blobs.read(staged.id) == noise(2 * CHUNK + 1)


async def test_nothing_rides_when_the_setting_is_zero(kv: KeyValueStore) -> None:
    staged = await Blobs(kv, BlobSettings(small_octets=0)).stage(b"tiny")
    assert staged.frames == ()
    assert await Blobs(kv).read(staged.id) == b"tiny"


async def test_an_aborted_link_leaves_no_small_blob(kv: KeyValueStore) -> None:
    staged = await Blobs(kv).stage(b"small")

    def body(txn: WriteTxn) -> None:
        keep(txn, staged)
        assert read_range(txn, staged.id) == b"small"
        raise LookupError

    with pytest.raises(LookupError):
        await kv.write(body)
    assert await kv.read(lambda txn: list(txn.scan(b"", b"\xff"))) == []


async def test_linking_a_large_blob_that_was_collected_meanwhile_is_refused(kv: KeyValueStore) -> None:
    staged = await Blobs(kv).stage(noise(2 * CHUNK))
    await kv.write(lambda txn: discard(txn, staged.id))
    with pytest.raises(BlobMissing):
        await kv.write(lambda txn: keep(txn, staged))


async def test_every_blob_is_listed_once_in_order(kv: KeyValueStore) -> None:
    made = {await written(kv, noise(size)) for size in (0, 1, 2, 3, 3 * CHUNK)}
    await kv.write(lambda txn: [txn.put(b"a", b"other"), txn.put(b"c", b"other")])
    assert await kv.read(lambda txn: list(list_ids(txn))) == sorted(made)


async def test_discard_takes_every_row_of_one_blob_only(kv: KeyValueStore) -> None:
    doomed, spared = await written(kv, noise(3 * CHUNK)), await written(kv, noise(2 * CHUNK))
    await kv.write(lambda txn: discard(txn, doomed))
    assert await kv.read(lambda txn: list(list_ids(txn))) == [spared]
    assert await Blobs(kv).fault_of(spared) is None


async def test_discarding_what_is_no_address_is_refused(kv: KeyValueStore) -> None:
    blob = await written(kv, b"spared")
    with pytest.raises(ValueError, match="address"):
        await kv.write(lambda txn: discard(txn, BlobId(b"")))
    assert await Blobs(kv).fault_of(blob) is None


def _flip(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


@pytest.mark.parametrize("make", [mail_like, noise])
@pytest.mark.parametrize("at", [0, 3, -2], ids=["way", "head", "tail"])
async def test_a_damaged_chunk_is_an_error_that_names_it(
    kv: KeyValueStore, make: Callable[[int], bytes], at: int
) -> None:
    blob = await written(kv, make(3 * CHUNK))
    key = chunk_key(blob, 1)

    def damage(txn: WriteTxn) -> None:
        value = txn.get(key) or b""
        txn.put(key, _flip(value, at % len(value)))

    await kv.write(damage)
    with pytest.raises(StoreError, match="chunk 1"):
        await Blobs(kv).read(blob)
    assert await Blobs(kv).read(blob, 0, CHUNK) == make(3 * CHUNK)[:CHUNK]
    assert "chunk 1" in (await Blobs(kv).fault_of(blob) or "")


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_a_missing_chunk_is_an_error_that_names_it(kv: KeyValueStore, index: int) -> None:
    blob = await written(kv, noise(3 * CHUNK))
    await kv.write(lambda txn: txn.delete(chunk_key(blob, index)))
    with pytest.raises(StoreError, match=f"chunk {index} of 3 is missing"):
        await Blobs(kv).read(blob)


async def test_a_meta_row_of_an_unknown_version_is_an_error(kv: KeyValueStore) -> None:
    blob = await written(kv, b"octets")
    await kv.write(lambda txn: txn.put(meta_key(blob), b"\x07" + bytes(16)))
    with pytest.raises(StoreError, match="version 7"):
        await Blobs(kv).read(blob)


async def test_chunks_swapped_between_blobs_have_the_wrong_address(kv: KeyValueStore) -> None:
    one, other = await written(kv, noise(CHUNK)), await written(kv, noise(CHUNK)[::-1])

    def swap(txn: WriteTxn) -> None:
        txn.put(chunk_key(one, 0), txn.get(chunk_key(other, 0)) or b"")

    await kv.write(swap)
    assert await Blobs(kv).fault_of(one) == "its octets do not have its address"


@pytest.mark.parametrize("after_commit", [False, True], ids=["before commit", "after commit"])
@pytest.mark.parametrize("fail_at", range(5))
async def test_a_crash_at_any_write_of_a_large_blob_leaves_it_whole_or_absent(fail_at: int, after_commit: bool) -> None:
    inner = MemoryKeyValueStore()
    faulty = FaultyKeyValueStore(inner, fail_at, after_commit=after_commit)
    octets = noise(40 * CHUNK)  # a mark, three batches, a meta row
    with pytest.raises(StoreUnavailable):
        await Blobs(faulty).stage(octets)
    assert faulty.has_failed
    half = await inner.read(lambda txn: [shape_of(txn, blob) for blob in list_ids(txn)])
    assert half in ([], [None]) or (fail_at == 4 and after_commit)
    staged = await Blobs(inner).stage(octets)
    assert await Blobs(inner).fault_of(staged.id) is None


class Interrupting:
    """A key-value store that runs something of its own before the n-th write."""

    def __init__(self, inner: KeyValueStore, at: set[int], act: Callable[[WriteTxn], None]) -> None:
        self._inner, self._at, self._act = inner, at, act
        self._writes = 0

    async def read(self, body: Callable[[ReadTxn], T]) -> T:
        return await self._inner.read(body)

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        if self._writes in self._at:
            await self._inner.write(self._act)
        self._writes += 1
        return await self._inner.write(body)

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_blob_collected_while_it_is_written_is_written_again(at: int) -> None:
    inner = MemoryKeyValueStore()
    octets = noise(40 * CHUNK)
    blob = await written(MemoryKeyValueStore(), octets)
    staged = await Blobs(Interrupting(inner, {at}, lambda txn: discard(txn, blob))).stage(octets)
    assert await Blobs(inner).fault_of(staged.id) is None


async def test_a_blob_collected_again_and_again_gives_up_and_leaves_no_false_meta_row() -> None:
    inner = MemoryKeyValueStore()
    octets = noise(40 * CHUNK)
    blob = await written(MemoryKeyValueStore(), octets)
    with pytest.raises(StoreUnavailable):
        await Blobs(Interrupting(inner, set(range(1, 99)), lambda txn: discard(txn, blob))).stage(octets)
    assert await inner.read(lambda txn: shape_of(txn, blob)) is None


async def test_two_writers_of_one_large_blob_and_a_collector_between_them_leave_it_whole(kv: KeyValueStore) -> None:
    octets = noise(40 * CHUNK)
    blob = await written(MemoryKeyValueStore(), octets)

    def collect(txn: WriteTxn) -> None:
        if shape_of(txn, blob) is None:
            discard(txn, blob)

    staged = await asyncio.gather(
        Blobs(kv).stage(octets),
        Blobs(Interrupting(kv, {2}, collect)).stage(octets),
        Blobs(Interrupting(kv, {4}, collect)).stage(octets),
    )
    assert {one.id for one in staged} == {blob}
    assert await Blobs(kv).fault_of(blob) is None


async def test_a_long_read_takes_several_short_transactions() -> None:
    class Counting(MemoryKeyValueStore):
        reads = 0

        async def read(self, body: Callable[[ReadTxn], T]) -> T:
            self.reads += 1
            return await super().read(body)

    kv = Counting()
    octets = mail_like(130 * CHUNK + 5)
    blob = await written(kv, octets)
    kv.reads = 0
    assert await Blobs(kv).read(blob) == octets
    assert await Blobs(kv).read(blob, 3, 100 * CHUNK) == octets[3 : 100 * CHUNK]
    assert await Blobs(kv).read_many([Wanted(blob), Wanted(blob, 5, 9)]) == [octets, octets[5:9]]
    assert kv.reads == 3 + 2 + 4
