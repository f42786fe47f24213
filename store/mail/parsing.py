"""From a mail's octets to the parts of its Email row. Done once, before the transaction, in a thread if large."""

from datetime import datetime

from store.mail.digest import Digest
from store.mail.fitting import fitted
from store.mail.model import PartRow
from store.mail.searchable import html_text
from store.message import body, imap_structure
from store.message.headers import message_ids, parse_date
from store.message.mime import parse_message
from store.message.model import Address, Message, Part
from store.message.preview import preview

__all__ = ["Digest", "digest_message", "digest_octets", "part_row"]

PREVIEW_SOURCE_CHARS = 4_096
HTML_SOURCE_CHARS = 64 * 1024  #: pages start with styles longer than their words
MAX_IDS = 100  #: Message-IDs kept of one References field


def digest_octets(octets: bytes) -> Digest:
    return digest_message(parse_message(octets))


def digest_message(message: Message) -> Digest:
    """Read once what clients will ask for again and again. Never raises for bad mail."""
    headers = message.headers

    def ids(name: str) -> tuple[str, ...]:
        field = headers.first(name)
        return message_ids(field.raw)[-MAX_IDS:] if field is not None else ()

    def addresses(name: str) -> tuple[Address, ...]:
        field = headers.first(name)
        return field.addresses() if field is not None else ()

    texts = body.text_bodies(message)
    imap_body, imap_bodystructure = imap_structure.structures(message)
    digest = Digest(
        size=len(message.octets),
        sent_ms=_sent_ms(message),
        subject=headers.text("Subject")[:1_000],
        preview=preview(_shown(message, texts)),
        message_ids=ids("Message-ID"),
        in_reply_to=ids("In-Reply-To"),
        references=ids("References"),
        addresses={name: addresses(name) for name in ("From", "Sender", "Reply-To", "To", "Cc", "Bcc")},
        has_attachment=any(p.disposition == "attachment" or p.filename for p in body.attachments(message)),
        structure=part_row(message.root),
        imap_envelope=imap_structure.envelope(message),
        imap_body=imap_body,
        imap_bodystructure=imap_bodystructure,
        header_octets=message.root.body_start,
    )
    return fitted(digest)


def _shown(message: Message, texts: tuple[Part, ...]) -> str:
    """The start of what a reader sees first: plain text, else the words of the HTML."""
    plain = next((part for part in texts if part.type == "text/plain"), None)
    if plain is not None:
        return body.part_text(message, plain, PREVIEW_SOURCE_CHARS)
    page = next((part for part in texts if part.type == "text/html"), None)
    return html_text(body.part_text(message, page, HTML_SOURCE_CHARS)) if page is not None else ""


def _sent_ms(message: Message) -> int | None:
    field = message.headers.first("Date")
    sent: datetime | None = parse_date(field.raw) if field is not None else None
    return int(sent.timestamp() * 1000) if sent is not None else None


def part_row(part: Part) -> PartRow:
    return PartRow(
        number=part.number,
        type=part.type[:200],
        charset=part.charset[:100],
        encoding=part.encoding[:100],
        disposition=part.disposition,
        filename=part.filename[:500],
        content_id=part.content_id[:1_000],
        header_start=part.header_start,
        body_start=part.body_start,
        body_end=part.body_end,
        language=part.headers.text("Content-Language")[:100],
        location=part.headers.text("Content-Location")[:500],
        children=tuple(part_row(child) for child in part.children),
    )
