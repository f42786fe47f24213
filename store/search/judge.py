"""Conditions decided for many emails at once, in one snapshot, from indexes and rows alone.

An answer has two sides: emails that certainly meet a condition, and those that possibly do. They differ only where a
mail has to be read: one that is not indexed yet, or whose header was asked for. Whoever asks reads just these, notes
what they say (``Facts``), and asks again. "Not" exchanges the sides, so nothing has to be known that does not matter.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from store.changes.engine import AccountView
from store.mail import emails, reading
from store.mail.filters import (
    Among,
    And,
    Attachment,
    ChangedSince,
    Filter,
    HeaderWords,
    InMailbox,
    InThread,
    Keyword,
    Not,
    Or,
    OutsideOf,
    Place,
    Received,
    Sent,
    Share,
    Size,
    ThreadKeyword,
    Words,
)
from store.mail.model import EmailState, ThreadId
from store.schema import keys
from store.search import columns, languages
from store.search.coding import Damaged, Numbers
from store.search.columns import ColumnsBlock, Table, table_of
from store.search.document import (
    EVERYWHERE,
    INDEXED_HEADERS,
    NO_DATE,
    SORT_TEXTS,
    Document,
    Field,
    SortRow,
    sort_row,
)
from store.search.lookup import Ids, Lookup, Needle
from store.search.state import Generation
from store.search.texts import Header, SearchTooLarge
from store.search.words import holds, needle, single_word, split

Truth = NDArray[np.bool_]
Asked = Words | HeaderWords  #: what a mail itself has to answer

FIELDS = {
    Place.TEXT: EVERYWHERE,
    Place.FROM: frozenset({Field.FROM}),
    Place.TO: frozenset({Field.TO}),
    Place.CC: frozenset({Field.CC}),
    Place.BCC: frozenset({Field.BCC}),
    Place.SUBJECT: frozenset({Field.SUBJECT}),
    Place.BODY: frozenset({Field.BODY}),
    Place.ATTACHMENT: frozenset({Field.ATTACHMENT}),
}
#: How dear a condition is: what is cheap decides first, and the dear look only at what is left.
_COSTS: dict[type, int] = {
    Among: 0,
    Words: 0,
    Received: 1,
    Sent: 1,
    Size: 1,
    Attachment: 1,
    InThread: 1,
    HeaderWords: 4,
}
_DENSE = 4  #: ids in a range for each wanted one, up to which the range is read instead of each


@dataclass(frozen=True, slots=True)
class Sides:
    """For each email: whether it certainly, and whether it possibly meets a condition."""

    certain: Truth
    possible: Truth

    @staticmethod
    def known(truth: Truth) -> "Sides":
        return Sides(truth, truth)


@dataclass(slots=True)
class Facts:
    """What mails that were read said, by id: for each condition whether it holds."""

    said: dict[Asked, dict[int, bool]] = field(default_factory=dict)


def answer(asked: Asked, document: Document | None, header: Header | None) -> bool:
    """What a mail that was read says to a condition."""
    if isinstance(asked, HeaderWords):
        assert header is not None
        phrases = [needle(phrase) for phrase in asked.phrases]
        values = [split(value) for name, value in header.fields if name == asked.name]
        return any(all(holds(pieces, words) for pieces in phrases) for words in values)
    assert document is not None
    return all(holds_in(needle_of(asked, at), document) for at in range(len(asked.phrases)))


def needle_of(asked: Words, at: int) -> Needle:
    phrase = asked.phrases[at]
    return Needle(needle(phrase.text), FIELDS[asked.place], not phrase.is_exact)


def holds_in(wanted: Needle, document: Document) -> bool:
    """Whether a mail holds a needle: what the index answers, asked of one mail."""
    if any(holds(wanted.pieces, document.fields[each]) for each in wanted.fields):
        return True
    word = single_word(wanted.pieces) if wanted.has_stems else None
    language = document.row.language
    if word is None or word.isdigit() or language == languages.UNKNOWN:
        return False
    said = [each for place in wanted.fields for each in document.fields[place]]
    start = languages.common_start(language, word)
    forms = sorted({each for each in said if each.startswith(start)})
    return languages.stems(language, [word])[0] in languages.stems(language, forms)


def asked_in(wanted: Filter) -> Iterator[Asked]:
    """The conditions that a mail itself has to answer."""
    match wanted:
        case And(parts) | Or(parts):
            for part in parts:
                yield from asked_in(part)
        case Not(part):
            yield from asked_in(part)
        case Words() | HeaderWords():
            yield wanted


class Judge:
    """Decides in one snapshot. Raises Damaged when the index is, SearchTooLarge beyond ``most_rows``."""

    def __init__(
        self, view: AccountView, generation: Generation, facts: Facts, known: dict[Needle, Ids], most_rows: int
    ) -> None:
        """``known`` remembers look-ups in this very generation, for the next snapshot of the same question."""
        self.view = view
        self.generation = generation
        self.lookup = Lookup(view, generation)
        self._facts = facts
        self._known = known
        self._rows_left = most_rows
        self._states: dict[int, EmailState | None] = {}
        self._shares: dict[tuple[int, str], tuple[bool, bool]] = {}
        self._table: tuple[Numbers, Table] | None = None

    def decide(self, wanted: Filter, ids: Numbers) -> Sides:
        """For each email, in the order given."""
        match wanted:
            case And(parts):
                return self._many(parts, ids, deciding=False)
            case Or(parts):
                return self._many(parts, ids, deciding=True)
            case Not(part):
                sides = self.decide(part, ids)
                return Sides(~sides.possible, ~sides.certain)
            case Words():
                return self._words(wanted, ids)
            case HeaderWords():
                return self._header(wanted, ids)
            case Among():
                return Sides.known(np.isin(ids, wanted.ids))
            case Received() | Sent() | Size() | Attachment() | InThread():
                return Sides.known(self._by_columns(wanted, self.columns(ids)))
            case ThreadKeyword(share, keyword):
                threads = self.columns(ids)["thread"].tolist()
                at = 0 if share is Share.ALL else 1
                return Sides.known(np.array([self.share(one, keyword)[at] for one in threads], dtype=np.bool_))
            case _:
                return Sides.known(self._by_state(wanted, ids))

    def _many(self, parts: Iterable[Filter], ids: Numbers, *, deciding: bool) -> Sides:
        """One part after another, the cheap ones first, each asked only about what is not decided yet."""
        certain = np.full(len(ids), not deciding)
        possible = certain.copy()
        for part in sorted(parts, key=lambda part: _COSTS.get(type(part), 2)):
            open_ = np.flatnonzero(~certain if deciding else possible)
            if not len(open_):
                break
            sides = self.decide(part, ids if len(open_) == len(ids) else ids[open_])
            if deciding:
                certain[open_] |= sides.certain
                possible[open_] |= sides.possible
            else:
                certain[open_] &= sides.certain
                possible[open_] &= sides.possible
        return Sides(certain, possible)

    def holding(self, wanted: Needle) -> Ids:
        if wanted not in self._known:
            self._known[wanted] = self.lookup.holding(wanted)
        return self._known[wanted]

    def _words(self, asked: Words, ids: Numbers) -> Sides:
        certain = np.ones(len(ids), dtype=np.bool_)
        is_in = ids <= self.generation.upto
        for at in range(len(asked.phrases)):
            certain[is_in] &= self.holding(needle_of(asked, at))[ids[is_in]]
        return self._with_facts(asked, ids, certain, ~is_in)

    def _header(self, asked: HeaderWords, ids: Numbers) -> Sides:
        """The index says where it cannot be; whether it is there, only the header itself."""
        may_be = np.ones(len(ids), dtype=np.bool_)
        if asked.name in INDEXED_HEADERS:
            is_in = ids <= self.generation.upto
            for phrase in asked.phrases:
                found = self.holding(Needle(needle(phrase), frozenset({Field.HEADER})))
                may_be[is_in] &= found[ids[is_in]]
        return self._with_facts(asked, ids, np.zeros(len(ids), dtype=np.bool_), may_be)

    def _with_facts(self, asked: Asked, ids: Numbers, certain: Truth, is_open: Truth) -> Sides:
        """Emails that are open are certain as far as they were read, and possible where they were not."""
        certain, possible = certain & ~is_open, certain | is_open
        said = self._facts.said.get(asked, {})
        if said:
            for at in np.flatnonzero(is_open).tolist():
                truth = said.get(int(ids[at]))
                if truth is not None:
                    certain[at] = possible[at] = truth
        return Sides(certain, possible)

    def columns(self, ids: Numbers) -> Table:
        """What emails are sorted and narrowed by, in the order given; emails that are gone have zeros."""
        if self._table is not None and self._table[0] is ids:
            return self._table[1]
        table = np.zeros(len(ids), dtype=columns.NUMBERS)
        for block, wanted, places in self._blocks(ids):
            table[wanted] = block.table[places]
        for at in np.flatnonzero(table["id"] == 0).tolist():
            row = self._sort_row(int(ids[at]))
            if row is not None:
                table[at] = table_of([row])[0]
        self._table = ids, table
        return table

    def texts(self, ids: Numbers, name: str) -> list[str]:
        """One of SORT_TEXTS of each email, in the order given; "" for emails that are gone."""
        found: list[str | None] = [None] * len(ids)
        for block, wanted, places in self._blocks(ids):
            texts = block.texts(name)
            for at, place in zip(wanted.tolist(), places.tolist(), strict=True):
                found[at] = texts[place]
        for at, text in enumerate(found):
            if text is None:
                row = self._sort_row(int(ids[at]))
                found[at] = row.texts[SORT_TEXTS.index(name)] if row is not None else ""
        return [text or "" for text in found]

    def _blocks(self, ids: Numbers) -> Iterator[tuple[ColumnsBlock, Numbers, Numbers]]:
        """Blocks of columns, with which emails they hold and where."""
        order = np.argsort(ids, kind="stable")
        ascending = ids[order]
        for one in self.generation.segments:
            low, high = np.searchsorted(ascending, one.first), np.searchsorted(ascending, one.last, side="right")
            for block, wanted, places in columns.blocks_with(self.view, one.id, ascending[low:high]):
                yield block, order[low + wanted], places

    def _sort_row(self, email_id: int) -> SortRow | None:
        """From the email's own row, when the index does not have it."""
        self.spend(1)
        email = emails.get(self.view, email_id)
        if email is None:
            return None
        if email_id <= self.generation.upto:
            raise Damaged(f"email {email_id} is missing from the index")
        return sort_row(email)

    @staticmethod
    def _by_columns(wanted: Received | Sent | Size | Attachment | InThread, table: Table) -> Truth:
        match wanted:
            case Received(after_ms, before_ms):
                return _between(table["received"], after_ms, before_ms)
            case Sent(after_ms, before_ms):
                return _between(table["sent"], max(after_ms, NO_DATE + 1), before_ms)
            case Size(at_least, below):
                return _between(table["size"], at_least, below)
            case Attachment():
                return np.array(table["attachment"])
            case InThread(thread):
                return np.array(table["thread"] == thread)

    def _by_state(self, wanted: Filter, ids: Numbers) -> Truth:
        test = _state_test(wanted)
        states = self.states(ids)
        return np.array([state is not None and test(state) for state in states], dtype=np.bool_)

    def states(self, ids: Numbers) -> list[EmailState | None]:
        """None for emails that are gone."""
        wanted = ids.tolist()
        missing = [each for each in wanted if each not in self._states]
        if missing:
            self.spend(len(missing))
            low, high = min(missing), max(missing)
            if high - low < _DENSE * len(missing):
                found = self.view.scan(keys.state(low), keys.state(high) + b"\x00")
                self._states.update(dict.fromkeys(missing))
                self._states.update((keys.read_u64(key[1:9]), emails.read_state(row)) for key, row in found)
            else:
                self._states.update((each, emails.state(self.view, each)) for each in missing)
        return [self._states[each] for each in wanted]

    def share(self, thread: int, keyword: str) -> tuple[bool, bool]:
        """Whether all, and whether some emails of a thread have a keyword."""
        known = self._shares.get((thread, keyword))
        if known is None:
            members = np.fromiter(reading.thread_ids(self.view, ThreadId(thread)), dtype=np.int64)
            have = [state is not None and keyword in state.keywords for state in self.states(members)]
            known = self._shares[thread, keyword] = (all(have), any(have))
        return known

    def spend(self, rows: int) -> None:
        """Raises SearchTooLarge."""
        self._rows_left -= rows
        if self._rows_left < 0:
            raise SearchTooLarge


def _between(numbers: Numbers, at_least: int, below: int) -> Truth:
    """Bounds may lie outside of what a column can hold."""
    most = (1 << 63) - 1
    truth = numbers >= min(at_least, most)
    return truth & (numbers < below) if below <= most else truth


def _state_test(wanted: Filter) -> Callable[[EmailState], bool]:
    match wanted:
        case InMailbox(mailbox):
            return lambda state: mailbox in state.placements
        case OutsideOf(mailboxes):
            return lambda state: any(mailbox not in mailboxes for mailbox in state.placements)
        case Keyword(keyword):
            return lambda state: keyword in state.keywords
        case ChangedSince(modseq):
            return lambda state: state.modseq >= modseq
        case _:
            raise AssertionError(f"{type(wanted).__name__} is decided elsewhere")
