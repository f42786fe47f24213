"""The contract wherever blobs may be, in clear and encrypted; and what only blobs elsewhere do."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.blob.chunks import discard, keep, object_name, shape_of
from store.blob.contract import BlobId, BlobMissing, Staged
from store.blob.folder import FolderObjects
from store.blob.sealing import IN_CLEAR, KeyMissing, Keyring
from store.blob.view import ORPHAN_S, STAGED_S, Blobs
from store.kv.contract import KeyValueStore, StoreError, WriteTxn
from store.kv.memory import MemoryKeyValueStore
from store.kv.postgres import PostgresKeyValueStore
from store.kv.rocksdb import RocksKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from tests.contracts.blob import CHUNK, BlobContract, Link, mail_like, noise

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
LARGE = noise(5 * CHUNK + 7)


PLACES = [
    *(f"{kv}, encrypted" for kv in ("memory", "sqlite", "rocksdb", "postgres")),
    "memory and files", "sqlite and files, encrypted", "postgres and files, encrypted",
]  # fmt: skip


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """Where blobs are."""
    return str(request.param)


@pytest.fixture
async def kv(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyValueStore]:
    store: KeyValueStore = MemoryKeyValueStore()
    if "sqlite" in place:
        store = await SqliteKeyValueStore.open(tmp_path / "store.db")
    elif "rocksdb" in place:
        store = await RocksKeyValueStore.open(tmp_path / "store.rocks")
    elif "postgres" in place:
        store = await PostgresKeyValueStore.open(request.getfixturevalue("postgres_url"))
    yield store
    await store.close()


@pytest.fixture
def blobs(place: str, kv: KeyValueStore, tmp_path: Path) -> Blobs:
    objects = FolderObjects(tmp_path / "blobs") if "files" in place else None
    return Blobs(kv, objects=objects, keyring=Keyring([KEY]) if "encrypted" in place else IN_CLEAR)


@pytest.fixture
def link(kv: KeyValueStore) -> Link:
    async def linked(staged: Staged) -> None:
        await kv.write(lambda txn: keep(txn, staged))

    return linked


class TestContract(BlobContract):
    pass


class House:
    """A store whose large blobs are files."""

    def __init__(self, folder: Path, keyring: Keyring = IN_CLEAR) -> None:
        self.kv = MemoryKeyValueStore()
        self.folder = folder
        self.objects = FolderObjects(folder)
        self.blobs = Blobs(self.kv, objects=self.objects, keyring=keyring)

    async def written(self, octets: bytes = LARGE) -> BlobId:
        staged = await self.blobs.stage(octets)
        await self.kv.write(lambda txn: keep(txn, staged))
        return staged.id

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "blobs")


async def test_small_blobs_stay_in_the_key_value_store_and_large_ones_do_not(house: House) -> None:
    small, large = await house.written(noise(CHUNK)), await house.written(noise(CHUNK + 1))
    [file] = house.files()
    shape = await house.kv.read(lambda view: shape_of(view, large))
    assert shape is not None
    assert str(file.relative_to(house.folder)) == object_name(large, shape)
    rows = await house.kv.read(lambda view: [key for key, _ in view.scan(b"b", b"c")])
    assert sorted(rows) == sorted([b"b" + small + b"\x00", b"b" + small + b"\x01" + bytes(4), b"b" + large + b"\x00"])


async def test_the_same_large_octets_are_put_once(house: House) -> None:
    for _ in range(3):
        await house.written()
    assert len(house.files()) == 1


async def test_two_who_put_the_same_at_once_leave_one_copy_that_is_kept_and_one_to_sweep(house: House) -> None:
    first, second = await asyncio.gather(house.blobs.stage(LARGE), house.blobs.stage(LARGE))
    for staged in (first, second):
        await house.kv.write(lambda txn, staged=staged: keep(txn, staged))  # type: ignore[misc]
    assert len(house.files()) == 2
    folder = first.id.hex()[:2]
    assert await house.blobs.sweep(folder) == 0  # young
    now_s = house.files()[0].stat().st_mtime + ORPHAN_S + 1
    assert await house.blobs.sweep(folder, now_s) == 1
    assert await house.blobs.read(first.id) == LARGE


async def test_what_was_staged_and_never_kept_is_swept_after_a_day_and_nothing_else(house: House) -> None:
    kept = await house.written(noise(2 * CHUNK))
    lost = await house.blobs.stage(LARGE)
    (house.folder / lost.id.hex()[:2] / lost.id.hex()[2:4] / "notes.txt").write_text("not ours")
    now_s = house.files()[0].stat().st_mtime + ORPHAN_S + 1
    swept = [await house.blobs.sweep(f"{number:02x}", now_s) for number in range(256)]
    assert sum(swept) == 1
    assert await house.blobs.read(kept) == noise(2 * CHUNK)
    assert len(house.files()) == 2


async def test_what_waited_longer_than_the_sweep_allows_is_not_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = await house.blobs.stage(LARGE)
    monkeypatch.setattr("store.blob.chunks.time.time", lambda: staged.until_s + 1)
    with pytest.raises(BlobMissing):
        await house.kv.write(lambda txn: keep(txn, staged))
    assert STAGED_S < ORPHAN_S / 2


async def test_a_collector_that_removes_an_old_copy_cannot_touch_the_one_just_put(house: House) -> None:
    blob = await house.written()
    name = await house.kv.write(lambda txn: discard(txn, blob))
    assert name is not None
    again = await house.blobs.stage(LARGE)  # between the collector's transaction and its deletion
    await house.blobs.delete_objects([name])
    await house.kv.write(lambda txn: keep(txn, again))
    assert await house.blobs.read(blob) == LARGE


async def test_what_was_there_when_staged_and_was_collected_must_be_staged_again(house: House) -> None:
    blob = await house.written()
    staged = await house.blobs.stage(LARGE)
    await house.blobs.remove(blob)
    with pytest.raises(BlobMissing):
        await house.kv.write(lambda txn: keep(txn, staged))
    assert house.files() == []


async def test_a_range_costs_one_read_of_the_object_once_its_head_is_known(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = await house.written(noise(40 * CHUNK))
    asked: list[int] = []
    real = house.objects.get

    async def counted(name: str, start: int, end: int) -> bytes:
        asked.append(end - start)
        return await real(name, start, end)

    monkeypatch.setattr(house.objects, "get", counted)
    await house.blobs.read(blob, 0, 10)
    await house.blobs.read(blob, 30 * CHUNK, 30 * CHUNK + 10)
    assert len(asked) == 2
    assert all(octets < 2 * CHUNK for octets in asked)


async def test_an_object_that_is_gone_although_its_row_stands_is_damage_not_absence(house: House) -> None:
    blob = await house.written()
    house.files()[0].unlink()
    with pytest.raises(StoreError, match="is not there"):
        await house.blobs.read(blob)
    assert "is not there" in (await house.blobs.fault_of(blob) or "")


@pytest.mark.parametrize("where", [0, 5, 20, 50, 70, 100, -1])
async def test_a_changed_octet_is_found_and_named(house: House, where: int) -> None:
    blob = await house.written()
    octets = bytearray(house.files()[0].read_bytes())
    octets[where] ^= 0x10
    house.files()[0].write_bytes(octets)
    with pytest.raises(StoreError, match="damaged"):
        await house.blobs.read(blob)
    assert "damaged" in (await house.blobs.fault_of(blob) or "")


@pytest.mark.parametrize("length", [0, 10, 60, 5000, 300_000])
async def test_an_object_cut_short_is_damaged(house: House, length: int) -> None:
    blob = await house.written()
    os.truncate(house.files()[0], length)
    with pytest.raises(StoreError, match="damaged"):
        await house.blobs.read(blob)


async def test_an_object_that_holds_another_blob_is_refused(house: House) -> None:
    one, other = await house.written(), await house.written(mail_like(5 * CHUNK + 7))
    by_name = {path.name[:64]: path for path in house.files()}
    by_name[one.hex()].write_bytes(by_name[other.hex()].read_bytes())
    with pytest.raises(StoreError, match="another blob"):
        await house.blobs.read(one)


async def test_damage_in_one_chunk_leaves_the_others_readable(house: House) -> None:
    blob = await house.written()
    octets = bytearray(house.files()[0].read_bytes())
    octets[-1] ^= 1
    house.files()[0].write_bytes(octets)
    assert await house.blobs.read(blob, 10, CHUNK + 10) == LARGE[10 : CHUNK + 10]


async def test_without_its_place_a_blob_elsewhere_says_what_to_set(house: House) -> None:
    blob = await house.written()
    with pytest.raises(StoreError, match=r"store\.blobs"):
        await Blobs(house.kv).read(blob)


async def test_a_blob_in_clear_stays_readable_when_encryption_is_switched_on(house: House) -> None:
    small, large = await house.written(b"small"), await house.written()
    house.blobs = Blobs(house.kv, objects=house.objects, keyring=Keyring([KEY]))
    assert await house.blobs.read(small) == b"small"
    assert await house.blobs.read(large) == LARGE


@pytest.mark.parametrize("is_file", [False, True], ids=["here", "files"])
@pytest.mark.parametrize("size", [100, 3 * CHUNK])
async def test_nothing_readable_is_kept_under_a_key_and_another_key_reads_nothing(
    tmp_path: Path, size: int, is_file: bool
) -> None:
    house = House(tmp_path / "blobs", Keyring([KEY]))
    if not is_file:
        house.blobs = Blobs(house.kv, keyring=Keyring([KEY]))
    blob = await house.written(b"confidential " * (size // 13) + os.urandom(size))
    kept = b"".join(
        [
            *(path.read_bytes() for path in house.files()),
            *await house.kv.read(lambda v: [x for _, x in v.scan(b"b", b"c")]),
        ]
    )
    assert b"confidential" not in kept
    objects = house.objects if is_file else None
    for keyring in (Keyring([OTHER_KEY]), IN_CLEAR):
        with pytest.raises(KeyMissing, match=r"store\.key_file"):
            await Blobs(house.kv, objects=objects, keyring=keyring).read(blob)
    assert len(await Blobs(house.kv, objects=objects, keyring=Keyring([OTHER_KEY, KEY])).read(blob)) > size


async def test_frames_under_a_key_can_be_neither_swapped_nor_replaced_by_clear_ones(tmp_path: Path) -> None:
    house = House(tmp_path / "blobs")
    house.blobs = Blobs(house.kv, keyring=Keyring([KEY]))
    blob = await house.written(noise(3 * CHUNK))
    first, second = b"b" + blob + b"\x01" + bytes(4), b"b" + blob + b"\x01" + bytes(3) + b"\x01"

    def swap(txn: WriteTxn) -> None:
        one, other = txn.get(first) or b"", txn.get(second) or b""
        txn.put(first, other)
        txn.put(second, one)

    await house.kv.write(swap)
    with pytest.raises(StoreError, match="chunk 0 is damaged"):
        await house.blobs.read(blob)
    await house.kv.write(lambda txn: txn.put(first, b"\x00" + bytes(100)))
    with pytest.raises(StoreError, match="is not encrypted"):
        await house.blobs.read(blob)


async def test_what_streams_in_under_a_key_does_not_wait_in_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[bytes] = []
    house = House(tmp_path / "blobs", Keyring([KEY]))
    monkeypatch.setattr("store.blob.packing._MEMORY_OCTETS", 1)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield os.urandom(CHUNK // 2) + b"confidential" * (CHUNK // 24)
            for number in os.listdir("/proc/self/fd"):
                try:
                    if str(tmp_path) in os.readlink(f"/proc/self/fd/{number}"):
                        waiting.append(Path(f"/proc/self/fd/{number}").read_bytes())
                except FileNotFoundError:
                    pass

    house.blobs = Blobs(house.kv, objects=house.objects, keyring=Keyring([KEY]), spool=tmp_path)
    staged = await house.blobs.stage_stream(pieces(), 10 * CHUNK)
    assert staged.size > CHUNK
    assert any(waiting)
    assert not any(b"confidential" in octets for octets in waiting)
