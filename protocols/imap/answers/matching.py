"""Whether a mail meets a search key. What a key needs to be read is worked out first, so most searches read little."""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import assert_never

from protocols.imap import moments
from protocols.imap.answers.rows import Row
from protocols.imap.commands import search as keys
from protocols.imap.commands.search import Key
from protocols.imap.view import MailboxView, Spans
from store.mail.model import Email, PartRow
from store.message.body import part_text
from store.message.fields import field_lines
from store.message.mime import parse_message
from store.message.model import Address, Headers, Message, Part
from store.message.words import decode_unstructured

MOST_CHARS = 1_000_000  #: of one part that are searched


class Need(IntEnum):
    """How much of a mail has to be read."""

    NOTHING = 0
    STATE = 1
    EMAIL = 2
    HEADER = 3
    TEXT = 4


def need_of(key: Key) -> Need:
    match key:
        case keys.All() | keys.Nothing() | keys.Among():
            return Need.NOTHING
        case keys.HasKeyword() | keys.ChangedSince():
            return Need.STATE
        case keys.InField() | keys.Dated() | keys.Sized():
            return Need.EMAIL
        case keys.InHeader():
            return Need.HEADER
        case keys.InText():
            return Need.TEXT
        case keys.Not(inner):
            return need_of(inner)
        case keys.Either(first, second):
            return max(need_of(first), need_of(second))
        case keys.Every(inner_keys):
            return max((need_of(inner) for inner in inner_keys), default=Need.NOTHING)
        case _:
            assert_never(key)


class Judge:
    """Decides about mails of one view. Raises BadCommand at once for sequence numbers that are not in use."""

    def __init__(self, key: Key, view: MailboxView) -> None:
        self._key = _cheap_first(key)
        self._spans: dict[keys.Among, Spans] = {}
        self._resolve(key, view)

    def _resolve(self, key: Key, view: MailboxView) -> None:
        match key:
            case keys.Among():
                self._spans[key] = view.spans(key.numbers, by_uid=key.by_uid)
            case keys.Not(inner):
                self._resolve(inner, view)
            case keys.Either(first, second):
                self._resolve(first, view)
                self._resolve(second, view)
            case keys.Every(inner_keys):
                for inner in inner_keys:
                    self._resolve(inner, view)
            case _:
                pass

    def accepts_number(self, number: int) -> bool:
        """For keys that need nothing of the mail."""
        return self._meets(self._key, number, None) is True

    def accepts(self, row: Row, octets: bytes | None = None) -> bool | None:
        """Without the mail's octets None is the answer when only they can tell.

        ``octets`` are the header, or all of it when ``need_of`` says so.
        """
        return self._meets(self._key, row.place.number, _Content(row, octets))

    def _meets(self, key: Key, number: int, content: "_Content | None") -> bool | None:
        match key:
            case keys.All():
                return True
            case keys.Nothing():
                return False
            case keys.Among():
                return _is_within(self._spans[key], number - 1)
            case keys.Not(inner):
                met = self._meets(inner, number, content)
                return None if met is None else not met
            case keys.Either(first, second):
                return _decisive((self._meets(each, number, content) for each in (first, second)), True)
            case keys.Every(inner_keys):
                return _decisive((self._meets(each, number, content) for each in inner_keys), False)
        assert content is not None, "need_of says which keys need the mail"
        return content.meets(key)


def _decisive(verdicts: Iterable[bool | None], deciding: bool) -> bool | None:
    """``deciding`` as soon as one says so; None when one that is open might."""
    is_open = False
    for verdict in verdicts:
        if verdict is deciding:
            return deciding
        is_open = is_open or verdict is None
    return None if is_open else not deciding


def _is_within(spans: Spans, position: int) -> bool:
    at = bisect_right(spans, (position, sys.maxsize)) - 1
    return at >= 0 and position < spans[at][1]


def _cheap_first(key: Key) -> Key:
    """The same key with what costs little in front."""
    match key:
        case keys.Every(inner_keys):
            return keys.Every(tuple(sorted((_cheap_first(inner) for inner in inner_keys), key=need_of)))
        case keys.Either(first, second):
            low, high = sorted((_cheap_first(first), _cheap_first(second)), key=need_of)
            return keys.Either(low, high)
        case keys.Not(inner):
            return keys.Not(_cheap_first(inner))
        case _:
            return key


class _Content:
    """A mail, read as far as was asked. Without its octets what needs them is open: None."""

    __slots__ = ("_body", "_header", "_octets", "_row")

    def __init__(self, row: Row, octets: bytes | None) -> None:
        self._octets = octets
        self._row = row
        self._header: list[tuple[str, str]] | None = None
        self._body: str | None = None

    def meets(
        self,
        key: keys.HasKeyword | keys.ChangedSince | keys.InField | keys.Dated | keys.Sized | keys.InHeader | keys.InText,
    ) -> bool | None:
        match key:
            case keys.HasKeyword(keyword):
                return keyword in self._row.state.keywords
            case keys.ChangedSince(modseq):
                return self._row.state.modseq >= modseq
            case keys.Sized(octets, is_larger):
                return self._email.size > octets if is_larger else self._email.size < octets
            case keys.Dated():
                return _is_dated(self._email, key)
            case keys.InField(field, needle):
                return needle in _field_text(self._email, field)
            case keys.InHeader(name, needle):
                if self._octets is None:
                    return None
                return any(needle in value for field, value in self._fields() if field == name)
            case keys.InText(needle, with_header):
                if self._octets is None:
                    return None
                in_header = with_header and any(needle in f"{name}: {value}" for name, value in self._fields())
                return in_header or needle in self._text()
            case _:
                assert_never(key)

    @property
    def _email(self) -> Email:
        assert self._row.email is not None, "need_of says when the email is read"
        return self._row.email

    def _fields(self) -> list[tuple[str, str]]:
        """Lower-case names, case-folded values."""
        if self._header is None:
            root = self._email.structure
            octets = (self._octets or b"")[root.header_start : root.body_start]
            self._header = [
                (name, decode_unstructured(line.partition(b":")[2]).strip().casefold())
                for name, line in field_lines(octets, 0, len(octets))
            ]
        return self._header

    def _text(self) -> str:
        """All text of the mail, transfer and charset decoded, attached mails included."""
        if self._body is None:
            octets = self._octets or b""
            if _has_attached_mail(self._email.structure):
                message = parse_message(octets)
            else:
                message = Message(octets, _as_part(self._email.structure))
            texts = [part_text(message, part, MOST_CHARS) for part in message.root.walk() if _is_text(part)]
            self._body = "\n".join(texts).casefold()
        return self._body


def _is_text(part: Part) -> bool:
    return part.type.startswith("text/") or (part.type.startswith("multipart/") and not part.children)


def _has_attached_mail(part: PartRow) -> bool:
    """Also true where the row does not say, because parts were too many to keep."""
    if part.type.startswith("message/") or (part.type.startswith("multipart/") and not part.children):
        return True
    return any(_has_attached_mail(child) for child in part.children)


def _as_part(row: PartRow) -> Part:
    """What reading the text of a part takes."""
    return Part(
        number=row.number,
        type=row.type,
        params={"charset": row.charset},
        disposition=row.disposition,
        disposition_params={},
        encoding=row.encoding,
        content_id=row.content_id,
        headers=Headers(()),
        header_start=row.header_start,
        body_start=row.body_start,
        body_end=row.body_end,
        children=tuple(_as_part(child) for child in row.children),
    )


def _is_dated(email: Email, key: keys.Dated) -> bool:
    ms = email.received_ms if key.moment is keys.Moment.RECEIVED else email.sent_ms
    if ms is None:
        return False
    day = moments.day_of(ms)
    match key.order:
        case keys.Order.BEFORE:
            return day < key.day
        case keys.Order.ON:
            return day == key.day
        case keys.Order.SINCE:
            return day >= key.day


def _field_text(email: Email, field: keys.Field) -> str:
    match field:
        case keys.Field.SUBJECT:
            return email.subject.casefold()
        case keys.Field.FROM:
            return _address_text(email.from_)
        case keys.Field.TO:
            return _address_text(email.to)
        case keys.Field.CC:
            return _address_text(email.cc)
        case keys.Field.BCC:
            return _address_text(email.bcc)


def _address_text(addresses: Sequence[Address]) -> str:
    return ", ".join(f"{address.name} <{address.email}>" for address in addresses).casefold()
