"""Search keys as conditions of the store. What they mean for words: docs/search.md; substrings of words are found."""

import re
from datetime import date
from typing import assert_never

import numpy as np

from protocols.imap.commands import search as keys
from protocols.imap.commands.search import Key
from protocols.imap.view import MailboxView
from store.mail import filters
from store.mail.filters import LATEST_SENT_MS, Among, Filter, Phrase, Place
from store.search.coding import Numbers

DAY_MS = 86_400_000
_PLACES = {
    keys.Field.FROM: Place.FROM,
    keys.Field.TO: Place.TO,
    keys.Field.CC: Place.CC,
    keys.Field.BCC: Place.BCC,
    keys.Field.SUBJECT: Place.SUBJECT,
}
#: "subject: plans" looked for in the header, as it stands there.
_NAMED = re.compile(r"\s*(from|to|cc|bcc|subject)\s*:(.*)", re.DOTALL)


class Keys:
    """Turns the keys of one search into a condition. Raises BadCommand for sequence numbers that are not in use."""

    def __init__(self, view: MailboxView) -> None:
        self._view = view

    def filter(self, key: Key) -> Filter:
        match key:
            case keys.All():
                return filters.EVERYTHING
            case keys.Nothing():
                return filters.NOTHING
            case keys.Among():
                return Among(self._ids(key))
            case keys.Not(inner):
                return filters.Not(self.filter(inner))
            case keys.Either(first, second):
                return filters.Or((self.filter(first), self.filter(second)))
            case keys.Every(inner_keys):
                return filters.And(tuple(self.filter(inner) for inner in inner_keys))
            case keys.HasKeyword(keyword):
                return filters.Keyword(keyword)
            case keys.ChangedSince(modseq):
                return filters.ChangedSince(modseq)
            case keys.Sized(octets, is_larger):
                return filters.Size(at_least=octets + 1) if is_larger else filters.Size(below=octets)
            case keys.Dated():
                return _dated(key)
            case keys.InField(field, text):
                return filters.Words(_PLACES[field], (Phrase(text),))
            case keys.InHeader(name, text):
                return filters.HeaderWords(name, (text,) if text else ())
            case keys.InText(text, with_header):
                return _text(text) if with_header else filters.Words(Place.BODY, (Phrase(text),))
            case _:
                assert_never(key)

    def _ids(self, key: keys.Among) -> Numbers:
        spans = self._view.spans(key.numbers, by_uid=key.by_uid)
        every = ids_of(self._view)
        return np.concatenate([every[:0], *(every[low:high] for low, high in spans)])


def ids_of(view: MailboxView) -> Numbers:
    """The emails of a view, by position."""
    return np.array(view.ids, dtype=np.int64)


def _text(text: str) -> Filter:
    anywhere = filters.Words(Place.TEXT, (Phrase(text),))
    named = _NAMED.fullmatch(text)
    if named is None:
        return anywhere
    return filters.Or((anywhere, filters.Words(Place[named[1].upper()], (Phrase(named[2]),))))


def _dated(key: keys.Dated) -> Filter:
    """Days are those of UTC."""
    day = _ms(key.day)
    end = day + DAY_MS
    is_received = key.moment is keys.Moment.RECEIVED
    least, most = (0, filters.LATEST_MS) if is_received else (-LATEST_SENT_MS, LATEST_SENT_MS)
    match key.order:
        case keys.Order.BEFORE:
            after_ms, before_ms = least, max(day, least)
        case keys.Order.ON:
            after_ms, before_ms = max(day, least), max(end, least)
        case keys.Order.SINCE:
            after_ms, before_ms = max(day, least), most
    return filters.Received(after_ms, before_ms) if is_received else filters.Sent(after_ms, before_ms)


def _ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS
