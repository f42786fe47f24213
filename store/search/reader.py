"""One segment being asked: its dictionary, postings and columns, as far as possible from memory."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.changes.engine import AccountView
from store.schema import keys
from store.search import columns, segment
from store.search.coding import Damaged, Numbers
from store.search.columns import NUMBERS, ColumnsBlock
from store.search.memory import Memory
from store.search.segment import Block, Terms
from store.search.state import Segment

IDS = "id"  #: the column that says which emails a segment holds
_WIDE_TERMS = 64  #: from which on terms lie all over a large segment
_BLOCKS_SHARE = 4  #: wanted mails for each block of columns, from which on a whole column is read

Ids = NDArray[np.bool_]  #: by email


@dataclass(frozen=True, slots=True)
class _Text:
    """All terms of a segment, a line end before and after each, and where each block begins."""

    octets: bytes
    starts: list[int]

    @property
    def size(self) -> int:
        return len(self.octets) + 40 * len(self.starts)

    def first(self, number: int) -> bytes:
        """The first term of a block."""
        start = self.starts[number] + 1
        return self.octets[start : self.octets.index(b"\n", start)]

    def block_with(self, term: bytes) -> int:
        """In which block a term would be; -1 before all."""
        return bisect_right(range(len(self.starts)), term, key=self.first) - 1


@dataclass(frozen=True, slots=True)
class _Counts:
    """What ``Terms`` of a block are made of, in half the room."""

    columns: tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]
    starts: tuple[int, int, int]

    @property
    def size(self) -> int:
        return sum(column.nbytes for column in self.columns)

    def terms(self) -> Terms:
        mails, mail_octets, place_octets = (column.astype(np.int64) for column in self.columns)
        return Terms.of_counts(mails, mail_octets, place_octets, self.starts)


@dataclass(frozen=True, slots=True)
class _Texts:
    """One of SORT_TEXTS of a block of columns."""

    ids: Numbers
    texts: list[str]

    @property
    def size(self) -> int:
        return self.ids.nbytes + sum(map(len, self.texts)) + 60 * len(self.texts)


class SegmentReader:
    """Raises Damaged from every method."""

    def __init__(self, view: AccountView, one: Segment, memory: Memory) -> None:
        self.segment = one
        self.memory = memory
        self.key = (view.account, one.id, one.first, one.last, one.mails, one.octets)
        self._view = view
        self._read = segment.chunks(view, one.id)

    @property
    def span(self) -> int:
        """How many ids lie in the segment, whether they are emails or not."""
        return self.segment.last - self.segment.first + 1

    def chunk(self, file: bytes, number: int) -> bytes:
        return self.memory.get((self.key, file, number), lambda: self._read(file, number), len)

    def _passing(self, file: bytes, number: int) -> bytes:
        """A chunk of so many that keeping them would drive out everything else."""
        known: bytes | None = self.memory.recall((self.key, file, number))
        return known if known is not None else self._read(file, number)

    def _chunks(self, terms: Terms) -> segment.Chunks:
        is_wide = len(terms.mails) > _WIDE_TERMS and self.segment.octets > self.memory.largest
        return self._passing if is_wide else self.chunk

    def mails(self, terms: Terms) -> Numbers:
        """The mails of each term, less the first of the segment."""
        found = segment.mails_of(self._chunks(terms), terms)
        found -= self.segment.first
        ends = np.cumsum(terms.mails)
        if len(found) and (int(found[ends - terms.mails].min()) < 0 or int(found[ends - 1].max()) >= self.span):
            raise Damaged(f"segment {self.segment.id} names mails that it does not have")
        return found

    def fields(self, terms: Terms) -> Numbers:
        return segment.fields_of(self._chunks(terms), terms)

    def places(self, terms: Terms) -> segment.Places:
        return segment.places_of(self._chunks(terms), terms)

    def exact(self, term: bytes) -> Iterator[Terms]:
        """A term, if it is there."""
        text = self._text()
        if text is None:
            block = segment.block_with(self._view, self.segment.id, term)
            if block is not None and (places := _find(block, b"\n%b\n" % term)):
                yield block.terms().at(np.array(places))
            return
        number = text.block_with(term)
        if number >= 0:
            end = text.starts[number + 1] + 1 if number + 1 < len(text.starts) else len(text.octets)
            at = text.octets.find(b"\n%b\n" % term, text.starts[number], end)
            yield from self._terms_at(text, [at] if at >= 0 else [])

    def beginning(self, start: bytes) -> Iterator[tuple[list[bytes], Terms]]:
        """Terms that start so, with how they are written."""
        text = self._text()
        if text is None:
            for block, places in _with_prefix(self._view, self.segment, start):
                written = block.row.terms.split(b"\n")
                yield [written[at] for at in places], block.terms().at(np.array(places))
            return
        octets, wanted = text.octets, b"\n" + start
        found: list[int] = []
        at = octets.find(wanted, text.starts[max(text.block_with(start), 0)] if text.starts else 0)
        while at >= 0 and octets.startswith(wanted, at):
            found.append(at)
            at = octets.find(b"\n", at + 1)
        ends = [*found[1:], at] if found else []
        written = [octets[low + 1 : high] for low, high in zip(found, ends, strict=True)]
        low = 0
        for terms in self._terms_at(text, found):
            yield written[low : low + len(terms.mails)], terms
            low += len(terms.mails)

    def containing(self, octets: bytes) -> Iterator[Terms]:
        """Terms with these octets in them; a line end is the edge of a term."""
        text = self._text()
        if text is None:
            for block in segment.blocks(self._view, self.segment.id):
                if places := _find(block, octets):
                    yield block.terms().at(np.array(places))
            return
        find = text.octets.find
        found: list[int] = []
        at = find(octets)
        while at >= 0:
            found.append(at)
            at = find(octets, find(b"\n", at + 1))
        yield from self._terms_at(text, found)

    def _terms_at(self, text: _Text, found: list[int]) -> Iterator[Terms]:
        """The terms that stand at these places of the text, ascending, or begin after them; block by block."""
        if not found:
            return
        places = np.array(found, dtype=np.int64)
        starts = np.array([*text.starts, len(text.octets)], dtype=np.int64)
        blocks = np.searchsorted(starts, places, side="right") - 1
        for number, some in zip(*_groups(blocks, places), strict=True):
            low, high = int(starts[number]), int(starts[number + 1])
            edges = np.flatnonzero(np.frombuffer(text.octets, dtype=np.uint8, count=high - low, offset=low) == 10)
            which = np.searchsorted(edges, some - low, side="right") - 1
            yield self._counts(text.first(number)).terms().at(which)

    def _counts(self, first: bytes) -> _Counts:
        """Of the block that begins with a term."""

        def make() -> _Counts:
            value = self._view.get(keys.dictionary(self.segment.id, first))
            if value is None:
                raise Damaged(f"a block of the dictionary of segment {self.segment.id} has vanished")
            block = segment.read_block(value)
            mails, mail_octets, place_octets = (column.astype(np.uint32) for column in block.counts())
            return _Counts((mails, mail_octets, place_octets), block.starts)

        return self.memory.get((self.key, b"T", first), make, lambda counts: counts.size)

    def _text(self) -> _Text | None:
        """All terms; None when they are too many to be kept."""
        key = (self.key, b"T")
        known: _Text | bool | None = self.memory.recall(key)
        if known is None:
            made = self._whole_text()
            known = made if made is not None else False
            self.memory.keep(key, known, made.size if made is not None else 0)
        return known if isinstance(known, _Text) else None

    def _whole_text(self) -> _Text | None:
        pieces: list[bytes] = [b""]
        starts: list[int] = []
        size = 0
        for block in segment.blocks(self._view, self.segment.id):
            starts.append(size)
            pieces.append(block.row.terms)
            size += len(block.row.terms) + 1
            if size + 40 * len(starts) > self.memory.largest // 2:
                return None
        return _Text(b"\n".join([*pieces, b""]), starts)

    def column(self, name: str, wanted: int) -> Numbers | None:
        """A column with a place for each id from the first of the segment on.

        None when so few are ``wanted`` that it is not worth to be read.
        """
        key = (self.key, b"O", name)
        known: Numbers | None = self.memory.recall(key)
        if known is None and wanted * columns.BLOCK_MAILS >= _BLOCKS_SHARE * self.segment.mails:
            known = self._whole_column(name)
            self.memory.keep(key, known, known.nbytes)
        return known

    def _whole_column(self, name: str) -> Numbers:
        is_number = name in (NUMBERS.names or ())
        dtype = np.dtype(np.bool_) if name == IDS else NUMBERS[name] if is_number else np.dtype(np.int64)
        found = np.zeros(self.span, dtype=dtype)
        for block in columns.all_blocks(self._view, self.segment.id):
            places = block.table["id"] - self.segment.first
            if int(places.min()) < 0 or int(places.max()) >= self.span:
                raise Damaged(f"segment {self.segment.id} has columns of mails that it does not have")
            if name == IDS:
                found[places] = True
            else:
                found[places] = block.table[name] if is_number else beginnings(block.texts(name))
        return found

    def texts(self, name: str, ids: Numbers) -> Iterator[tuple[list[str], Numbers]]:
        """One of SORT_TEXTS of these emails (ascending), with where they stand in ``ids``; some may be missing."""
        firsts = self._firsts()
        if not len(firsts):
            return
        at = np.maximum(np.searchsorted(firsts, ids, side="right") - 1, 0)
        for number, wanted in zip(*_groups(at, np.arange(len(ids))), strict=True):
            block = self._texts(name, int(firsts[number]))
            places = np.minimum(np.searchsorted(block.ids, ids[wanted]), len(block.ids) - 1)
            is_held = block.ids[places] == ids[wanted]
            yield [block.texts[place] for place in places[is_held].tolist()], wanted[is_held]

    def _firsts(self) -> Numbers:
        """The first email of each block of columns."""

        def make() -> Numbers:
            rows = self._view.scan_prefix(keys.columns_of(self.segment.id))
            return np.array([keys.read_u64(key[5:13]) for key, _ in rows], dtype=np.int64)

        return self.memory.get((self.key, b"O"), make, lambda found: found.nbytes)

    def _texts(self, name: str, first: int) -> _Texts:
        def make() -> _Texts:
            value = self._view.get(keys.columns(self.segment.id, first))
            if value is None:
                raise Damaged(f"a block of columns of segment {self.segment.id} has vanished")
            block = ColumnsBlock(value)
            return _Texts(np.array(block.table["id"]), block.texts(name))

        return self.memory.get((self.key, b"O", name, first), make, lambda found: found.size)


def beginnings(texts: list[str]) -> Numbers:
    """Numbers that sort as the first octets of texts do; equal ones say nothing."""
    octets = b"".join([text.encode()[:8].ljust(8, b"\0") for text in texts])
    return (np.frombuffer(octets, dtype=">u8") >> np.uint64(1)).astype(np.int64)


def _groups(numbers: Numbers, places: Numbers) -> tuple[list[int], list[Numbers]]:
    """Each number, ascending, with its places."""
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    firsts = np.append(0, cuts)
    return numbers[firsts].tolist(), np.split(places, cuts)


def _with_prefix(view: AccountView, one: Segment, octets: bytes) -> Iterator[tuple[Block, list[int]]]:
    """Blocks with the places of terms that start with these octets: a range of the dictionary."""
    first = segment.block_with(view, one.id, octets)
    if first is not None and (places := _find(first, b"\n" + octets)):
        yield first, places
    for block in segment.blocks(view, one.id, octets + b"\x00", octets + b"\xff"):
        places = _find(block, b"\n" + octets)
        if not places:
            return
        yield block, places


def _find(block: Block, octets: bytes) -> list[int]:
    """Which terms of a block contain octets, a line end standing for the edge of a word."""
    text = block.octets
    at = text.find(octets)
    if at < 0:
        return []
    edges = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == 10)
    places: list[int] = []
    while at >= 0:
        # An edge found at its very beginning belongs to the term after it.
        term = int(np.searchsorted(edges, at, side="right")) - 1
        places.append(term)
        at = text.find(octets, int(edges[term + 1]))
    return places
