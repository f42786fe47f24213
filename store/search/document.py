"""What one mail says, as a search sees it: words by field, its language, and what it is sorted by."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from store.mail.model import Email
from store.mail.searchable import texts_of
from store.mail.subjects import base_subject
from store.message.mime import parse_message
from store.message.model import Address, Headers, Part
from store.search import languages
from store.search.words import fold, split

SORT_CHARS = 64  #: of a name or a subject that mails are sorted by
NO_DATE = -(1 << 63)  #: in place of the date sent
MOST_WORDS = 100_000  #: of one mail; a position is kept in 17 bits

HEADERS = 1_000  #: fields of a mail that are looked at
HEADER_CHARS = 2_000  #: of each
NAME_CHARS = 500  #: of the name of an attached file

#: Header fields whose words are found besides those of people and the subject. Others are read when asked for.
INDEXED_HEADERS = frozenset(
    {
        *("message-id", "in-reply-to", "references", "sender", "reply-to", "return-path", "resent-from", "resent-to"),
        *("delivered-to", "x-original-to", "list-id", "organization", "comments", "keywords", "user-agent", "x-mailer"),
        "x-mailward-id",
    }
)


class Field(IntEnum):
    """Where a word stands. The numbers are kept in the index: never change one."""

    BODY = 0
    SUBJECT = 1
    FROM = 2
    TO = 3
    CC = 4
    BCC = 5
    ATTACHMENT = 6  #: names of attached files
    HEADER = 7  #: values of INDEXED_HEADERS


EVERYWHERE = frozenset(Field)


@dataclass(frozen=True, slots=True)
class SortRow:
    """What a mail is sorted and narrowed by. Texts are folded and cut."""

    id: int
    received_ms: int
    sent_ms: int  #: NO_DATE without one
    size: int
    thread: int
    has_attachment: bool
    language: int
    texts: tuple[str, str, str, str, str, str]  #: in the order of SORT_TEXTS


SORT_TEXTS = ("from", "to", "subject", "from-box", "to-box", "cc-box")


@dataclass(frozen=True, slots=True)
class Document:
    """One mail, cut into words."""

    row: SortRow
    fields: tuple[tuple[str, ...], ...]  #: by Field


def read_document(email: Email, octets: bytes, most_words: int) -> Document:
    """Read a mail for searching. Never raises for bad mail; costs about what parsing costs."""
    message = parse_message(octets)
    said = {
        Field.SUBJECT: split(email.subject),
        Field.FROM: _people(email.from_),
        Field.TO: _people(email.to),
        Field.CC: _people(email.cc),
        Field.BCC: _people(email.bcc),
        Field.ATTACHMENT: _names(message.root.walk()),
        Field.HEADER: _headers(message.headers),
    }
    left = most_words
    for field, words in said.items():
        said[field] = words[:left]
        left -= len(said[field])
    said[Field.BODY] = _body(texts_of(message), left)
    language = languages.guess(said[Field.BODY] or said[Field.SUBJECT])
    return Document(sort_row(email, language), tuple(tuple(said[field]) for field in Field))


def unread_document(email: Email) -> Document:
    """A mail whose octets are not there: found by its row alone."""
    return read_document(email, b"", MOST_WORDS)


def sort_row(email: Email, language: int = languages.UNKNOWN) -> SortRow:
    texts = (
        _name(email.from_),
        _name(email.to),
        fold(base_subject(email.subject))[:SORT_CHARS],
        _box(email.from_),
        _box(email.to),
        _box(email.cc),
    )
    sent_ms = email.sent_ms if email.sent_ms is not None else NO_DATE
    return SortRow(
        email.id, email.received_ms, sent_ms, email.size, email.thread, email.has_attachment, language, texts
    )


def _people(addresses: tuple[Address, ...]) -> list[str]:
    return [word for address in addresses for word in split(f"{address.name} {address.email}")]


def _names(parts: Iterable[Part]) -> list[str]:
    return [word for part in parts if part.filename for word in split(part.filename[:NAME_CHARS])]


def _headers(headers: Headers) -> list[str]:
    found: list[str] = []
    for field in headers.fields[:HEADERS]:
        if field.name.lower() in INDEXED_HEADERS:
            found += split(field.text()[:HEADER_CHARS])
    return found


def _body(texts: list[str], left: int) -> list[str]:
    """The words of all texts; one that only repeats another's words (HTML beside plain text) adds none."""
    found: list[str] = []
    known: set[str] = set()
    for text in texts:
        words = split(text, left)
        fresh = set(words) - known
        if fresh or not found:
            found += words
            known |= fresh
        if len(found) >= left:
            break
    return found[:left]


def _name(addresses: tuple[Address, ...]) -> str:
    """As RFC 8621 §4.4.2 sorts: by the name of the first, or its address."""
    return fold(addresses[0].name or addresses[0].email)[:SORT_CHARS] if addresses else ""


def _box(addresses: tuple[Address, ...]) -> str:
    """As RFC 5256 §3 sorts: by the mailbox of the first."""
    return fold(addresses[0].email.rpartition("@")[0])[:SORT_CHARS] if addresses else ""
