"""Needles looked up in an index: which emails of its segments hold them.

Each segment answers with an array that has a place for every id in it, so that and, or and not are one operation each,
whatever is found; and its answer is kept, for the next page or the next key typed. A needle inside of words is looked
for in the dictionary, terms in order, and never in a mail: the terms that contain it give the mails. Words one after
another are proved by their places.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from store.changes.engine import AccountView
from store.search import languages
from store.search.coding import Numbers
from store.search.document import Field
from store.search.memory import Memory
from store.search.postings import LANGUAGE
from store.search.reader import Ids, SegmentReader
from store.search.segment import Terms
from store.search.state import Generation
from store.search.words import Match, Piece, single_word

_AT_ONCE = 1_000_000  #: mails of terms decoded in one go
_BLOCKS_TOGETHER = 64
_SPARSE = 32  #: bits of a number that says where a found mail is


@dataclass(frozen=True, slots=True)
class Needle:
    """What is looked for, and where."""

    pieces: tuple[Piece, ...]
    fields: frozenset[Field]
    has_stems: bool = False  #: a single word is also found in its other forms, in mails of a known language


@dataclass(frozen=True, slots=True)
class _Held:
    """The emails of a segment that hold a needle: where, or a bit for each."""

    places: NDArray[np.uint32] | None
    bits: NDArray[np.uint8] | None

    @staticmethod
    def of(found: Ids) -> "_Held":
        if np.count_nonzero(found) * _SPARSE < len(found):
            return _Held(np.flatnonzero(found).astype(np.uint32), None)
        return _Held(None, np.packbits(found))

    @property
    def size(self) -> int:
        return sum(each.nbytes for each in (self.places, self.bits) if each is not None)

    def into(self, found: Ids) -> None:
        if self.places is not None:
            found[self.places] = True
        if self.bits is not None:
            found |= np.unpackbits(self.bits, count=len(found)).view(np.bool_)


class Lookup:
    """Answers needles from one snapshot of an index. Raises Damaged from every method."""

    def __init__(self, view: AccountView, generation: Generation, memory: Memory) -> None:
        self.readers = [SegmentReader(view, one, memory) for one in generation.segments]
        self._size = generation.upto + 1
        self._memory = memory

    def holding(self, needle: Needle) -> Ids:
        """The emails that hold a needle, by id, those destroyed since included."""
        found = np.zeros(self._size, dtype=np.bool_)
        if not needle.pieces:
            found[:] = True
            return found
        for each in self.readers:
            first = each.segment.first
            held = self._memory.get((each.key, needle), partial(_held, each, needle), lambda held: held.size)
            held.into(found[first : first + each.span])
        return found


def _held(one: SegmentReader, needle: Needle) -> _Held:
    found = np.zeros(one.span, dtype=np.bool_)
    if len(needle.pieces) > 1:
        _phrase(one, needle, found)
        return _Held.of(found)
    for some in _together(_matching(one, needle.pieces[0])):
        _add(one, some, needle.fields, found)
    word = single_word(needle.pieces) if needle.has_stems else None
    if word is not None and not word.isdigit():
        _stemmed(one, word, needle.fields, found)
    return _Held.of(found)


def _add(one: SegmentReader, terms: Terms, fields: frozenset[Field], found: Ids) -> None:
    """Mails that have any of these terms in any of these fields."""
    for some in _portions(terms):
        mails = one.mails(some)
        if len(fields) < len(Field):
            mails = mails[(one.fields(some) & _bits(fields)) != 0]
        found[mails] = True


def _phrase(one: SegmentReader, needle: Needle, found: Ids) -> None:
    """Mails with one term for each piece first, then those of them where the terms stand side by side."""
    each: list[Terms] = []
    for piece in needle.pieces:
        some = list(_matching(one, piece))
        if not some:
            return
        each.append(Terms.joined(some))
    both = np.ones(one.span, dtype=np.bool_)
    for terms in sorted(each, key=lambda terms: int(terms.mails.sum())):
        have = np.zeros(one.span, dtype=np.bool_)
        _add(one, terms, needle.fields, have)
        both &= have
        if not both.any():
            return
    beginnings: Numbers | None = None
    for ahead, terms in sorted(enumerate(each), key=lambda pair: int(pair[1].mails.sum())):
        spots = _spots(one, terms, both) - 8 * ahead
        beginnings = spots if beginnings is None else np.intersect1d(beginnings, spots, assume_unique=True)
        if not len(beginnings):
            return
        both = np.zeros(one.span, dtype=np.bool_)
        both[beginnings >> _MAIL_BITS] = True
    assert beginnings is not None
    inside = np.isin(beginnings & 7, np.array(sorted(needle.fields)))
    found[beginnings[inside] >> _MAIL_BITS] = True


def _spots(one: SegmentReader, terms: Terms, wanted: Ids) -> Numbers:
    """Where these terms stand in wanted mails: mail and place in one number, so that positions can be compared."""
    pieces: list[Numbers] = []
    for some in _portions(terms):
        places = one.places(some)
        mails = np.repeat(one.mails(some), places.counts)
        is_wanted = wanted[mails]
        pieces.append((mails[is_wanted] << _MAIL_BITS) + places.places[is_wanted])
    return np.unique(np.concatenate(pieces))


def _stemmed(one: SegmentReader, word: str, fields: frozenset[Field], found: Ids) -> None:
    """Add mails that have another form of the word, by the stems of the language each is written in."""
    spoken = _spoken(one)
    for language in np.flatnonzero(np.bincount(spoken)).tolist():
        if language == languages.UNKNOWN:
            continue
        start = languages.common_start(language, word)
        stem = languages.stems(language, [word])[0]
        have = np.zeros(one.span, dtype=np.bool_)
        for written, terms in one.beginning(start.encode()):
            stems = languages.stems(language, [term.decode() for term in written])
            same = [at for at, its_stem in enumerate(stems) if its_stem == stem]
            if same:
                _add(one, terms.at(np.array(same)), fields, have)
        found |= have & (spoken == language)


def _spoken(one: SegmentReader) -> NDArray[np.uint8]:
    """The language of each email of a segment."""

    def make() -> NDArray[np.uint8]:
        found = np.full(one.span, languages.UNKNOWN, dtype=np.uint8)
        for written, terms in one.beginning(LANGUAGE.encode()):
            for at, term in enumerate(written):
                found[one.mails(terms.at(np.array([at])))] = ord(term.decode()[-1]) - 1
        return found

    return one.memory.get((one.key, LANGUAGE), make, lambda found: found.nbytes)


def _matching(one: SegmentReader, piece: Piece) -> Iterator[Terms]:
    """The terms of a segment that a piece matches."""
    octets = piece.text.encode()
    match piece.match:
        case Match.IS:
            yield from one.exact(octets)
        case Match.STARTS:
            for _, terms in one.beginning(octets):
                yield terms
        case Match.ENDS:
            yield from one.containing(octets + b"\n")
        case Match.INSIDE:
            yield from one.containing(octets)


_MAIL_BITS = 20  #: of position and field in a spot: 17 and 3


def _bits(fields: frozenset[Field]) -> int:
    return sum(1 << field for field in fields)


def _together(each: Iterator[Terms]) -> Iterator[Terms]:
    """The terms of many blocks at a time."""
    while some := list(islice(each, _BLOCKS_TOGETHER)):
        yield Terms.joined(some)


def _portions(terms: Terms) -> Iterator[Terms]:
    """The same terms, so many at a time that their mails fit into memory; one very common term comes alone."""
    cuts = np.flatnonzero(np.diff(np.cumsum(terms.mails) // _AT_ONCE)) + 1
    for which in np.split(np.arange(len(terms.mails)), cuts):
        yield terms.at(which)
