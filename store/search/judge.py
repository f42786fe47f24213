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
from store.search.columns import NUMBERS, table_of
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
from store.search.lookup import Lookup, Needle
from store.search.members import Members
from store.search.memory import Memory
from store.search.reader import IDS, Ids, SegmentReader, beginnings
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
        self,
        view: AccountView,
        generation: Generation,
        facts: Facts,
        known: dict[Needle, Ids],
        most_rows: int,
        memory: Memory,
    ) -> None:
        """``known`` remembers look-ups in this very generation, for the next snapshot of the same question."""
        self.view = view
        self.generation = generation
        self.lookup = Lookup(view, generation, memory)
        self.members = Members(view, memory)
        self._facts = facts
        self._known = known
        self._rows_left = most_rows
        self._states: dict[int, EmailState | None] = {}
        self._shares: dict[tuple[int, str], tuple[bool, bool]] = {}

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
                return Sides.known(self._by_columns(wanted, ids))
            case ThreadKeyword(share, keyword):
                threads = self.column(ids, "thread").tolist()
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

    def column(self, ids: Numbers, name: str) -> Numbers:
        """What emails are sorted and narrowed by, in the order given; 0 for emails that are gone.

        ``name`` is of NUMBERS; one of SORT_TEXTS gives numbers that sort as its beginning does.
        """
        found = np.zeros(len(ids), dtype=NUMBERS[name] if name in (NUMBERS.names or ()) else np.dtype(np.int64))
        is_open = np.ones(len(ids), dtype=np.bool_)
        for one, places in self._by_segment(ids):
            there = one.column(IDS, len(places))
            column = one.column(name, len(places))
            if there is not None and column is not None:
                offsets = ids[places] - one.segment.first
                found[places], is_open[places] = column[offsets], ~there[offsets]
                continue
            order = np.argsort(ids[places], kind="stable")
            for block, wanted, held in columns.blocks_with(self.view, one.segment.id, ids[places[order]]):
                values = beginnings(block.texts(name)) if name in SORT_TEXTS else block.table[name]
                where = places[order[wanted]]
                found[where], is_open[where] = values[held], False
        for at in np.flatnonzero(is_open).tolist():
            row = self._sort_row(int(ids[at]))
            if row is not None:
                value = beginnings([_text(row, name)]) if name in SORT_TEXTS else table_of([row])[name]
                found[at] = value[0]
        return found

    def texts(self, ids: Numbers, name: str) -> list[str]:
        """One of SORT_TEXTS of each email, in the order given; "" for emails that are gone."""
        found: list[str | None] = [None] * len(ids)
        for one, places in self._by_segment(ids):
            order = np.argsort(ids[places], kind="stable")
            for texts, wanted in one.texts(name, ids[places[order]]):
                for at, text in zip(places[order[wanted]].tolist(), texts, strict=True):
                    found[at] = text
        for at, known in enumerate(found):
            if known is None:
                row = self._sort_row(int(ids[at]))
                found[at] = _text(row, name) if row is not None else ""
        return [text or "" for text in found]

    def _by_segment(self, ids: Numbers) -> Iterator[tuple[SegmentReader, Numbers]]:
        """Each segment that may hold some of the emails, with where these stand in ``ids``."""
        is_ascending = bool((ids[1:] >= ids[:-1]).all())
        for one in self.lookup.readers:
            first, last = one.segment.first, one.segment.last
            if is_ascending:
                places = np.arange(np.searchsorted(ids, first), np.searchsorted(ids, last, side="right"))
            else:
                places = np.flatnonzero((ids >= first) & (ids <= last))
            if len(places):
                yield one, places

    def _sort_row(self, email_id: int) -> SortRow | None:
        """From the email's own row, when the index does not have it."""
        self.spend(1)
        email = emails.get(self.view, email_id)
        if email is None:
            return None
        if email_id <= self.generation.upto:
            raise Damaged(f"email {email_id} is missing from the index")
        return sort_row(email)

    def _by_columns(self, wanted: Received | Sent | Size | Attachment | InThread, ids: Numbers) -> Truth:
        match wanted:
            case Received() if wanted == Received():
                return np.ones(len(ids), dtype=np.bool_)
            case Received(after_ms, before_ms):
                return _between(self.column(ids, "received"), after_ms, before_ms)
            case Sent(after_ms, before_ms):
                return _between(self.column(ids, "sent"), max(after_ms, NO_DATE + 1), before_ms)
            case Size(at_least, below):
                return _between(self.column(ids, "size"), at_least, below)
            case Attachment():
                return np.array(self.column(ids, "attachment"), dtype=np.bool_)
            case InThread(thread):
                return np.array(self.column(ids, "thread") == thread)

    def _by_state(self, wanted: Filter, ids: Numbers) -> Truth:
        if isinstance(wanted, InMailbox):
            inside = self.members.among(wanted.mailbox, ids, self.spend)
            if inside is not None:
                return inside
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


def _text(row: SortRow, name: str) -> str:
    return row.texts[SORT_TEXTS.index(name)]


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
