"""Writes the octets of a mail from the properties of an Email/set create. RFC 8621 §4.6, RFC 5322, RFC 2045.

The standard library's ``email`` package folds and encodes; it refuses line breaks in values, so no header can
be smuggled in.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any

from protocols.jmap.blob_access import load
from protocols.jmap.context import Context
from protocols.jmap.email_headers import parse_property
from protocols.jmap.errors import MethodError, Refusal, invalid_properties

MAX_PARTS = 200
MAX_DEPTH = 20
MAX_HEADERS = 200

_TYPE = re.compile(r"([a-z0-9][a-z0-9!#$&^_.+-]{0,126})/([a-z0-9][a-z0-9!#$&^_.+-]{0,126})")
_ID = re.compile(r"[^\s<>\x00-\x1f\x7f]{1,900}")
_ADDRESS_HEADERS = {
    "from": "From",
    "sender": "Sender",
    "replyTo": "Reply-To",
    "to": "To",
    "cc": "Cc",
    "bcc": "Bcc",
}
_ID_HEADERS = {"messageId": "Message-ID", "inReplyTo": "In-Reply-To", "references": "References"}
_STORE_PROPERTIES = frozenset({"mailboxIds", "keywords", "receivedAt"})
_BODY_PROPERTIES = frozenset({"bodyStructure", "textBody", "htmlBody", "attachments", "bodyValues"})
_HANDLED = frozenset({*_ADDRESS_HEADERS, *_ID_HEADERS, "subject", "sentAt"}) | _STORE_PROPERTIES | _BODY_PROPERTIES
_PART_PROPERTIES = frozenset(
    {"partId", "blobId", "type", "charset", "name", "disposition", "cid", "language", "location", "subParts", "size"}
)


async def compose(context: Context, properties: dict[str, Any]) -> bytes:
    """The whole mail. Raises Refusal for what cannot be written."""
    unknown = [name for name in properties if name not in _HANDLED and not name.startswith("header:")]
    if unknown:
        raise invalid_properties("these properties cannot be set", *unknown)
    try:
        message = await _Body(context, properties).root()
        _write_headers(context, message, properties)
        return message.as_bytes()
    except MethodError as error:
        raise invalid_properties(error.description) from error
    except (ValueError, TypeError, LookupError, AttributeError, MessageError) as error:
        raise invalid_properties(f"a value cannot be written: {error}"[:300]) from error


def _write_headers(context: Context, message: EmailMessage, properties: dict[str, Any]) -> None:
    written = {"mime-version", "content-type", "content-transfer-encoding"}

    def write(name: str, value: Any, key: str) -> None:
        if name.lower() in written or name.lower().startswith("content-"):
            raise invalid_properties(f"{name} is given twice or set by the server", key)
        written.add(name.lower())
        message[name] = value

    for key, name in _ADDRESS_HEADERS.items():
        if properties.get(key) is not None:
            write(name, _addresses(properties[key]), key)
    if properties.get("subject") is not None:
        write("Subject", _text(properties["subject"]), "subject")
    for key, name in _ID_HEADERS.items():
        if properties.get(key) is not None:
            write(name, _message_ids(properties[key]), key)
    if properties.get("sentAt") is not None:
        write("Date", _date(properties["sentAt"]), "sentAt")
    others = [key for key in properties if key.startswith("header:")]
    if len(others) > MAX_HEADERS:
        raise invalid_properties("too many headers")
    for key in others:
        wanted = parse_property(key)
        if wanted.wants_all:
            raise invalid_properties("a header is set one value at a time", key)
        write(wanted.name, _FORMS[wanted.form](properties[key]), key)
    if "date" not in written:
        message["Date"] = format_datetime(context.clock())
    if "message-id" not in written:
        message["Message-ID"] = make_msgid(domain=context.account.address.rpartition("@")[2])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is a string")
    return value


def _addresses(value: Any) -> list[Address]:
    return [Address(display_name=one.get("name") or "", addr_spec=_text(one["email"])) for one in value]


def _message_ids(value: Any) -> str:
    if not all(_ID.fullmatch(one) for one in value):
        raise ValueError("not a message id")
    return " ".join(f"<{one}>" for one in value)


def _urls(value: Any) -> str:
    return ", ".join(f"<{_text(one)}>" for one in value)


def _date(value: Any) -> str:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a date needs a zone")
    return format_datetime(moment)


def _groups(value: Any) -> str:
    written: list[str] = []
    for group in value:
        addresses = ", ".join(str(address) for address in _addresses(group["addresses"]))
        name = group.get("name")
        written.append(f"{Address(display_name=_text(name)).display_name}: {addresses};" if name else addresses)
    return ", ".join(written)


_FORMS: dict[str, Callable[[Any], Any]] = {
    "asRaw": lambda value: _text(value).strip(),
    "asText": _text,
    "asAddresses": _addresses,
    "asGroupedAddresses": _groups,
    "asMessageIds": _message_ids,
    "asDate": _date,
    "asURLs": _urls,
}


@dataclass(slots=True)
class _Body:
    """The body being built from parts."""

    context: Context
    properties: dict[str, Any]
    parts: int = 0
    octets: int = 0

    async def root(self) -> EmailMessage:
        given = self.properties
        lists = [name for name in ("textBody", "htmlBody", "attachments") if given.get(name)]
        if given.get("bodyStructure") is not None:
            if lists:
                raise invalid_properties("bodyStructure excludes the lists of parts", "bodyStructure", *lists)
            return await self._part(given["bodyStructure"], 0)
        shown = [await self._single("textBody", "text/plain"), await self._single("htmlBody", "text/html")]
        bodies = [part for part in shown if part is not None] or [_text_part("", "plain", {})]
        body = bodies[0] if len(bodies) == 1 else _multipart("alternative", bodies)
        attached = [await self._part(part, 1, default="attachment") for part in given.get("attachments") or ()]
        return _multipart("mixed", [body, *attached]) if attached else body

    async def _single(self, name: str, kind: str) -> EmailMessage | None:
        """RFC 8621 §4.6: exactly one part, of this type."""
        given = self.properties.get(name)
        if not given:
            return None
        if len(given) != 1 or given[0].get("type", kind) != kind:
            raise invalid_properties(f"{name} is one part of {kind}", name)
        return await self._part({**given[0], "type": kind}, 1)

    async def _part(self, given: dict[str, Any], depth: int, default: str = "") -> EmailMessage:
        self.parts += 1
        if self.parts > MAX_PARTS or depth > MAX_DEPTH:
            raise invalid_properties("too many parts", "bodyStructure")
        unknown = [name for name in given if name not in _PART_PROPERTIES and not name.startswith("header:")]
        if unknown:
            raise invalid_properties("these properties of a part cannot be set", *unknown)
        kind = _TYPE.fullmatch(_text(given.get("type") or "text/plain").lower())
        if kind is None:
            raise invalid_properties("not a media type", "type")
        main, sub = kind.groups()
        if main == "multipart":
            children = [await self._part(child, depth + 1) for child in given.get("subParts") or ()]
            return _multipart(sub, children)
        return _labelled(await self._leaf(given, main, sub, default), given)

    async def _leaf(self, given: dict[str, Any], main: str, sub: str, default: str) -> EmailMessage:
        labels: dict[str, Any] = {
            "disposition": given.get("disposition") or default or None,
            "filename": given.get("name"),
            "cid": f"<{given['cid']}>" if given.get("cid") else None,
        }
        if given.get("partId") is not None:
            value = (self.properties.get("bodyValues") or {}).get(given["partId"])
            if not isinstance(value, dict) or main != "text" or value.get("isTruncated") is True:
                raise invalid_properties("a partId names a whole text in bodyValues", "bodyValues")
            return _text_part(_text(value["value"]), sub, labels)
        octets = await load(self.context, _text(given.get("blobId") or ""))
        if octets is None:
            raise Refusal("blobNotFound", notFound=[str(given.get("blobId"))])
        self.octets += len(octets)
        if self.octets > self.context.settings.max_upload_octets:
            raise Refusal("tooLarge", "the attachments are too large together")
        part = EmailMessage(SMTP)
        # RFC 2046 §5.2.1: an attached mail is never base64
        encoding: dict[str, Any] = {"cte": "8bit"} if main == "message" else {}
        part.set_content(octets, main, sub, **labels, **encoding)
        if main == "text" and given.get("charset"):
            part.set_param("charset", _text(given["charset"]))
        return part


def _labelled(part: EmailMessage, given: dict[str, Any]) -> EmailMessage:
    if given.get("language"):
        part["Content-Language"] = ", ".join(_text(tag) for tag in given["language"])
    if given.get("location"):
        part["Content-Location"] = _text(given["location"])
    for key in [key for key in given if key.startswith("header:")]:
        wanted = parse_property(key)
        if wanted.name in part or wanted.wants_all:
            raise invalid_properties("a header is set once", key)
        part[wanted.name] = _FORMS[wanted.form](given[key])
    return part


def _text_part(text: str, sub: str, labels: dict[str, Any]) -> EmailMessage:
    part = EmailMessage(SMTP)
    part.set_content(text, subtype=sub, charset="utf-8", **labels)
    return part


def _multipart(sub: str, children: list[EmailMessage]) -> EmailMessage:
    if not children:
        raise invalid_properties("a multipart has parts", "subParts")
    whole = EmailMessage(SMTP)
    whole["Content-Type"] = f"multipart/{sub}"
    whole["MIME-Version"] = "1.0"
    for child in children:
        del child["MIME-Version"]
        whole.attach(child)
    return whole
