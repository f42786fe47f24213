"""Large blobs as files: written aside, fsynced, renamed when whole, and the folder fsynced.

``FOLDER/aa/bb/<address>.<generation>``   a whole object
``FOLDER/tmp/<random>``                   one being written, or what a crash left of one

Every step that a crash can fall behind is a method of ``Disk``. Any number of processes may share the folder.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from store.blob.objects import Listed, ObjectMissing
from store.kv.contract import StoreError, StoreUnavailable

_TEMPORARY = "tmp"
_LISTED_AT_ONCE = 1000


class Disk:
    """The file system, step by step; a step that returned has happened, but only ``sync`` makes it last."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, file: int, octets: bytes) -> None:
        view = memoryview(octets)
        while view:
            view = view[os.write(file, view) :]

    def sync(self, file: int) -> None:
        os.fsync(file)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)


class FolderObjects:
    """``Objects`` in a folder."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk or Disk()

    async def put(self, name: str, length: int, pieces: AsyncIterator[bytes]) -> None:
        """Durable and whole when it returns. Raises StoreUnavailable for a disk that does not take it."""
        path = self._folder / name
        aside = self._folder / _TEMPORARY / secrets.token_hex(16)
        with _told(name):
            file = await asyncio.to_thread(self._begin, path, aside)
            try:
                try:
                    async for piece in pieces:
                        await asyncio.to_thread(self._disk.write, file, piece)
                    await asyncio.to_thread(self._disk.sync, file)
                finally:
                    os.close(file)
                await asyncio.to_thread(self._finish, aside, path)
            except (OSError, StoreError, asyncio.CancelledError):
                with contextlib.suppress(OSError):
                    self._disk.unlink(aside)
                raise

    def _begin(self, path: Path, aside: Path) -> int:
        fan = [self._folder / each for each in reversed(path.relative_to(self._folder).parents[:-1])]
        for folder in (self._folder, aside.parent, *fan):
            if not folder.exists():
                self._disk.make_folder(folder)
            # Also when somebody else made it just now: its name must last before the object's does.
            if folder != aside.parent:
                self._disk.sync_folder(folder.parent)
        return self._disk.create(aside)

    def _finish(self, aside: Path, path: Path) -> None:
        self._disk.rename(aside, path)
        self._disk.sync_folder(path.parent)

    async def get(self, name: str, start: int, end: int) -> bytes:
        """Octets ``start`` to ``end``. Raises ObjectMissing; StoreError when the disk cannot read them."""
        return await asyncio.to_thread(self._get, name, start, end)

    def _get(self, name: str, start: int, end: int) -> bytes:
        with _told(name):
            try:
                file = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise ObjectMissing(name) from error
            try:
                return _pread(file, start, end)
            finally:
                os.close(file)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._delete, name)

    def _delete(self, name: str) -> None:
        path = self._folder / name
        with _told(name), contextlib.suppress(FileNotFoundError):
            self._disk.unlink(path)
            self._disk.sync_folder(path.parent)

    async def list(self, folder: str) -> AsyncIterator[list[Listed]]:
        """Objects below the first folder of their names, in order."""
        found = await asyncio.to_thread(lambda: sorted(self._walk(folder), key=lambda each: each.name))
        for start in range(0, len(found), _LISTED_AT_ONCE):
            yield found[start : start + _LISTED_AT_ONCE]

    def _walk(self, folder: str) -> Iterator[Listed]:
        for path in (self._folder / folder).glob("[0-9a-f][0-9a-f]/*.*"):
            with contextlib.suppress(FileNotFoundError):
                yield Listed(f"{folder}/{path.parent.name}/{path.name}", path.stat().st_mtime)

    async def tidy(self, older_than_s: float) -> int:
        """Remove what crashes left half-written; how many files. Younger ones may still be written."""
        return await asyncio.to_thread(self._tidy, older_than_s)

    def _tidy(self, older_than_s: float) -> int:
        removed = 0
        for path in (self._folder / _TEMPORARY).glob("*"):
            with contextlib.suppress(FileNotFoundError):  # its writer was quicker
                if time.time() - path.stat().st_mtime >= older_than_s:
                    self._disk.unlink(path)
                    removed += 1
        return removed

    async def close(self) -> None:
        """Nothing is open between calls."""


def _pread(file: int, start: int, end: int) -> bytes:
    pieces = []
    while start < end and (piece := os.pread(file, end - start, start)):
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which object it was. Raises StoreError for what the disk cannot read, else StoreUnavailable."""
    try:
        yield
    except OSError as error:
        why = f"{errno.errorcode.get(error.errno or 0, '?')} {error.strerror}"
        if error.errno == errno.EIO:
            raise StoreError(f"blob file {name} cannot be read: {why}") from error
        raise StoreUnavailable(f"blob file {name}: {why}") from error
