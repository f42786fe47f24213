"""A whole question: which emails, in which order, how many. RFC 8621 §4.4, RFC 5256 §2.2.

There are two ways. *By date*: walk a mailbox from its newest (or oldest) email and stop when the page is full; what
that costs does not depend on how large the mailbox is. *By the index*: the emails that the index names, then what
rows say about them, then the order from columns. The second is taken when every match is needed, or when the matches
are so few that walking would take longer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from store.changes.engine import AccountId, AccountView, Store
from store.mail import emails, mailboxes, reading
from store.mail.filters import EVERYTHING, And, Filter, HeaderWords, InMailbox, Received, Words
from store.mail.model import Email, MailboxId
from store.schema import keys
from store.schema.rows import RowDamaged
from store.search import state as states
from store.search.coding import Damaged, Numbers
from store.search.document import INDEXED_HEADERS, Field
from store.search.judge import Facts, Judge, answer, asked_in, needle_of
from store.search.lookup import Needle
from store.search.memory import Memory, memory_of
from store.search.ordering import NEWEST, SortBy, SortKey, first_of_threads, in_front, order
from store.search.reader import Ids
from store.search.state import Generation
from store.search.texts import Budget, SearchTooLarge, Texts
from store.search.words import RULES, needle

_R = TypeVar("_R")

NO_ROWS_LIMIT = 1 << 62
_READ_AT_ONCE = 200  #: mails named by one snapshot to be read after it
_MOST_STEP = 2_048  #: emails of a walk by date decided at once
_MOST_PASSES = 10_000
_STATE_COST = 8  #: what reading one state costs, in steps of a walk


@dataclass(frozen=True, slots=True)
class Question:
    """What to find."""

    wanted: Filter = EVERYTHING
    sort: tuple[SortKey, ...] = NEWEST
    enough: int | None = None  #: how many of the first are enough; None: all are needed
    collapse_threads: bool = False  #: only the first email of each thread
    wants_total: bool = False  #: how many there are, even when fewer are enough


@dataclass(frozen=True, slots=True)
class Found:
    """Emails in order. All of them, unless fewer were enough."""

    modseq: int
    ids: list[int]
    total: int | None  #: when it was asked for


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may cost."""

    rows: int = NO_ROWS_LIMIT
    budget: Budget | None = None  #: of mails that are read


class _Asking:
    """One question over several snapshots: what was read for it, and what still has to be."""

    def __init__(self, memory: Memory) -> None:
        self.facts = Facts()
        self._memory = memory
        self.unread: list[Email] = []
        self.is_index_good = True
        self._generation = Generation()
        self._known: dict[Needle, Ids] = {}
        self._view: AccountView | None = None

    def judge(self, view: AccountView, most_rows: int) -> Judge:
        generation = Generation()
        if self.is_index_good:
            try:
                generation = states.get(view).serving
            except RowDamaged as error:
                raise Damaged(str(error)) from error
            if generation.rules != RULES:
                generation = Generation()  # other rules find other words; a job makes the index anew
        if generation != self._generation:
            self._known, self._generation = {}, generation
        self.unread, self._view = [], view
        return Judge(view, generation, self.facts, self._known, most_rows, self._memory)

    @property
    def most_words(self) -> int:
        return self._generation.most_words

    def note_unread(self, ids: Numbers) -> None:
        """These have to be read before the answer is known: some of them now."""
        assert self._view is not None
        for email_id in ids[:_READ_AT_ONCE].tolist():
            email = emails.get(self._view, email_id)
            if email is not None:
                self.unread.append(email)
            else:
                for said in self.facts.said.values():
                    said[email_id] = False

    async def read(self, wanted: Filter, texts: Texts, budget: Budget | None) -> None:
        """Ask the mails themselves. Raises SearchTooLarge, StoreUnavailable."""
        for email in self.unread:
            for asked in asked_in(wanted):
                said = self.facts.said.setdefault(asked, {})
                if isinstance(asked, HeaderWords):
                    said[email.id] = answer(asked, None, await texts.header(email, budget))
                elif email.id > self._generation.upto:
                    said[email.id] = answer(asked, await texts.document(email, self.most_words, budget), None)


async def find(
    store: Store, account: AccountId, question: Question, texts: Texts | None = None, limits: Limits | None = None
) -> Found:
    """Answer a question. Raises SearchTooLarge, StoreUnavailable."""
    limits = limits or Limits()

    def body(view: AccountView, asking: _Asking) -> Found:
        plan = _Plan(asking.judge(view, limits.rows), question, asking)
        ids = plan.ids()
        total = plan.counted if plan.counted is not None else len(ids)
        return Found(view.modseq, ids.tolist(), total if question.wants_total else None)

    return await _asked(store, account, question.wanted, body, texts or Texts(store), limits)


async def accepted(
    store: Store, account: AccountId, wanted: Filter, ids: Numbers, limits: Limits | None = None
) -> Numbers:
    """Where in ``ids`` the emails stand that meet a condition, ascending. Raises SearchTooLarge, StoreUnavailable."""
    limits = limits or Limits()

    def body(view: AccountView, asking: _Asking) -> Numbers:
        sides = asking.judge(view, limits.rows).decide(wanted, ids)
        asking.note_unread(ids[sides.possible & ~sides.certain])
        return np.flatnonzero(sides.certain)

    return await _asked(store, account, wanted, body, Texts(store), limits)


async def in_order(store: Store, account: AccountId, ids: Numbers, sort: Sequence[SortKey]) -> Numbers:
    """Where in ``ids`` the emails stand, sorted; equal ones stay in their order. Raises StoreUnavailable."""

    def body(view: AccountView, asking: _Asking) -> Numbers:
        return order(asking.judge(view, NO_ROWS_LIMIT), ids, sort, np.arange(len(ids)))

    return await _asked(store, account, EVERYTHING, body, Texts(store), Limits())


async def _asked(
    store: Store,
    account: AccountId,
    wanted: Filter,
    body: Callable[[AccountView, _Asking], _R],
    texts: Texts,
    limits: Limits,
) -> _R:
    """Ask in one snapshot after another, until no mail is left that has to be read."""
    asking = _Asking(memory_of(store))
    for asked in asked_in(wanted):
        asking.facts.said.setdefault(asked, {})
    for _ in range(_MOST_PASSES):
        try:
            result = await store.read(lambda view: body(view.account(account), asking))
        except Damaged:
            if not asking.is_index_good:
                raise
            asking.is_index_good = False  # fsck names it, reindex mends it; meanwhile the mails themselves answer
            continue
        if not asking.unread:
            return result
        await asking.read(wanted, texts, limits.budget)
    raise SearchTooLarge


class _Plan:
    """How to answer in one snapshot."""

    def __init__(self, judge: Judge, question: Question, asking: _Asking) -> None:
        self._judge = judge
        self._view = judge.view
        self._question = question
        self._asking = asking
        self._sort = question.sort or NEWEST
        self._mailbox, self._received, self._rest = narrowed(question.wanted)
        self.counted = self._count() if question.wants_total else None
        self._enough = question.enough if self.counted is not None or not question.wants_total else None

    def _count(self) -> int | None:
        """How many there are, when the counters of a mailbox know."""
        if self._mailbox is None or self._rest != EVERYTHING or self._received != Received():
            return None
        counts = mailboxes.counts(self._view, self._mailbox)
        return counts.threads if self._question.collapse_threads else counts.total

    def ids(self) -> Numbers:
        """The emails in order; while mails have to be read, what is known so far."""
        named = self._named()
        if self._can_walk(named):
            return self._walk()
        candidates, wanted = self._candidates(named)
        sides = self._judge.decide(wanted, candidates)
        self._asking.note_unread(candidates[sides.possible & ~sides.certain])
        if self._asking.unread:
            return candidates[:0]
        return self._sorted(candidates[sides.certain])

    def _sorted(self, ids: Numbers) -> Numbers:
        """All matches in order, or the first of them that are enough."""
        enough = self._question.enough
        if self._question.collapse_threads:
            ids = ids[order(self._judge, ids, self._sort)]
            ids = ids[first_of_threads(self._judge.column(ids, "thread"))]
            self.counted = len(ids)
            return ids if enough is None else ids[:enough]
        self.counted = len(ids)
        if enough is not None:
            ids = in_front(self._judge, ids, self._sort, enough)
        return ids[order(self._judge, ids, self._sort)][:enough]

    def _named(self) -> Ids | None:
        """Emails of the index without which no match is possible; None when words do not narrow it."""
        named: Ids | None = None
        for part in self._rest.parts:
            for wanted in _needles(part):
                held = self._judge.holding(wanted)
                named = held if named is None else named & held
        return named

    def _can_walk(self, named: Ids | None) -> bool:
        enough = self._enough
        if self._sort[0].by is not SortBy.RECEIVED or enough is None:
            return False
        if named is None:
            return True
        count = int(np.count_nonzero(named))
        steps = enough * self._judge.generation.upto // (count + 1)
        return steps < count * _STATE_COST

    def _walk(self) -> Numbers:
        """Emails by date until there are enough, and all of the last moment, which other keys may put in order."""
        question, is_ascending = self._question, self._sort[0].is_ascending
        enough = self._enough or 0
        found: list[Numbers] = []
        threads: set[int] = set()
        count, last_ms = 0, -1
        for ids, received in _steps(self._dated(newest=not is_ascending), enough):
            if count >= enough and (len(self._sort) == 1 or int(received[0]) != last_ms):
                break
            self._judge.spend(len(ids))
            sides = self._judge.decide(self._rest, ids)
            self._asking.note_unread(ids[sides.possible & ~sides.certain])
            if self._asking.unread:
                return ids[:0]
            hits = ids[sides.certain]
            found.append(hits)
            if question.collapse_threads:
                threads.update(self._judge.column(hits, "thread").tolist())
            count = len(threads) if question.collapse_threads else count + len(hits)
            last_ms = int(received[-1])
        ids = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
        if len(self._sort) > 1:
            ids = ids[order(self._judge, ids, self._sort)]
        if question.collapse_threads:
            ids = ids[first_of_threads(self._judge.column(ids, "thread"))]
        return ids[:enough]

    def _dated(self, *, newest: bool) -> Iterator[tuple[int, int]]:
        after, before = self._received.after_ms, self._received.before_ms
        if self._mailbox is not None:
            return reading.by_date(self._view, self._mailbox, newest=newest, after_ms=after, before_ms=before)
        return reading.account_by_date(self._view, newest=newest, after_ms=after, before_ms=before)

    def _candidates(self, named: Ids | None) -> tuple[Numbers, Filter]:
        """Living emails among which all matches are, ascending, and what is left to ask of them."""
        within = (self._received, self._rest)
        whole = And((*within, InMailbox(self._mailbox))) if self._mailbox is not None else And(within)
        if named is None:
            ids = np.fromiter((email_id for _, email_id in self._dated(newest=True)), dtype=np.int64)
            self._judge.spend(len(ids))
            return np.sort(ids), self._rest
        ids = np.append(self._living(np.flatnonzero(named)), self._tail())
        return ids, whole

    def _living(self, ids: Numbers) -> Numbers:
        if not len(ids):
            return ids
        gone = np.fromiter(states.gone(self._view, 0, self._judge.generation.upto), dtype=np.int64)
        return ids[~np.isin(ids, gone)] if len(gone) else ids

    def _tail(self) -> Numbers:
        """Emails that the index does not know yet."""
        after = keys.state(self._judge.generation.upto + 1)
        rows = self._view.scan(after, keys.prefix_end(b"S"))
        ids = np.fromiter((keys.read_u64(key[1:9]) for key, _ in rows), dtype=np.int64)
        self._judge.spend(len(ids))
        return ids


def _needles(part: Filter) -> Iterator[Needle]:
    """What a part that must hold says about the index."""
    if isinstance(part, Words):
        for at in range(len(part.phrases)):
            wanted = needle_of(part, at)
            if wanted.pieces:
                yield wanted
    elif isinstance(part, HeaderWords) and part.name in INDEXED_HEADERS:
        for phrase in part.phrases:
            yield Needle(needle(phrase), frozenset({Field.HEADER}))


def _steps(dated: Iterator[tuple[int, int]], first: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Emails and dates, some at a time, ever more."""
    size = min(max(first, 1), _MOST_STEP)
    while some := list(islice(dated, size)):
        both = np.array(some, dtype=np.int64)
        yield both[:, 1], both[:, 0]
        size = min(size * 2, _MOST_STEP)


def narrowed(wanted: Filter) -> tuple[MailboxId | None, Received, And]:
    """A mailbox and dates that every match must have, and the filter without them."""
    mailbox: MailboxId | None = None
    received = Received()
    rest: list[Filter] = []
    for part in wanted.parts if isinstance(wanted, And) else (wanted,):
        if isinstance(part, InMailbox) and mailbox is None:
            mailbox = part.mailbox
        elif isinstance(part, Received):
            received = Received(
                max(received.after_ms, part.after_ms),
                min(received.before_ms, part.before_ms),
            )
        else:
            rest.append(part)
    return mailbox, received, And(tuple(rest))
