"""All rows of a store as segments of a backup: from one snapshot, or slice by slice where none is long."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator

from store.blob.chunks import BLOB
from store.changes.engine import AccountId, Store, StoreView
from store.kv.contract import ReadTxn, successor
from store.schema import keys
from store.upkeep import presence
from store.upkeep.backup.folder import LENGTHS, ROW, Folder, SegmentEntry, Writer

SEGMENT_ROWS, SEGMENT_OCTETS = 2_000, 8 << 20  #: at least, and at most
CUT = 512  #: one key in so many ends a segment that is long enough
_PAGE = 500
_ATTEMPTS = 3  # at taking an account that does not stand still
_AFTER_BLOBS = bytes([BLOB[0] + 1])
_END = b"\xff" * 8


class Segments:
    """Rows in key order, into one segment after the other."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.rows = 0
        self.entries: list[SegmentEntry] = []
        self._writer = self._new()

    def _new(self) -> Writer:
        return Writer(self._folder.path / "segments", "zst", True)

    def add(self, key: bytes, value: bytes) -> bool:
        """Whether a segment is finished with it."""
        self._writer.add(ROW, key, value)
        self.rows += 1
        if not _is_cut(self._writer, key):
            return False
        self.finish()
        return True

    def finish(self) -> None:
        if self._writer.rows:
            self.entries.append(SegmentEntry(self._writer.finish(), self._writer.rows, self._writer.octets))
            self._writer = self._new()

    def abandon(self) -> None:
        """What is not finished does not count."""
        self._writer.abandon()


async def take_in_slices(store: Store, segments: Segments) -> None:
    """All rows, each account of one moment, unless it never stands still."""
    after_scopes = keys.prefix_end(keys.SCOPE)
    await _add_slices(store, segments, b"", BLOB)
    await _add_slices(store, segments, _AFTER_BLOBS, keys.SCOPE)
    scope: bytes | None = keys.SCOPE
    while scope is not None:
        row = await store.read(lambda view, at=scope: next(view.kv.scan(at, after_scopes, limit=1), None))  # type: ignore[misc]
        scope = await _add_account(store, segments, row[0][:5]) if row is not None else None
    await _add_slices(store, segments, after_scopes, _END)


async def _add_slices(store: Store, segments: Segments, start: bytes, end: bytes) -> None:
    async for rows in _slices(store, start, end):
        for key, value in rows:
            segments.add(key, value)


async def _add_account(store: Store, segments: Segments, scope: bytes) -> bytes:
    """All rows of one account, taken again when it changed meanwhile; the key to go on from."""
    number, end = AccountId(keys.read_u32(scope[1:5])), keys.prefix_end(scope)
    for attempt in range(1, _ATTEMPTS + 1):
        with tempfile.TemporaryFile() as spool:
            before = await store.read(lambda view: view.account(number).modseq)
            async for rows in _slices(store, scope, end):
                spool.writelines(LENGTHS.pack(len(key), len(value)) + key + value for key, value in rows)
            after = await store.read(lambda view: view.account(number).modseq)
            if after == before or attempt == _ATTEMPTS:
                spool.seek(0)
                while head := spool.read(LENGTHS.size):
                    key_octets, value_octets = LENGTHS.unpack(head)
                    segments.add(spool.read(key_octets), spool.read(value_octets))
                break
    return end


async def _slices(store: Store, start: bytes, end: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
    while True:

        def page(view: StoreView, start: bytes = start) -> list[tuple[bytes, bytes]]:
            return list(view.kv.scan(start, end, limit=_PAGE))

        rows = await store.read(page)
        yield [row for row in rows if not row[0].startswith(presence.PREFIX)]
        if len(rows) < _PAGE:
            return
        start = successor(rows[-1][0])


def rows_of(view: ReadTxn) -> Iterator[tuple[bytes, bytes]]:
    for start, end in ((b"", BLOB), (_AFTER_BLOBS, _END)):
        for key, value in view.scan(start, end):
            if not key.startswith(presence.PREFIX):
                yield key, value


def _is_cut(writer: Writer, key: bytes) -> bool:
    """Where a segment ends depends on keys alone, so that a row more moves no boundary but its own."""
    if writer.octets >= SEGMENT_OCTETS:
        return True
    if writer.rows < SEGMENT_ROWS:
        return False
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") % CUT == 0
