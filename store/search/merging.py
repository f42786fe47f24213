"""Segments into one: postings joined term by term, those of destroyed mails left out.

A segment is merged with its neighbours when eight of about the same size stand side by side, so an account of N mails
has a handful of segments for each power of eight, and a posting is written again about log8(N) times in its life.
Only some terms of each segment are in memory, with their postings.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from store.changes.engine import AccountView
from store.schema import keys
from store.search import coding, segment
from store.search.coding import Numbers
from store.search.columns import BLOCK_MAILS, ColumnsBlock, Table, pack_block
from store.search.document import SORT_TEXTS
from store.search.postings import Postings, Row
from store.search.state import Generation, Segment

FAN = 8  #: neighbours of one size that become one segment
PORTION_OCTETS = 512 * 1024  #: of the places of a segment's terms that are merged at once
GONE_SHARE = 0.3  #: of a segment's mails, from which on it is written again without them


def level(mails: int) -> int:
    """Power of ``FAN``."""
    return max(mails - 1, 0).bit_length() // 3


def due(generation: Generation, gone: Numbers) -> tuple[Segment, ...]:
    """Neighbours to merge next: the smallest first; or one that holds too much that is gone. Empty: nothing to do."""
    each = generation.segments
    levels = [level(one.mails) for one in each]
    best: tuple[Segment, ...] = ()
    for start, rank in enumerate(levels):
        equal = 0
        for end in range(start, len(each)):
            if levels[end] > rank:
                break
            equal += levels[end] == rank  # smaller ones between them, left by what was destroyed, come along
            if equal == FAN:
                if not best or rank < level(best[0].mails):
                    best = each[start : end + 1]
                break
    if best or not len(gone):
        return best
    for one in each:
        dead = np.searchsorted(gone, one.last, side="right") - np.searchsorted(gone, one.first)
        if dead > GONE_SHARE * one.mails + 20:
            return (one,)
    return ()


@dataclass(slots=True)
class Source:
    """A segment being read from its first term to its last."""

    id: int
    postings: Postings | None = None  #: read, and not yet merged
    position: bytes = b""
    is_at_end: bool = False
    _block: segment.Block | None = None
    _done: int = 0  #: terms of the block that were read

    def fetch(self, view: AccountView) -> None:
        """Read the next terms when the last ones are used up. Raises Damaged."""
        if self.postings is not None or self.is_at_end:
            return
        if self._block is None:
            start = self.position or keys.dictionary(self.id, b"")
            end = keys.prefix_end(keys.dictionary(self.id, b""))
            found = next(view.scan(start, end, limit=1), None)
            if found is None:
                self.is_at_end = True
                return
            self.position = found[0] + b"\x00"
            self._block, self._done = segment.read_block(found[1]), 0
        self.postings = self._portion(view, self._block)

    def _portion(self, view: AccountView, block: segment.Block) -> Postings:
        """As many terms of a block as fit into memory; a very common one comes alone."""
        whole, low = block.terms(), self._done
        room = int(np.searchsorted(np.cumsum(whole.place_octets[low:]), PORTION_OCTETS))
        high = min(low + max(room, 1), len(whole.mails))
        terms = whole.at(np.arange(low, high))
        self._done = high
        if high == len(whole.mails):
            self._block = None
        read = segment.chunks(view, self.id)
        places = segment.places_of(read, terms)
        return Postings(
            block.row.terms.split(b"\n")[low:high],
            terms.mails,
            segment.mails_of(read, terms),
            segment.fields_of(read, terms),
            places.counts,
            places.places,
        )

    def take(self, last: bytes) -> Postings | None:
        """What there is up to a term; the rest stays."""
        whole = self.postings
        if whole is None:
            return None
        cut = bisect_right(whole.terms, last)
        if cut == len(whole.terms):
            self.postings = None
            return whole
        self.postings = _between(whole, cut, len(whole.terms))
        return _between(whole, 0, cut) if cut else None


def _between(whole: Postings, low: int, high: int) -> Postings:
    """The postings of a stretch of the terms."""
    mail_ends = np.append(0, np.cumsum(whole.mails_a_term))
    place_ends = np.append(0, np.cumsum(whole.places_a_mail))
    first, last = mail_ends[low], mail_ends[high]
    return Postings(
        whole.terms[low:high],
        whole.mails_a_term[low:high],
        whole.mails[first:last],
        whole.fields[first:last],
        whole.places_a_mail[first:last],
        whole.places[place_ends[first] : place_ends[last]],
    )


def step(sources: Sequence[Source], gone: Numbers) -> Postings | None:
    """The next terms of all sources, merged, once each has fetched; None when all are at their end."""
    ready = [source.postings for source in sources if source.postings is not None]
    if not ready:
        return None
    last = min(one.terms[-1] for one in ready)
    return joined([taken for source in sources if (taken := source.take(last)) is not None], gone)


def joined(several: Sequence[Postings], gone: Numbers) -> Postings:
    """One postings from several, given in the order of their mails, without mails that are gone."""
    terms = sorted(set().union(*(one.terms for one in several)))
    rank_of = {term: rank for rank, term in enumerate(terms)}
    ranks = np.concatenate(
        [
            np.repeat(np.fromiter(map(rank_of.__getitem__, one.terms), np.int64, len(one.terms)), one.mails_a_term)
            for one in several
        ]
    )
    mails, fields, counts, places = (
        np.concatenate([getattr(one, name) for one in several])
        for name in ("mails", "fields", "places_a_mail", "places")
    )
    starts = np.cumsum(counts) - counts
    order = np.argsort(ranks, kind="stable")
    if len(gone):
        order = order[~np.isin(mails[order], gone)]
    found = np.bincount(ranks[order], minlength=len(terms)).astype(np.int64)
    return Postings(
        [term for term, has in zip(terms, (found > 0).tolist(), strict=True) if has],
        found[found > 0],
        mails[order],
        fields[order],
        counts[order],
        places[coding.pieces(starts[order], counts[order])] if len(order) else places[:0],
    )


class ColumnsMerger:
    """Blocks of columns, in the order of their emails, into full ones without what is gone."""

    def __init__(self, target: int, gone: Numbers) -> None:
        self._target = target
        self._gone = gone
        self._tables: list[Table] = []
        self._texts: tuple[list[str], ...] = tuple([] for _ in SORT_TEXTS)
        self.mails = 0

    def add(self, block: ColumnsBlock) -> list[Row]:
        """Rows that are ready. Raises Damaged."""
        kept = np.flatnonzero(~np.isin(block.table["id"], self._gone))
        self._tables.append(block.table[kept])
        for column, name in zip(self._texts, SORT_TEXTS, strict=True):
            texts = block.texts(name)
            column += [texts[at] for at in kept.tolist()]
        return self._full(BLOCK_MAILS)

    def end(self) -> list[Row]:
        return self._full(1)

    def _full(self, least: int) -> list[Row]:
        table = np.concatenate(self._tables) if self._tables else np.zeros(0)
        rows: list[Row] = []
        while len(table) >= least:
            some, table = table[:BLOCK_MAILS], table[BLOCK_MAILS:]
            rows.append(pack_block(self._target, some, [column[:BLOCK_MAILS] for column in self._texts]))
            for column in self._texts:
                del column[:BLOCK_MAILS]
            self.mails += len(some)
        self._tables = [table] if len(table) else []
        return rows
