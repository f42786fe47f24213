"""What mails are sorted and narrowed by, many to a row: a question about dates or sizes reads no mail's row.

A block holds up to 512 emails of a segment under ``O segment first-email``: numbers as one array, texts as a list of
columns, each compressed by itself, so that a sort by date does not read subjects.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from store.changes.engine import AccountView
from store.schema import keys
from store.search.coding import Damaged, Numbers
from store.search.document import SORT_TEXTS, SortRow
from store.search.segment import compress, decompress

BLOCK_MAILS = 512
NUMBERS = np.dtype(
    [
        ("id", "<i8"),
        ("received", "<i8"),
        ("sent", "<i8"),
        ("size", "<i8"),
        ("thread", "<i8"),
        ("attachment", "?"),
        ("language", "u1"),
    ]
)
Table = NDArray[Any]  #: of NUMBERS


class ColumnsRow(msgspec.Struct, frozen=True, array_like=True):
    numbers: bytes
    texts: tuple[bytes, ...]  #: as SORT_TEXTS


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ColumnsRow)
_texts = msgspec.msgpack.Decoder(list[str])


def table_of(rows: Sequence[SortRow]) -> Table:
    return np.array(
        [(r.id, r.received_ms, r.sent_ms, r.size, r.thread, r.has_attachment, r.language) for r in rows], dtype=NUMBERS
    )


def rows_of(segment: int, rows: Sequence[SortRow]) -> Iterator[tuple[bytes, bytes]]:
    """Rows of a segment, for emails in the order of their ids."""
    for low in range(0, len(rows), BLOCK_MAILS):
        some = rows[low : low + BLOCK_MAILS]
        texts = [[row.texts[at] for row in some] for at in range(len(SORT_TEXTS))]
        yield pack_block(segment, table_of(some), texts)


def pack_block(segment: int, table: Table, texts: Sequence[Sequence[str]]) -> tuple[bytes, bytes]:
    row = ColumnsRow(compress(table.tobytes()), tuple(compress(_encoder.encode(column)) for column in texts))
    return keys.columns(segment, int(table["id"][0])), _encoder.encode(row)


class ColumnsBlock:
    """A block; its numbers are read at once, its texts when asked for."""

    def __init__(self, value: bytes) -> None:
        """Raises Damaged."""
        try:
            self._row = _decoder.decode(value)
            self.table: Table = np.frombuffer(decompress(self._row.numbers), dtype=NUMBERS)
        except (msgspec.DecodeError, ValueError) as error:
            raise Damaged(str(error)) from error
        if not len(self.table) or len(self._row.texts) != len(SORT_TEXTS):
            raise Damaged("a block of columns does not fit together")

    def texts(self, name: str) -> list[str]:
        """Raises Damaged."""
        try:
            found = _texts.decode(decompress(self._row.texts[SORT_TEXTS.index(name)]))
        except msgspec.DecodeError as error:
            raise Damaged(str(error)) from error
        if len(found) != len(self.table):
            raise Damaged("a block of columns does not fit together")
        return found


def all_blocks(view: AccountView, segment: int) -> Iterator[ColumnsBlock]:
    """Raises Damaged."""
    for _, value in view.scan_prefix(keys.columns_of(segment)):
        yield ColumnsBlock(value)


def blocks_with(view: AccountView, segment: int, ids: Numbers) -> Iterator[tuple[ColumnsBlock, Numbers, Numbers]]:
    """The blocks that hold these emails (ascending): where in ``ids`` they are and where in the block.

    Emails that the segment does not hold are passed over. Raises Damaged.
    """
    at, start = 0, keys.columns_of(segment)
    while at < len(ids):
        row = next(view.scan(start, keys.columns(segment, int(ids[at])) + b"\x00", reverse=True, limit=1), None)
        if row is None:
            at += 1
            continue
        block = ColumnsBlock(row[1])
        known = block.table["id"]
        end = max(int(np.searchsorted(ids, known[-1], side="right")), at + 1)
        places = np.minimum(np.searchsorted(known, ids[at:end]), len(known) - 1)
        is_held = np.flatnonzero(known[places] == ids[at:end])
        if len(is_held):
            yield block, at + is_held, places[is_held]
        at = end
