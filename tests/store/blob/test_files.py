"""Blobs as files: the contract, a crash after every step, damage, and two writers at once."""

import asyncio
import errno
import hashlib
from pathlib import Path

import pytest

from store.blob.contract import BlobId, BlobMissing
from store.blob.files import Disk, FileBlobs
from store.kv.contract import StoreError, StoreUnavailable
from tests.contracts.blob import CHUNK, BlobContract, Link, mail_like, noise


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


@pytest.fixture
def link(blobs: FileBlobs) -> Link:
    return blobs.keep


class TestContract(BlobContract):
    pass


class Crash(BaseException):
    """The process is gone: nothing catches it, nothing is tidied up."""


class CrashingDisk(Disk):
    """Does ``steps`` steps, and half of a write that is the next."""

    def __init__(self, steps: int | None = None) -> None:
        self.left = steps
        self.log: list[str] = []

    def _step(self, name: str) -> None:
        self.log.append(name)
        if self.left is not None:
            if self.left == 0:
                raise Crash(name)
            self.left -= 1

    def create(self, path: Path) -> int:
        self._step("create")
        return super().create(path)

    def write(self, file: int, octets: bytes) -> None:
        try:
            self._step("write")
        except Crash:
            super().write(file, octets[: len(octets) // 2])
            raise
        super().write(file, octets)

    def sync(self, file: int) -> None:
        self._step("sync")
        super().sync(file)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename")
        super().rename(source, target)

    def make_folder(self, path: Path) -> None:
        self._step("make_folder")
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self._step("sync_folder")
        super().sync_folder(path)

    def unlink(self, path: Path) -> None:
        self._step("unlink")
        super().unlink(path)


OCTETS = noise(3 * CHUNK + 7)
BLOB = BlobId(hashlib.sha256(OCTETS).digest())


def _steps(folder: Path) -> list[str]:
    disk = CrashingDisk()
    asyncio.run(FileBlobs(folder, disk=disk).stage(OCTETS))
    return disk.log


def test_a_blob_is_on_the_disk_before_it_has_its_name_and_its_name_is_before_anyone_is_told(tmp_path: Path) -> None:
    assert _steps(tmp_path / "blobs")[-5:] == ["create", "write", "sync", "rename", "sync_folder"]


async def test_a_crash_after_any_step_leaves_the_whole_blob_or_garbage_that_is_collected(tmp_path: Path) -> None:
    every = await asyncio.to_thread(_steps, tmp_path / "whole")
    assert len(every) > 8
    for steps in range(len(every)):
        folder = tmp_path / f"crashed-{steps}"
        with pytest.raises(Crash):
            FileBlobs(folder, disk=CrashingDisk(steps))._stage(OCTETS)
        after = FileBlobs(folder)
        is_whole = every.index("rename") < steps
        assert await after.list_ids() == ([BLOB] if is_whole else [])
        if is_whole:
            assert await after.read(BLOB) == OCTETS
        else:
            with pytest.raises(BlobMissing):
                await after.read(BLOB)
        is_garbage = every.index("create") < steps <= every.index("rename")
        assert await after.collect(older_than_s=0) == int(is_garbage)
        await after.stage(OCTETS)
        assert await after.read(BLOB) == OCTETS
        assert list((folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_crash_while_removing_leaves_the_blob_whole_or_gone(tmp_path: Path, steps: int) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    await blobs.stage(OCTETS)
    with pytest.raises(Crash):
        FileBlobs(tmp_path / "blobs", disk=CrashingDisk(steps))._remove(BLOB)
    assert await blobs.list_ids() == ([BLOB] if steps == 0 else [])
    assert await blobs.fault_of(BLOB) == (None if steps == 0 else "not there as a whole")


class FullDisk(Disk):
    def write(self, file: int, octets: bytes) -> None:
        super().write(file, octets[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs", disk=FullDisk())
    with pytest.raises(StoreUnavailable, match="ENOSPC"):
        await blobs.stage(OCTETS)
    assert await blobs.list_ids() == []
    assert list((tmp_path / "blobs" / "tmp").iterdir()) == []


async def test_young_half_written_files_are_left_to_their_writers(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    with pytest.raises(Crash):
        FileBlobs(tmp_path / "blobs", disk=CrashingDisk(_at("rename", tmp_path)))._stage(OCTETS)
    assert await blobs.collect() == 0
    assert len(list((tmp_path / "blobs" / "tmp").iterdir())) == 1


def _at(step: str, folder: Path) -> int:
    disk = CrashingDisk()
    FileBlobs(folder / "tried", disk=disk)._stage(OCTETS)
    return disk.log.index(step)


async def test_many_writers_of_the_same_octets_make_one_file(blobs: FileBlobs, tmp_path: Path) -> None:
    await asyncio.gather(*(blobs.stage(OCTETS) for _ in range(12)))
    assert await blobs.list_ids() == [BLOB]
    assert len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]) == 1


async def test_octets_that_are_there_are_not_written_again_but_their_name_is_made_to_last(
    blobs: FileBlobs, tmp_path: Path
) -> None:
    await blobs.stage(OCTETS)
    disk = CrashingDisk()
    await FileBlobs(tmp_path / "blobs", disk=disk).stage(OCTETS)
    assert disk.log == ["sync_folder"]


async def test_the_ids_are_listed_in_order_and_what_is_no_blob_is_not(blobs: FileBlobs, tmp_path: Path) -> None:
    ids = [(await blobs.stage(noise(CHUNK + number))).id for number in range(1, 6)]
    (tmp_path / "blobs" / "notes.txt").write_text("not ours")
    (tmp_path / "blobs" / ids[0].hex()[:2] / ids[0].hex()[2:4] / "copy").write_text("not ours")
    assert await blobs.list_ids() == sorted(ids)


async def test_a_large_blob_that_was_removed_meanwhile_must_be_staged_again(blobs: FileBlobs) -> None:
    staged = await blobs.stage(OCTETS)
    await blobs.remove(staged.id)
    with pytest.raises(BlobMissing):
        await blobs.keep(staged)


@pytest.mark.parametrize("where", [0, 5, 20, 30, 100, -1], ids=["magic", "size", "index", "checksum", "frame", "end"])
async def test_a_changed_octet_is_found(blobs: FileBlobs, tmp_path: Path, where: int) -> None:
    await blobs.stage(OCTETS)
    [path] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    octets = bytearray(path.read_bytes())
    octets[where] ^= 0x10
    path.write_bytes(octets)
    with pytest.raises(StoreError, match="damaged"):
        await blobs.read(BLOB)
    assert await blobs.fault_of(BLOB) is not None


@pytest.mark.parametrize("length", [0, 10, 30, 5000])
async def test_a_file_cut_short_is_damaged(blobs: FileBlobs, tmp_path: Path, length: int) -> None:
    await blobs.stage(OCTETS)
    [path] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StoreError, match="damaged"):
        await blobs.read(BLOB)


async def test_a_range_needs_only_its_own_chunks(blobs: FileBlobs, tmp_path: Path) -> None:
    await blobs.stage(OCTETS)
    [path] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1  # the last chunk is damaged
    path.write_bytes(octets)
    assert await blobs.read(BLOB, 10, CHUNK + 10) == OCTETS[10 : CHUNK + 10]


async def test_an_index_longer_than_the_first_read_is_read_whole(blobs: FileBlobs) -> None:
    octets = mail_like(1100 * CHUNK)
    staged = await blobs.stage(octets)
    assert await blobs.read(staged.id, 1099 * CHUNK, None) == octets[1099 * CHUNK :]
