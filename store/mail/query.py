"""Which emails, in which order: filters over rows, as far as rows can tell.

A filter is reduced for each email to what is left to ask of its text: nothing (yes or no), or a smaller filter
that ``filters.holds_in_text`` answers from the mail's octets. So a transaction never waits for blobs, and only the
mails whose text decides are read. JMAP's Email/query and IMAP's SEARCH both fit. RFC 8621 §4.4, RFC 9051 §6.4.4.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby

from store.changes.engine import AccountView
from store.mail import emails, reading
from store.mail.filters import (
    EVERYTHING,
    And,
    Attachment,
    Filter,
    HeaderWords,
    InMailbox,
    Keyword,
    Not,
    Or,
    OutsideOf,
    Place,
    Received,
    Share,
    Size,
    ThreadKeyword,
    Words,
    all_in,
)
from store.mail.model import Email, EmailId, EmailState, MailboxId, ThreadId
from store.mail.searchable import fold
from store.mail.subjects import base_subject
from store.message.model import Address


class SortBy(Enum):
    RECEIVED = auto()
    SENT = auto()
    SIZE = auto()
    FROM = auto()
    TO = auto()
    SUBJECT = auto()
    KEYWORD = auto()
    ALL_IN_THREAD = auto()
    SOME_IN_THREAD = auto()


@dataclass(frozen=True, slots=True)
class SortKey:
    by: SortBy
    is_ascending: bool = True
    keyword: str = ""  #: of the last three


NEWEST = (SortKey(SortBy.RECEIVED, is_ascending=False),)


class TooManyRows(Exception):
    """The question needs more emails to be looked at than its budget allows."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An email that matches, or that matches if ``rest`` holds in its text."""

    candidate: "Candidate"
    rest: Filter | None

    @property
    def id(self) -> EmailId:
        return self.candidate.id


class Candidate:
    """An email whose rows are read when first asked for. Valid within its transaction; rows read stay."""

    __slots__ = ("_email", "_state", "_view", "id")

    def __init__(self, view: AccountView, email_id: EmailId) -> None:
        self._view = view
        self.id = email_id
        self._email: Email | None = None
        self._state: EmailState | None = None

    @property
    def email(self) -> Email:
        if self._email is None:
            self._email = emails.get(self._view, self.id)
            assert self._email is not None, "the dated index names only what exists"
        return self._email

    @property
    def state(self) -> EmailState:
        if self._state is None:
            self._state = emails.state(self._view, self.id)
            assert self._state is not None, "an email and its state live together"
        return self._state


class Query:
    """One question put to one snapshot."""

    def __init__(self, view: AccountView, wanted: Filter, sort: Sequence[SortKey], max_rows: int) -> None:
        self._view = view
        self._filter = wanted
        self._sort = tuple(sort) or NEWEST
        self._rows_left = max_rows
        self._shares: dict[tuple[ThreadId, str], tuple[bool, bool]] = {}

    def hits(self) -> Iterator[Hit]:
        """In order. By date alone they come as they are read; any other order reads all first. Raises TooManyRows."""
        first, others = self._sort[0], self._sort[1:]
        if first.by is SortBy.RECEIVED:
            for _, same in groupby(self._matching(newest=not first.is_ascending), key=lambda pair: pair[0]):
                hits = (hit for _, hit in same)
                yield from self._sorted(hits, others) if others else hits
            return
        yield from self._sorted((hit for _, hit in self._matching(newest=True)), self._sort)

    def _sorted(self, hits: Iterable[Hit], sort: Sequence[SortKey]) -> list[Hit]:
        found = list(hits)
        for key in reversed(sort):
            found.sort(key=self._sort_value(key), reverse=not key.is_ascending)
        return found

    def _matching(self, *, newest: bool) -> Iterator[tuple[int, Hit]]:
        """Matches with their dates, in the order of these."""
        mailbox, received, wanted = _narrowed(self._filter)
        after, before = received.after_ms, received.before_ms
        if mailbox is not None:
            dated = reading.by_date(self._view, mailbox, newest=newest, after_ms=after, before_ms=before)
        else:
            dated = reading.account_by_date(self._view, newest=newest, after_ms=after, before_ms=before)
        for received_ms, email_id in dated:
            self._rows_left -= 1
            if self._rows_left < 0:
                raise TooManyRows
            candidate = Candidate(self._view, email_id)
            rest = self._reduce(wanted, candidate)
            if rest is True:
                yield received_ms, Hit(candidate, None)
            elif rest is not False:
                _ = candidate.email  # its text is read after the transaction, which needs the blob's name
                yield received_ms, Hit(candidate, rest)

    def _reduce(self, wanted: Filter, one: Candidate) -> "Filter | bool":
        """What is left to ask of the text: nothing (True, False), or a smaller filter."""
        match wanted:
            case And(parts):
                return self._reduce_many(parts, one, deciding=False)
            case Or(parts):
                return self._reduce_many(parts, one, deciding=True)
            case Not(part):
                rest = self._reduce(part, one)
                return not rest if isinstance(rest, bool) else Not(rest)
            case HeaderWords():
                return wanted
            case Words(place, phrases):
                return self._reduce_words(wanted, place, phrases, one)
            case _:
                return self._holds(wanted, one)

    def _reduce_many(self, parts: Iterable[Filter], one: Candidate, *, deciding: bool) -> "Filter | bool":
        left: list[Filter] = []
        for part in parts:
            rest = self._reduce(part, one)
            if rest is deciding:
                return deciding
            if not isinstance(rest, bool):
                left.append(rest)
        if not left:
            return not deciding
        if len(left) == 1:
            return left[0]
        return Or(tuple(left)) if deciding else And(tuple(left))

    def _reduce_words(self, wanted: Words, place: Place, phrases: Sequence[str], one: Candidate) -> "Filter | bool":
        if place is Place.BODY:
            return wanted
        in_rows = all_in(phrases, _row_text(one.email, place))
        if place is Place.TEXT and not in_rows:
            return wanted
        return in_rows

    def _holds(self, wanted: Filter, one: Candidate) -> bool:
        match wanted:
            case InMailbox(mailbox):
                return mailbox in one.state.placements
            case OutsideOf(mailboxes):
                return any(mailbox not in mailboxes for mailbox in one.state.placements)
            case Received(after_ms, before_ms):
                return after_ms <= one.email.received_ms < before_ms
            case Size(at_least, below):
                return at_least <= one.email.size < below
            case Keyword(keyword):
                return keyword in one.state.keywords
            case ThreadKeyword(share, keyword):
                return self._share(one, keyword)[0 if share is Share.ALL else 1]
            case Attachment():
                return one.email.has_attachment
            case _:
                raise AssertionError(f"{type(wanted).__name__} is reduced elsewhere")

    def _share(self, one: Candidate, keyword: str) -> tuple[bool, bool]:
        """Whether all, and whether some emails of the thread have a keyword."""
        thread = one.email.thread
        known = self._shares.get((thread, keyword))
        if known is None:
            have = [keyword in s.keywords for s in self._thread_states(thread)]
            known = self._shares[thread, keyword] = (all(have), any(have))
        return known

    def _thread_states(self, thread: ThreadId) -> Iterator[EmailState]:
        for email_id in reading.thread_ids(self._view, thread):
            self._rows_left -= 1
            if self._rows_left < 0:
                raise TooManyRows
            yield Candidate(self._view, email_id).state

    def _sort_value(self, key: SortKey) -> Callable[[Hit], int | str | bool]:
        match key.by:
            case SortBy.KEYWORD:
                return lambda hit: key.keyword in hit.candidate.state.keywords
            case SortBy.ALL_IN_THREAD:
                return lambda hit: self._share(hit.candidate, key.keyword)[0]
            case SortBy.SOME_IN_THREAD:
                return lambda hit: self._share(hit.candidate, key.keyword)[1]
            case _:
                return lambda hit: _row_value(hit.candidate.email, key.by)


def required_mailbox(wanted: Filter) -> MailboxId | None:
    """The mailbox when the filter asks for it and nothing else, so that counts answer how many."""
    mailbox, received, rest = _narrowed(wanted)
    return mailbox if rest == EVERYTHING and received == Received() else None


def _narrowed(wanted: Filter) -> tuple[MailboxId | None, Received, Filter]:
    """A mailbox and dates that every match must have, and the filter without them: the index answers those."""
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


def _row_value(email: Email, by: SortBy) -> int | str:
    match by:
        case SortBy.SENT:
            return email.sent_ms if email.sent_ms is not None else email.received_ms
        case SortBy.SIZE:
            return email.size
        case SortBy.FROM:
            return _first_name(email.from_)
        case SortBy.TO:
            return _first_name(email.to)
        case SortBy.SUBJECT:
            return base_subject(email.subject)
        case _:
            return email.received_ms


def _first_name(addresses: Sequence[Address]) -> str:
    return fold(addresses[0].name or addresses[0].email) if addresses else ""


def _row_text(email: Email, place: Place) -> str:
    parts: dict[Place, tuple[Address, ...]] = {
        Place.FROM: email.from_,
        Place.TO: email.to,
        Place.CC: email.cc,
        Place.BCC: email.bcc,
        Place.TEXT: email.from_ + email.to + email.cc + email.bcc,
    }
    lines = [f"{address.name} <{address.email}>" for address in parts.get(place, ())]
    if place in (Place.SUBJECT, Place.TEXT):
        lines.append(email.subject)
    return "\n".join(fold(line) for line in lines)
