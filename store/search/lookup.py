"""Needles looked up in an index: which emails of its segments hold them.

Answers are arrays with a place for every id there is up to the end of the index, so that and, or and not are one
operation each, whatever is found. A needle inside of words is looked for in the dictionary, terms in order, and never
in a mail: the terms that contain it give the mails. Words one after another are proved by their places.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.changes.engine import AccountView
from store.search import languages, segment
from store.search.coding import Numbers
from store.search.document import Field
from store.search.postings import LANGUAGE
from store.search.segment import Block, Terms
from store.search.state import Generation, Segment
from store.search.words import Match, Piece, single_word

Ids = NDArray[np.bool_]  #: by email id

_AT_ONCE = 1_000_000  #: mails of terms decoded in one go


@dataclass(frozen=True, slots=True)
class Needle:
    """What is looked for, and where."""

    pieces: tuple[Piece, ...]
    fields: frozenset[Field]
    has_stems: bool = False  #: a single word is also found in its other forms, in mails of a known language


class Lookup:
    """Answers needles from one snapshot of an index. Raises Damaged from every method."""

    def __init__(self, view: AccountView, generation: Generation) -> None:
        self._view = view
        self._segments = generation.segments
        self._size = generation.upto + 1
        self._languages: dict[int, Ids] | None = None

    def holding(self, needle: Needle) -> Ids:
        """The emails that hold a needle, those destroyed since included."""
        found = np.zeros(self._size, dtype=np.bool_)
        if not needle.pieces:
            found[:] = True
            return found
        for one in self._segments:
            if len(needle.pieces) == 1:
                self._single(one, needle, found)
            else:
                self._phrase(one, needle, found)
        word = single_word(needle.pieces) if needle.has_stems else None
        if word is not None and not word.isdigit():
            self._stemmed(word, needle.fields, found)
        return found

    def _single(self, one: Segment, needle: Needle, found: Ids) -> None:
        for terms in self._matching(one, needle.pieces[0]):
            self._add(one, terms, needle.fields, found)

    def _add(self, one: Segment, terms: Terms, fields: frozenset[Field], found: Ids) -> None:
        """Mails that have any of these terms in any of these fields."""
        for some in _portions(terms):
            mails = segment.mails_of(self._view, one.id, some)
            if len(fields) < len(Field):
                mails = mails[(segment.fields_of(self._view, one.id, some) & _bits(fields)) != 0]
            found[mails] = True

    def _phrase(self, one: Segment, needle: Needle, found: Ids) -> None:
        """Mails with one term for each piece first, then those of them where the terms stand side by side."""
        each = [Terms.joined(some) for p in needle.pieces if (some := list(self._matching(one, p)))]
        if len(each) < len(needle.pieces):
            return
        both = np.ones(self._size, dtype=np.bool_)
        for terms in sorted(each, key=lambda terms: int(terms.mails.sum())):
            have = np.zeros(self._size, dtype=np.bool_)
            self._add(one, terms, needle.fields, have)
            both &= have
            if not both.any():
                return
        beginnings: Numbers | None = None
        for ahead, terms in sorted(enumerate(each), key=lambda pair: int(pair[1].mails.sum())):
            spots = self._spots(one, terms, both) - 8 * ahead
            beginnings = spots if beginnings is None else np.intersect1d(beginnings, spots)
            if not len(beginnings):
                return
            both = np.zeros(self._size, dtype=np.bool_)
            both[beginnings >> _MAIL_BITS] = True
        assert beginnings is not None
        inside = np.isin(beginnings & 7, np.array(sorted(needle.fields)))
        found[beginnings[inside] >> _MAIL_BITS] = True

    def _spots(self, one: Segment, terms: Terms, wanted: Ids) -> Numbers:
        """Where these terms stand in wanted mails: mail and place in one number, so that positions can be compared."""
        pieces: list[Numbers] = []
        for some in _portions(terms):
            places = segment.places_of(self._view, one.id, some)
            mails = np.repeat(segment.mails_of(self._view, one.id, some), places.counts)
            is_wanted = wanted[mails]
            pieces.append((mails[is_wanted] << _MAIL_BITS) + places.places[is_wanted])
        return np.unique(np.concatenate(pieces))

    def _stemmed(self, word: str, fields: frozenset[Field], found: Ids) -> None:
        """Add mails that have another form of the word, by the stems of the language each is written in."""
        for language, spoken in self._spoken().items():
            start = languages.common_start(language, word)
            wanted = languages.stems(language, [word])[0]
            have = np.zeros(self._size, dtype=np.bool_)
            for one in self._segments:
                for terms in self._with_stem(one, language, start, wanted):
                    self._add(one, terms, fields, have)
            found |= have & spoken

    def _with_stem(self, one: Segment, language: int, start: str, stem: str) -> Iterator[Terms]:
        for block, places in _with_prefix(self._view, one, start.encode()):
            written = block.row.terms.split(b"\n")
            stems = languages.stems(language, [written[at].decode() for at in places])
            same = [at for at, its_stem in zip(places, stems, strict=True) if its_stem == stem]
            if same:
                yield block.terms().at(np.array(same))

    def _spoken(self) -> dict[int, Ids]:
        """The emails of each language that is known."""
        if self._languages is None:
            self._languages = {}
            for one in self._segments:
                for block, places in _with_prefix(self._view, one, LANGUAGE.encode()):
                    names, terms = block.row.terms.split(b"\n"), block.terms()
                    for at in places:
                        mails = segment.mails_of(self._view, one.id, terms.at(np.array([at])))
                        number = ord(names[at].decode()[-1]) - 1
                        self._languages.setdefault(number, np.zeros(self._size, dtype=np.bool_))[mails] = True
            self._languages.pop(languages.UNKNOWN, None)
        return self._languages

    def _matching(self, one: Segment, piece: Piece) -> Iterator[Terms]:
        """The terms of a segment that a piece matches."""
        octets = piece.text.encode()
        match piece.match:
            case Match.IS:
                block = segment.block_with(self._view, one.id, octets)
                if block is not None and (places := _find(block, b"\n%b\n" % octets)):
                    yield block.terms().at(np.array(places))
                return
            case Match.STARTS:
                each = _with_prefix(self._view, one, octets)
            case Match.ENDS:
                each = _anywhere(self._view, one, octets + b"\n")
            case Match.INSIDE:
                each = _anywhere(self._view, one, octets)
        for block, places in each:
            yield block.terms().at(np.array(places))


_MAIL_BITS = 20  #: of position and field in a spot: 17 and 3


def _bits(fields: frozenset[Field]) -> int:
    return sum(1 << field for field in fields)


def _portions(terms: Terms) -> Iterator[Terms]:
    """The same terms, so many at a time that their mails fit into memory; one very common term comes alone."""
    cuts = np.flatnonzero(np.diff(np.cumsum(terms.mails) // _AT_ONCE)) + 1
    for which in np.split(np.arange(len(terms.mails)), cuts):
        yield terms.at(which)


def _anywhere(view: AccountView, one: Segment, octets: bytes) -> Iterator[tuple[Block, list[int]]]:
    """Blocks of the whole dictionary with the places of terms that contain these octets."""
    for block in segment.blocks(view, one.id):
        places = _find(block, octets)
        if places:
            yield block, places


def _with_prefix(view: AccountView, one: Segment, octets: bytes) -> Iterator[tuple[Block, list[int]]]:
    """The same for terms that start with them: a range of the dictionary."""
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
