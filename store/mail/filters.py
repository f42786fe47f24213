"""What to ask of an email: a tree of conditions, and the part of it that a mail's text answers.

RFC 8621 §4.4.1, RFC 9051 §6.4.4.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from store.mail.model import MailboxId
from store.mail.searchable import MailText

LATEST_MS = (1 << 64) - 1


class Place(Enum):
    """Where words are looked for."""

    TEXT = auto()  #: from, to, cc, bcc, subject or body
    FROM = auto()
    TO = auto()
    CC = auto()
    BCC = auto()
    SUBJECT = auto()
    BODY = auto()


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
class Words:
    """All phrases, folded, are in this place."""

    place: Place
    phrases: tuple[str, ...]


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
    | Size
    | Keyword
    | ThreadKeyword
    | Attachment
    | Words
    | HeaderWords
)
EVERYTHING = And(())
NOTHING = Or(())


def may_need_text(wanted: Filter) -> bool:
    """Whether rows alone might not answer."""
    match wanted:
        case And(parts) | Or(parts):
            return any(may_need_text(part) for part in parts)
        case Not(part):
            return may_need_text(part)
        case Words(place, _):
            return place in (Place.BODY, Place.TEXT)
        case _:
            return isinstance(wanted, HeaderWords)


def holds_in_text(rest: Filter, text: MailText) -> bool:
    """Answer what ``Query`` left open."""
    match rest:
        case And(parts):
            return all(holds_in_text(part, text) for part in parts)
        case Or(parts):
            return any(holds_in_text(part, text) for part in parts)
        case Not(part):
            return not holds_in_text(part, text)
        case Words(place, phrases):
            shown = [value for name, value in text.fields if place is Place.TEXT and name in _TEXT_FIELDS]
            return all_in(phrases, "\n".join((*shown, text.body)))
        case HeaderWords(name, phrases):
            return any(all_in(phrases, value) for field, value in text.fields if field == name)
        case _:
            raise AssertionError(f"{type(rest).__name__} needs no text")


_TEXT_FIELDS = frozenset({"from", "to", "cc", "bcc", "subject"})


def all_in(phrases: Iterable[str], text: str) -> bool:
    """Whether a folded text holds every phrase."""
    return all(phrase in text for phrase in phrases)
