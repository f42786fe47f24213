"""Gathers what the content checks read: who is named, what can be followed, what can be opened."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from gateway.content.attachments import AttachmentLimits, attachments_of
from gateway.content.facts import ContentFacts
from gateway.content.qrcodes import QrLimits, codes_in
from gateway.content.urls import urls_of
from models.links import Link
from models.view import MailView
from store.message.model import Address, Message

log = structlog.get_logger()
T = TypeVar("T")

_ATTACHMENTS, _QR = AttachmentLimits(), QrLimits()


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """How much of a hostile mail the content checks read."""

    urls: int = 300
    addresses: int = 500  #: of one kind of field
    fields: int = 5  #: of one name
    attachments: AttachmentLimits = _ATTACHMENTS
    qr: QrLimits = _QR


DEFAULT_LIMITS = ContentLimits()


def gather(message: Message, view: MailView, limits: ContentLimits = DEFAULT_LIMITS) -> ContentFacts:
    """Addresses, links and attachments of one mail. Pure and bounded; never raises on a mail, however broken."""
    broken: list[str] = []
    codes = [Link(code, "", "qr") for code in _read("pictures", lambda: codes_in(message, limits.qr), broken)]
    attachments = _read("attachments", lambda: attachments_of(message, limits.attachments), broken)
    documents = [Link(href, "", "pdf") for attached in attachments for href in attached.links]
    return ContentFacts(
        from_=_addresses(message, "From", limits),
        reply_to=_addresses(message, "Reply-To", limits),
        to=_addresses(message, "To", limits),
        cc=_addresses(message, "Cc", limits),
        sender=_addresses(message, "Sender", limits),
        urls=urls_of([*codes, *view.links, *documents], f"{view.subject}\n{view.text}", limits.urls),
        attachments=attachments,
        broken=tuple(broken),
    )


def _read(what: str, read: Callable[[], tuple[T, ...]], broken: list[str]) -> tuple[T, ...]:
    try:
        return read()
    except Exception as error:  # a reader of files that breaks down is evidence, as a check is: the mail is held
        log.error("content.failed", reader=what, error=repr(error), exc_info=error)
        broken.append(what)
        return ()


def _addresses(message: Message, name: str, limits: ContentLimits) -> tuple[Address, ...]:
    """All mailboxes of all fields of a name: a second From is a trick that must not hide behind the first."""
    found: list[Address] = []
    for field in message.headers.all(name)[: limits.fields]:
        found += field.addresses()
    return tuple(found[: limits.addresses])
