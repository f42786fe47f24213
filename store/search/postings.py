"""Postings in memory, and turning them into the rows of a segment."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from store.schema import keys
from store.search import coding
from store.search.coding import Numbers
from store.search.document import Document
from store.search.segment import CHUNK_OCTETS, FIELDS, MAILS, PLACES, BlockRow, compress, pack_block

BLOCK_TERMS = 1_024
BLOCK_OCTETS = 48 * 1024  #: of the terms of one block
LANGUAGE = "\x01"  #: what terms that stand for a language start with
Row = tuple[bytes, bytes]


def language_term(language: int) -> str:
    """A term that no text has: its mails are those written in a language."""
    return LANGUAGE + chr(1 + language)


@dataclass(frozen=True, slots=True)
class Postings:
    """Terms in order; for each its mails in order; for each of these its places in order."""

    terms: list[bytes]
    mails_a_term: Numbers
    mails: Numbers
    fields: Numbers
    places_a_mail: Numbers
    places: Numbers

    @staticmethod
    def arranged(terms: list[bytes], ranks: Numbers, mails: Numbers, places: Numbers) -> "Postings":
        """From one entry a place: the number of its term, the mail, the place. Every term has an entry."""
        order = np.lexsort((places, mails, ranks))
        ranks, mails, places = ranks[order], mails[order], places[order]
        is_new = np.ones(len(ranks), dtype=np.bool_)
        is_new[1:] = (ranks[1:] != ranks[:-1]) | (mails[1:] != mails[:-1])
        starts = np.flatnonzero(is_new)
        bits = np.left_shift(1, places & 7)
        return Postings(
            terms,
            np.bincount(ranks[starts], minlength=len(terms)).astype(np.int64),
            mails[starts],
            np.bitwise_or.reduceat(bits, starts) if len(starts) else bits,
            np.diff(np.append(starts, len(ranks))),
            places,
        )


def of_documents(documents: Sequence[Document]) -> Postings:
    """The postings of mails, in the order of their ids."""
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    words: list[int] = []
    places: list[Numbers] = []
    sizes: list[int] = []
    for document in documents:
        before = len(words)
        for number, said in enumerate(document.fields):
            words += map(numbers.__getitem__, said)
            places.append((np.arange(len(said), dtype=np.int64) << 3) | number)
        words.append(numbers[language_term(document.row.language)])
        places.append(np.zeros(1, dtype=np.int64))
        sizes.append(len(words) - before)
    terms = sorted(numbers)
    rank_of = np.empty(len(terms), dtype=np.int64)
    rank_of[np.fromiter(map(numbers.__getitem__, terms), dtype=np.int64, count=len(terms))] = np.arange(len(terms))
    mails = np.repeat(np.array([document.row.id for document in documents], dtype=np.int64), sizes)
    ranks = rank_of[np.array(words, dtype=np.int64)]
    return Postings.arranged([term.encode() for term in terms], ranks, mails, np.concatenate(places))


@dataclass(slots=True)
class _File:
    """One file of a segment being written; gives off chunks as they fill."""

    segment: int
    name: bytes
    size: int = 0
    _left: bytearray = field(default_factory=bytearray)
    _chunks: int = 0

    def add(self, octets: bytes) -> Iterator[Row]:
        self.size += len(octets)
        self._left += octets
        while len(self._left) >= CHUNK_OCTETS:
            yield self._chunk(CHUNK_OCTETS)

    def end(self) -> Iterator[Row]:
        if self._left:
            yield self._chunk(len(self._left))

    def _chunk(self, size: int) -> Row:
        octets = bytes(self._left[:size])
        del self._left[:size]
        self._chunks += 1
        return keys.postings(self.segment, self.name, self._chunks - 1), compress(octets)


class SegmentWriter:
    """Turns postings, given in the order of their terms, into rows."""

    def __init__(self, segment: int) -> None:
        self._segment = segment
        self._mails, self._fields, self._places = (_File(segment, name) for name in (MAILS, FIELDS, PLACES))

    def add(self, postings: Postings) -> Iterator[Row]:
        """Rows that are ready. No term comes twice."""
        firsts = np.cumsum(postings.mails_a_term) - postings.mails_a_term
        steps = coding.differences(postings.mails, firsts)
        sizes = coding.lengths(steps)
        place_firsts = np.cumsum(postings.places_a_mail) - postings.places_a_mail
        doubled = coding.differences(postings.places, place_firsts) << 1
        doubled[place_firsts + postings.places_a_mail - 1] |= 1
        place_sizes = coding.lengths(doubled)
        mail_octets = np.add.reduceat(sizes, firsts)
        place_octets = np.add.reduceat(place_sizes, place_firsts[firsts])
        yield from self._dictionary(postings, mail_octets, place_octets)
        yield from self._mails.add(coding.encode(steps, sizes))
        yield from self._fields.add(postings.fields.astype(np.uint8).tobytes())
        yield from self._places.add(coding.encode(doubled, place_sizes))

    def _dictionary(self, postings: Postings, mail_octets: Numbers, place_octets: Numbers) -> Iterator[Row]:
        starts = [self._mails.size, self._fields.size, self._places.size]
        for low, high in _cut(postings.terms):
            each = (postings.mails_a_term[low:high], mail_octets[low:high], place_octets[low:high])
            mails, mail_size, place_size = (coding.encode(column) for column in each)
            block = BlockRow(b"\n".join(postings.terms[low:high]), mails, mail_size, place_size, *starts)
            yield keys.dictionary(self._segment, postings.terms[low]), pack_block(block)
            counted, *moved = (int(column.sum()) for column in each)
            starts = [starts[0] + moved[0], starts[1] + counted, starts[2] + moved[1]]

    def end(self) -> Iterator[Row]:
        """The rest."""
        for file in (self._mails, self._fields, self._places):
            yield from file.end()


def _cut(terms: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Stretches of terms for one block each."""
    low, size = 0, 0
    for at, term in enumerate(terms):
        if at - low >= BLOCK_TERMS or size + len(term) > BLOCK_OCTETS:
            yield low, at
            low, size = at, 0
        size += len(term) + 1
    if low < len(terms):
        yield low, len(terms)


def rows_of(segment: int, postings: Postings) -> Iterable[Row]:
    writer = SegmentWriter(segment)
    return [*(writer.add(postings) if postings.terms else ()), *writer.end()]
