"""The files of backups: written aside, hashed while they are written, named by their hash once they are durable."""

import contextlib
import fcntl
import hashlib
import heapq
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from store.kv.contract import StoreError

FORMAT = 1
LENGTHS = struct.Struct(">II")  #: of a key and its value
ID_OCTETS = 32 + 8  #: of an entry of a pack's list: the mail's address, and the start of the hash of its row
_READ = 1 << 20
_MOST = 64 << 20  # longest key, value or piece that is read back

ROW, OBJECT, PIECE = b"r", b"o", b"p"  #: a row of the store; the name of an object; some octets of it


class BackupDamaged(StoreError):
    """A backup cannot be used as it is."""


class SegmentEntry(msgspec.Struct, frozen=True):
    name: str  #: SHA-256 of the file
    rows: int
    octets: int


class PackEntry(msgspec.Struct, frozen=True):
    name: str
    blobs: int
    octets: int
    live: int = 0  #: blobs that the backup needs of it


class Manifest(msgspec.Struct, frozen=True):
    """One backup. ``sum`` is over everything else."""

    format: int
    id: str
    schema: int
    source: str  #: scheme of the store it was made of
    is_one_moment: bool  #: all rows are of one moment; else those of each account are
    rows: int
    blobs: int
    blob_octets: int  #: before compression
    objects: int  #: blobs that were kept outside the key-value store
    keys: tuple[str, ...]  #: ids of the keys that blobs are encrypted under; the keys themselves are not here
    segments: tuple[SegmentEntry, ...]
    packs: tuple[PackEntry, ...]
    sum: str = ""

    def files(self) -> frozenset[str]:
        return frozenset([entry.name for entry in self.segments] + [entry.name for entry in self.packs])

    def sealed(self) -> "Manifest":
        return msgspec.structs.replace(self, sum=self.right_sum())

    def right_sum(self) -> str:
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, sum=""), order="sorted")).hexdigest()


class Folder:
    """A folder of backups, locked against a second writer while it is open for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Raises OSError."""
        for name in ("", "segments", "blobs", "manifests"):
            (self.path / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Raises StoreError when another backup is being made."""
        self.make()
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(f"another backup into {self.path} is under way") from None
            yield

    def manifests(self) -> list[Manifest]:
        """Finished backups, oldest first. Raises BackupDamaged."""
        folder = self.path / "manifests"
        return [self.manifest(path.stem) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []

    def manifest(self, name: str) -> Manifest:
        """Raises BackupDamaged, StoreError when there is none of that name."""
        path = self.path / "manifests" / f"{name}.json"
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError:
            raise StoreError(f"there is no backup {name} in {self.path}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BackupDamaged(f"{path} cannot be read: {error}") from error
        if found.format != FORMAT:
            raise BackupDamaged(f"{path} is of format {found.format}; this program knows {FORMAT}")
        if found.sum != found.right_sum():
            raise BackupDamaged(f"{path}: its sum is wrong, so it was changed or damaged")
        return found

    def write_manifest(self, manifest: Manifest) -> None:
        """The last step: before it the backup is not there."""
        path = self.path / "manifests" / f"{manifest.id}.json"
        text = json.dumps(msgspec.to_builtins(manifest.sealed()), indent=1) + "\n"
        aside = path.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync(path.parent)

    def segment(self, name: str) -> Path:
        return self.path / "segments" / f"{name}.zst"

    def pack(self, name: str) -> Path:
        return self.path / "blobs" / f"{name}.pack"

    def ids(self, name: str) -> Path:
        return self.path / "blobs" / f"{name}.ids"

    def packs(self) -> dict[str, int]:
        """Packs that are whole, with the number of blobs in each; also those of a backup that was not finished."""
        found = {}
        for path in (self.path / "blobs").glob("*.ids"):
            if self.pack(path.stem).exists():
                found[path.stem] = path.stat().st_size // ID_OCTETS
        return found

    def drop_unused(self) -> int:
        """Delete files that no finished backup names; how many octets."""
        kept = self.manifests()
        segments = {entry.name for each in kept for entry in each.segments}
        packs = {entry.name for each in kept for entry in each.packs}
        freed = 0
        for folder, names in (("segments", segments), ("blobs", packs)):
            for path in (self.path / folder).iterdir():
                if path.stem not in names:
                    freed += path.stat().st_size
                    path.unlink()
        return freed


def known_ids(folder: Folder, names: list[str]) -> Iterator[tuple[bytes, str]]:
    """Blobs of several packs in order, with the pack each is in."""

    def of(name: str) -> Iterator[tuple[bytes, str]]:
        with folder.ids(name).open("rb") as file:
            while len(entry := file.read(ID_OCTETS)) == ID_OCTETS:
                yield entry, name

    return heapq.merge(*(of(name) for name in names))


@dataclass(slots=True)
class Writer:
    """A file that gets its name when it is finished."""

    folder: Path
    suffix: str
    compress: bool
    rows: int = 0
    octets: int = 0  #: before compression
    _hash: Any = field(default_factory=hashlib.sha256)
    _path: Path | None = None
    _file: BinaryIO | None = None
    _packer: Any = None

    def add(self, kind: bytes, key: bytes, value: bytes) -> None:
        if self._file is None:
            self._path = self.folder / f"new-{os.getpid()}-{id(self)}"
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
            self._packer = zstandard.ZstdCompressor(3).compressobj() if self.compress else None
        record = kind + LENGTHS.pack(len(key), len(value)) + key + value
        self._write(self._packer.compress(record) if self._packer is not None else record)
        self.rows, self.octets = self.rows + 1, self.octets + len(record)

    def _write(self, octets: bytes) -> None:
        assert self._file is not None
        self._hash.update(octets)
        self._file.write(octets)

    def finish(self) -> str:
        """Make it durable under its name, which is returned; one that is there already is kept."""
        assert self._file is not None and self._path is not None
        if self._packer is not None:
            self._write(self._packer.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        name = self._hash.hexdigest()
        self._path.replace(self.folder / f"{name}.{self.suffix}")
        _sync(self.folder)
        self._file = None
        return str(name)

    def abandon(self) -> None:
        if self._file is not None and self._path is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
            self._file = None


def records(path: Path, *, is_packed: bool) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, key and value of every record; the file's hash, which is its name, is checked as it is read.

    Raises BackupDamaged, at the end at the latest: what was given before must not count until then.
    """
    digest, buffer = hashlib.sha256(), bytearray()
    try:
        with path.open("rb") as file:
            unpacker = zstandard.ZstdDecompressor().decompressobj() if is_packed else None
            while octets := file.read(_READ):
                digest.update(octets)
                buffer += unpacker.decompress(octets) if unpacker is not None else octets
                yield from _taken(buffer, path)
    except FileNotFoundError:
        raise BackupDamaged(f"{path} is missing") from None
    except zstandard.ZstdError as error:
        raise BackupDamaged(f"{path} is damaged: {error}") from error
    if buffer or digest.hexdigest() != path.stem:
        raise BackupDamaged(f"{path} is damaged: its octets do not have the hash that is its name")


def _taken(buffer: bytearray, path: Path) -> Iterator[tuple[bytes, bytes, bytes]]:
    at, head = 0, 1 + LENGTHS.size
    while len(buffer) - at >= head:
        key_octets, value_octets = LENGTHS.unpack_from(buffer, at + 1)
        if key_octets + value_octets > _MOST:
            raise BackupDamaged(f"{path} is damaged: a record says it has {key_octets + value_octets} octets")
        end = at + head + key_octets + value_octets
        if len(buffer) < end:
            break
        key_end = at + head + key_octets
        yield bytes(buffer[at : at + 1]), bytes(buffer[at + head : key_end]), bytes(buffer[key_end:end])
        at = end
    del buffer[:at]


def _sync(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
