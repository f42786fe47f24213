"""Changing keys: everything ends under the new one, whatever happens on the way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.blob.chunks import keep, shape_of
from store.blob.contract import BlobId
from store.blob.folder import FolderObjects
from store.blob.opening import KEYS, noted_keys, open_blobs
from store.blob.sealing import IN_CLEAR, KeyMissing, Keyring
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.contract import KeyValueStore, StoreError, StoreUnavailable
from store.kv.memory import MemoryKeyValueStore
from store.upkeep.rekey import Rekeyed, count_stale, rekey
from tests.contracts.blob import CHUNK, mail_like, noise
from tests.support.faulty_kv import FaultyKeyValueStore

OLD, NEW = bytes(range(32)), bytes(range(7, 39))
MAILS = [b"", b"small", mail_like(CHUNK), noise(3 * CHUNK + 1), noise(40 * CHUNK)]


class House:
    """A key-value store and perhaps a folder, opened with one keyring after the other."""

    def __init__(self, folder: Path | None) -> None:
        self.kv = MemoryKeyValueStore()
        self.objects = FolderObjects(folder) if folder else None

    def store(self, *keys: bytes, kv: KeyValueStore | None = None) -> Store:
        blobs = Blobs(kv or self.kv, objects=self.objects, keyring=Keyring(keys))
        return Store(kv or self.kv, blobs, Announcer())

    async def fill(self, *keys: bytes) -> list[BlobId]:
        store = self.store(*keys)
        found: list[BlobId] = []
        for octets in MAILS:
            staged = await store.blobs.stage(octets)
            found.append(await store.write(lambda txn, staged=staged: txn.keep(staged)))  # type: ignore[misc]
        return found

    async def all_read(self, ids: list[BlobId], *keys: bytes) -> None:
        blobs = self.store(*keys).blobs
        assert [await blobs.read(blob) for blob in ids] == MAILS
        assert [await blobs.fault_of(blob) for blob in ids] == [None] * len(ids)


@pytest.fixture(params=["here", "files"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    return House(tmp_path / "blobs" if request.param == "files" else None)


async def done(steps: AsyncIterator[Rekeyed]) -> Rekeyed:
    far = Rekeyed()
    async for step in steps:
        far = step
    return far


@pytest.mark.parametrize("before", [(), (OLD,)], ids=["from clear", "from another key"])
async def test_everything_is_under_the_new_key_and_needs_no_other(house: House, before: tuple[bytes, ...]) -> None:
    ids = await house.fill(*before)
    store = house.store(NEW, *before)
    assert await count_stale(store) == len(MAILS)
    far = await done(rekey(store))
    assert (far.rewritten, far.faults, far.is_done) == (len(MAILS), [], True)
    assert await count_stale(store) == 0
    await house.all_read(ids, NEW)
    assert await house.kv.read(noted_keys) == Keyring([NEW]).ids


async def test_doing_it_again_does_nothing(house: House) -> None:
    await house.fill(OLD)
    store = house.store(NEW, OLD)
    await done(rekey(store))
    assert (await done(rekey(store))).rewritten == 0


async def test_without_a_key_it_is_refused() -> None:
    with pytest.raises(StoreError, match="mailward store key"):
        await done(rekey(House(None).store()))


@pytest.mark.parametrize("fail_at", range(9))
async def test_stopped_at_any_write_everything_stays_readable_and_it_can_go_on(house: House, fail_at: int) -> None:
    ids = await house.fill(OLD)
    broken = house.store(NEW, OLD, kv=FaultyKeyValueStore(house.kv, fail_at))
    with pytest.raises(StoreUnavailable):
        while True:
            await done(rekey(broken))
            await broken.kv.write(lambda txn: None)  # in the end one fails
    await house.all_read(ids, NEW, OLD)
    assert (await done(rekey(house.store(NEW, OLD)))).is_done
    await house.all_read(ids, NEW)


async def test_old_objects_are_gone(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.fill(OLD)
    before = {path.name for path in tmp_path.rglob("*.*")}
    await done(rekey(house.store(NEW, OLD)))
    after = {path.name for path in tmp_path.rglob("*.*")}
    assert len(after) == len(before) == 2
    assert not after & before


async def test_a_reader_of_a_blob_that_is_rewritten_meanwhile_reads_on(tmp_path: Path) -> None:
    house = House(tmp_path)
    ids = await house.fill(OLD)
    reading = house.store(NEW, OLD).blobs.open(ids[-1])
    pieces = [await anext(reading)]
    await done(rekey(house.store(NEW, OLD)))
    pieces += [piece async for piece in reading]
    assert b"".join(pieces) == MAILS[-1]


async def test_a_damaged_blob_is_named_and_its_key_is_still_needed(house: House) -> None:
    ids = await house.fill(OLD)
    for keyring in (Keyring([OLD]), Keyring([NEW, OLD])):  # the server before, and after the change
        await open_blobs(house.kv, keyring=keyring)
    key = b"b" + ids[1] + b"\x01" + bytes(4)
    await house.kv.write(lambda txn: txn.put(key, (txn.get(key) or b"")[:-1] + b"?"))
    far = await done(rekey(house.store(NEW, OLD)))
    assert not far.is_done
    assert far.rewritten == len(MAILS) - 1
    assert [ids[1].hex() in fault for fault in far.faults] == [True]
    assert len(await house.kv.read(noted_keys)) == 2


async def test_what_is_removed_meanwhile_is_passed_by(house: House) -> None:
    ids = await house.fill(OLD)
    store = house.store(NEW, OLD)
    steps = rekey(store)
    for blob in ids[3:]:
        await house.store(OLD).blobs.remove(blob)
    assert (await done(steps)).is_done
    assert await house.kv.read(lambda view: [shape_of(view, blob) for blob in ids[3:]]) == [None, None]


async def test_a_store_does_not_open_without_a_key_that_its_mail_needs(house: House) -> None:
    await open_blobs(house.kv, keyring=Keyring([OLD]))
    for keyring in (IN_CLEAR, Keyring([NEW])):
        with pytest.raises(KeyMissing, match=Keyring([OLD]).current.hex()):
            await open_blobs(house.kv, keyring=keyring)
    await open_blobs(house.kv, keyring=Keyring([NEW, OLD]))
    ids = await house.fill(OLD)
    await done(rekey(house.store(NEW, OLD)))
    await open_blobs(house.kv, keyring=Keyring([NEW]))
    await house.all_read(ids, NEW)
    assert await house.kv.read(lambda view: view.get(KEYS)) == Keyring([NEW]).current


async def test_the_same_mail_under_two_keys_is_one_blob(house: House) -> None:
    ids = await house.fill(OLD)
    assert await house.fill(NEW, OLD) == ids
    staged = await house.store(NEW, OLD).blobs.stage(MAILS[3])
    await house.kv.write(lambda txn: keep(txn, staged))
    await house.all_read(ids, NEW, OLD)
