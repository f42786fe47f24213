"""SearchSnippet/get: where in a mail the words were found. RFC 8621 §5."""

import asyncio
import html
from collections.abc import Iterator, Sequence
from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.email_filter import read_filter
from protocols.jmap.errors import MethodError
from protocols.jmap.standard import Arguments, wanted_ids
from store.blob.contract import BlobMissing
from store.changes.engine import AccountView
from store.mail import emails, filters
from store.mail.filters import Filter, Phrase, Place, Words
from store.mail.model import Email
from store.mail.searchable import readable_text
from store.message.mime import parse_message
from store.search import languages
from store.search.words import Match, Piece, Spelled, needle, single_word, spelled, stands_at

BEFORE_CHARS = 60
SNIPPET_CHARS = 240  # RFC 8621 §5: at most 255 octets of text; marks come on top
MAX_PHRASES = 20


class SearchSnippetArguments(Arguments, frozen=True, kw_only=True):
    filter: dict[str, Any] | None = None
    email_ids: list[str]


async def get(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(SearchSnippetArguments, given)
    asked = wanted_ids(context, arguments.email_ids)
    wanted = read_filter(context, arguments.filter)
    in_subject = Marker(wanted, {Place.TEXT, Place.SUBJECT})
    in_body = Marker(wanted, {Place.TEXT, Place.BODY})

    def body(view: AccountView) -> dict[str, Email]:
        numbers = {text: ids.number_of("E", text) for text in asked}
        rows = {text: emails.get(view, number) for text, number in numbers.items() if number is not None}
        return {text: row for text, row in rows.items() if row is not None}

    found = await context.read(body)
    left = context.settings.search_octets
    shown: list[dict[str, Any]] = []
    for text, email in found.items():
        preview: str | None = None
        if in_body:
            left -= email.size
            if left < 0:
                raise MethodError("requestTooLarge", "these mails are too large to be read in one call")
            try:
                octets = await context.store.blobs.read(email.blob)
            except BlobMissing:  # destroyed since its row was read
                continue
            preview = await asyncio.to_thread(_marked_body, octets, in_body)
        subject = _marked(email.subject, in_subject) if in_subject else None
        shown.append({"emailId": text, "subject": subject, "preview": preview})
    return {
        "accountId": ids.account_id(context.account.id),
        "list": shown,
        "notFound": [text for text in asked if text not in {one["emailId"] for one in shown}] or None,
    }


class Marker:
    """Finds what a filter looked for in a text: the words themselves, in any form the index would find them in."""

    def __init__(self, wanted: Filter, places: set[Place]) -> None:
        phrases = list(dict.fromkeys(phrase for phrase in _phrases(wanted, places) if needle(phrase.text)))
        self._needles = [(needle(phrase.text), phrase.is_exact) for phrase in phrases[:MAX_PHRASES]]

    def __bool__(self) -> bool:
        return bool(self._needles)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where matches are, in order, without overlap."""
        words = spelled(text)
        said = [word.word for word in words]
        language = languages.guess(said)
        found: list[tuple[int, int]] = []
        for pieces, is_exact in self._needles:
            found += [
                _span(words[at : at + len(pieces)], pieces)
                for at in range(len(words) - len(pieces) + 1)
                if stands_at(pieces, said, at)
            ]
            word = None if is_exact else single_word(pieces)
            if word is not None and language != languages.UNKNOWN:
                stem = languages.stems(language, [word])[0]
                stems = languages.stems(language, said)
                found += [(each.start, each.end) for each, its in zip(words, stems, strict=True) if its == stem]
        return _apart(sorted(found))


def _span(words: Sequence[Spelled], pieces: Sequence[Piece]) -> tuple[int, int]:
    """From where the first piece stands in its word to where the last one ends, as far as letters fold one to one."""
    first, last, needed = words[0], words[-1], pieces[-1].text
    start = first.start
    if pieces[0].match in (Match.ENDS, Match.INSIDE) and first.is_plain:
        start += first.word.index(pieces[0].text) if len(pieces) == 1 else len(first.word) - len(pieces[0].text)
    if not last.is_plain:
        return start, last.end
    if len(pieces) == 1:
        return start, min(start + len(needed), last.end)
    return start, last.start + len(needed)


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if kept and start < kept[-1][1]:
            kept[-1] = kept[-1][0], max(end, kept[-1][1])
        else:
            kept.append((start, end))
    return kept


def _phrases(wanted: Filter, places: set[Place]) -> Iterator[Phrase]:
    """What a match can show: nothing that must be absent."""
    match wanted:
        case filters.And(parts) | filters.Or(parts):
            for part in parts:
                yield from _phrases(part, places)
        case Words(place, phrases) if place in places:
            yield from phrases


def _marked_body(octets: bytes, marker: Marker) -> str | None:
    return _marked(" ".join(readable_text(parse_message(octets)).split()), marker)


def _marked(text: str, marker: Marker) -> str | None:
    """The text around the first match, HTML-escaped, matches in <mark>; None without a match."""
    spans = marker.spans(text)
    if not spans:
        return None
    begin = max(0, spans[0][0] - BEFORE_CHARS) if spans[0][1] > SNIPPET_CHARS else 0
    finish = begin + SNIPPET_CHARS
    pieces: list[str] = []
    at = begin
    for start, end in spans:
        if end > finish:
            break
        pieces += (html.escape(text[at:start]), f"<mark>{html.escape(text[start:end])}</mark>")
        at = end
    return "".join((*pieces, html.escape(text[at:finish])))
