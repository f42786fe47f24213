"""SearchSnippet/get: where in a mail the words were found. RFC 8621 §5."""

import asyncio
import html
import re
from collections.abc import Iterator
from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.email_filter import read_filter
from protocols.jmap.errors import MethodError
from protocols.jmap.standard import Arguments, wanted_ids
from store.blob.contract import BlobMissing
from store.changes.engine import AccountView
from store.mail import emails, filters
from store.mail.filters import Filter, Place, Words
from store.mail.model import Email
from store.mail.searchable import readable_text
from store.message.mime import parse_message

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
    in_subject = _pattern(wanted, {Place.TEXT, Place.SUBJECT})
    in_body = _pattern(wanted, {Place.TEXT, Place.BODY})

    def body(view: AccountView) -> dict[str, Email]:
        numbers = {text: ids.number_of("E", text) for text in asked}
        rows = {text: emails.get(view, number) for text, number in numbers.items() if number is not None}
        return {text: row for text, row in rows.items() if row is not None}

    found = await context.read(body)
    left = context.settings.search_octets
    shown: list[dict[str, Any]] = []
    for text, email in found.items():
        preview: str | None = None
        if in_body is not None:
            left -= email.size
            if left < 0:
                raise MethodError("requestTooLarge", "these mails are too large to be read in one call")
            try:
                octets = await context.store.blobs.read(email.blob)
            except BlobMissing:  # destroyed since its row was read
                continue
            preview = await asyncio.to_thread(_marked_body, octets, in_body)
        subject = _marked(email.subject, in_subject) if in_subject is not None else None
        shown.append({"emailId": text, "subject": subject, "preview": preview})
    return {
        "accountId": ids.account_id(context.account.id),
        "list": shown,
        "notFound": [text for text in asked if text not in {one["emailId"] for one in shown}] or None,
    }


def _pattern(wanted: Filter, places: set[Place]) -> re.Pattern[str] | None:
    words = dict.fromkeys(phrase for phrase in _phrases(wanted, places) if phrase)
    escaped = [r"\s+".join(re.escape(word) for word in phrase.split()) for phrase in list(words)[:MAX_PHRASES]]
    return re.compile("|".join(escaped), re.IGNORECASE) if escaped else None


def _phrases(wanted: Filter, places: set[Place]) -> Iterator[str]:
    """What a match can show: nothing that must be absent."""
    match wanted:
        case filters.And(parts) | filters.Or(parts):
            for part in parts:
                yield from _phrases(part, places)
        case Words(place, phrases) if place in places:
            yield from phrases


def _marked_body(octets: bytes, pattern: re.Pattern[str]) -> str | None:
    return _marked(" ".join(readable_text(parse_message(octets)).split()), pattern)


def _marked(text: str, pattern: re.Pattern[str]) -> str | None:
    """The text around the first match, HTML-escaped, matches in <mark>; None without a match."""
    first = pattern.search(text)
    if first is None:
        return None
    start = max(0, first.start() - BEFORE_CHARS) if first.end() > SNIPPET_CHARS else 0
    shown = text[start : start + SNIPPET_CHARS]
    pieces: list[str] = []
    at = 0
    for match in pattern.finditer(shown):
        pieces += (html.escape(shown[at : match.start()]), f"<mark>{html.escape(match.group())}</mark>")
        at = match.end()
    return "".join((*pieces, html.escape(shown[at:])))
