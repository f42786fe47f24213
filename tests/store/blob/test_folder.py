"""Objects as files: a crash after every step, a full disk, and what is listed and tidied."""

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.blob.folder import Disk, FolderObjects
from store.blob.objects import ObjectMissing
from store.kv.contract import StoreUnavailable
from tests.contracts.blob import CHUNK, noise

OCTETS = noise(3 * CHUNK + 7)
NAME = f"ab/cd/{'abcd' + 60 * '0'}.{32 * '1'}"


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


async def pieces() -> AsyncIterator[bytes]:
    yield OCTETS[: 2 * CHUNK]
    yield OCTETS[2 * CHUNK :]


async def put(folder: Path, disk: Disk | None = None) -> None:
    await FolderObjects(folder, disk).put(NAME, len(OCTETS), pieces())


async def names(objects: FolderObjects) -> list[str]:
    return [each.name async for page in objects.list("ab") for each in page]


async def steps_of(folder: Path) -> list[str]:
    disk = CrashingDisk()
    await put(folder, disk)
    return disk.log


async def test_an_object_is_on_the_disk_before_it_has_its_name_and_its_name_before_anyone_is_told(
    tmp_path: Path,
) -> None:
    steps = await steps_of(tmp_path / "blobs")
    assert steps[-6:] == ["create", "write", "write", "sync", "rename", "sync_folder"]


async def test_a_crash_after_any_step_leaves_the_whole_object_or_garbage_that_is_tidied(tmp_path: Path) -> None:
    every = await steps_of(tmp_path / "whole")
    assert len(every) > 8
    for steps in range(len(every)):
        folder = tmp_path / f"crashed-{steps}"
        with pytest.raises(Crash):
            await put(folder, CrashingDisk(steps))
        after = FolderObjects(folder)
        is_whole = every.index("rename") < steps
        assert await names(after) == ([NAME] if is_whole else [])
        if is_whole:
            assert await after.get(NAME, 0, 10**9) == OCTETS
        else:
            with pytest.raises(ObjectMissing):
                await after.get(NAME, 0, 1)
        is_garbage = every.index("create") < steps <= every.index("rename")
        assert await after.tidy(3600) == 0  # it may still be written
        assert await after.tidy(0) == int(is_garbage)
        await put(folder)
        assert await after.get(NAME, 0, 10**9) == OCTETS
        assert list((folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_crash_while_deleting_leaves_the_object_whole_or_gone(tmp_path: Path, steps: int) -> None:
    await put(tmp_path)
    with pytest.raises(Crash):
        await FolderObjects(tmp_path, CrashingDisk(steps)).delete(NAME)
    assert await names(FolderObjects(tmp_path)) == ([NAME] if steps == 0 else [])


class FullDisk(Disk):
    def write(self, file: int, octets: bytes) -> None:
        super().write(file, octets[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="ENOSPC"):
        await put(tmp_path, FullDisk())
    assert await names(FolderObjects(tmp_path)) == []
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_writer_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"a first piece"
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(FolderObjects(tmp_path).put(NAME, 10**6, endless()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_range_is_read_and_ends_where_the_object_ends(tmp_path: Path) -> None:
    await put(tmp_path)
    objects = FolderObjects(tmp_path)
    assert await objects.get(NAME, 5, 10) == OCTETS[5:10]
    assert await objects.get(NAME, CHUNK, 10**9) == OCTETS[CHUNK:]
    assert await objects.get(NAME, 10**9, 10**9 + 1) == b""
