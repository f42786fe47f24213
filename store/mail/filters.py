"""What to ask of emails: a tree of conditions. ``store.search`` answers it. RFC 8621 §4.4.1, RFC 9051 §6.4.4."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from store.mail.model import MailboxId, ThreadId

LATEST_MS = (1 << 64) - 1
LATEST_SENT_MS = (1 << 63) - 1


class Place(Enum):
    """Where words are looked for."""

    TEXT = auto()  #: any of these, and the header fields that are indexed
    FROM = auto()
    TO = auto()
    CC = auto()
    BCC = auto()
    SUBJECT = auto()
    BODY = auto()
    ATTACHMENT = auto()  #: names of attached files


class Share(Enum):
    """How many emails of a thread."""

    ALL = auto()
    SOME = auto()


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Filter"


@dataclass(frozen=True, slots=True)
class InMailbox:
    mailbox: MailboxId


@dataclass(frozen=True, slots=True)
class OutsideOf:
    """In at least one mailbox that is none of these."""

    mailboxes: frozenset[MailboxId]


@dataclass(frozen=True, slots=True)
class Received:
    after_ms: int = 0  #: at or after
    before_ms: int = LATEST_MS  #: before


@dataclass(frozen=True, slots=True)
class Sent:
    """By the Date field; a mail without one matches nothing. Years before 1970 are negative."""

    after_ms: int = -LATEST_SENT_MS  #: at or after
    before_ms: int = LATEST_SENT_MS  #: before


@dataclass(frozen=True, slots=True)
class Size:
    at_least: int = 0
    below: int = 1 << 63


@dataclass(frozen=True, slots=True)
class Keyword:
    keyword: str  #: lower case


@dataclass(frozen=True, slots=True)
class ThreadKeyword:
    share: Share
    keyword: str


@dataclass(frozen=True, slots=True)
class Attachment:
    pass


@dataclass(frozen=True, slots=True)
class InThread:
    thread: ThreadId


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """Keywords or mailboxes changed at this modseq or after it. RFC 7162 §3.1.5."""

    modseq: int


@dataclass(frozen=True, slots=True, eq=False)
class Among:
    """One of these emails."""

    ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words as they were typed. What finds them: store.search.words."""

    text: str
    is_exact: bool = True  #: not in other grammatical forms


@dataclass(frozen=True, slots=True)
class Words:
    """All phrases are in this place."""

    place: Place
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class HeaderWords:
    """A header field of this name exists and holds all phrases."""

    name: str  #: lower case
    phrases: tuple[str, ...]


Filter: TypeAlias = (
    And
    | Or
    | Not
    | InMailbox
    | OutsideOf
    | Received
    | Sent
    | Size
    | Keyword
    | ThreadKeyword
    | Attachment
    | InThread
    | ChangedSince
    | Among
    | Words
    | HeaderWords
)
EVERYTHING = And(())
NOTHING = Or(())
