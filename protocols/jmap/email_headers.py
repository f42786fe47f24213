"""Header fields in the forms clients ask for: header:Name:asForm:all. RFC 8621 §4.1.2, §4.1.3."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from protocols.jmap.context import utc_date
from protocols.jmap.errors import invalid_arguments
from store.message.fields import scan_block
from store.message.headers import message_ids, parse_addresses, parse_date
from store.message.model import Address, HeaderField, Headers, Limits
from store.message.notes import Notes

_NAME = re.compile(r"[!-9;-~]{1,255}")
_URL = re.compile(rb"<([^<>]{0,2000})>")
_GROUP_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|\([^()]*+\)|<[^<>]*+>|[:;,]|[^":;,(<]++|.', re.DOTALL)

_ADDRESSES = frozenset({"asAddresses", "asGroupedAddresses"})
_FORMS = frozenset({"asRaw", "asText", "asMessageIds", "asDate", "asURLs"}) | _ADDRESSES
_ALLOWED: dict[str, frozenset[str]] = {
    **dict.fromkeys(("from", "sender", "reply-to", "to", "cc", "bcc"), _ADDRESSES),
    **dict.fromkeys(("resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc"), _ADDRESSES),
    **dict.fromkeys(("resent-bcc",), _ADDRESSES),
    **dict.fromkeys(("message-id", "in-reply-to", "references", "resent-message-id"), frozenset({"asMessageIds"})),
    **dict.fromkeys(("date", "resent-date"), frozenset({"asDate"})),
    **dict.fromkeys(("subject", "comments", "keywords", "list-id"), frozenset({"asText"})),
    **dict.fromkeys(
        ("list-help", "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive"),
        frozenset({"asURLs"}),
    ),
    **dict.fromkeys(("return-path", "received"), frozenset()),
}


@dataclass(frozen=True, slots=True)
class HeaderProperty:
    """One "header:..." property, taken apart."""

    key: str  #: as asked for, and as answered
    name: str
    form: str
    wants_all: bool


def parse_property(key: str) -> HeaderProperty:
    """Raises MethodError invalidArguments. RFC 8621 §4.1.3."""
    pieces = key.split(":")[1:]
    wants_all = len(pieces) > 1 and pieces[-1] == "all"
    if wants_all:
        pieces.pop()
    form = pieces[1] if len(pieces) == 2 else "asRaw"
    if not 1 <= len(pieces) <= 2 or not _NAME.fullmatch(pieces[0]) or form not in _FORMS:
        raise invalid_arguments(f"{key[:100]!r} is no header property")
    if form != "asRaw" and form not in _ALLOWED.get(pieces[0].lower(), _FORMS):
        raise invalid_arguments(f"{pieces[0]} has no form {form}")
    return HeaderProperty(key, pieces[0], form, wants_all)


def read_headers(octets: bytes) -> Headers:
    """A header block's fields, without parsing the rest of the mail."""
    return scan_block(octets, 0, len(octets), Limits(), Notes()).headers


def value_of(wanted: HeaderProperty, headers: Headers) -> Any:
    """All values, or the last one, or None. RFC 8621 §4.1.3."""
    fields = headers.all(wanted.name)
    if wanted.wants_all:
        return [in_form(field, wanted.form) for field in fields]
    return in_form(fields[-1], wanted.form) if fields else None


def all_raw(headers: Headers) -> list[dict[str, str]]:
    """The "headers" property. RFC 8621 §4.1.3."""
    return [{"name": field.name, "value": raw_text(field)} for field in headers.fields]


def raw_text(field: HeaderField) -> str:
    return field.raw.replace(b"\0", b"").decode("utf-8", "replace")


def in_form(field: HeaderField, form: str) -> Any:
    """RFC 8621 §4.1.2."""
    match form:
        case "asText":
            return unicodedata.normalize("NFC", field.text())
        case "asAddresses":
            return addresses_json(field.addresses())
        case "asGroupedAddresses":
            return grouped_addresses(field.raw)
        case "asMessageIds":
            return list(message_ids(field.raw)) or None
        case "asDate":
            sent = parse_date(field.raw)
            return utc_date(int(sent.timestamp() * 1000)) if sent is not None else None
        case "asURLs":
            found = [re.sub(rb"\s+", b"", url).decode("utf-8", "replace") for url in _URL.findall(field.raw)]
            return found or None
        case _:
            return raw_text(field)


def addresses_json(addresses: Sequence[Address]) -> list[dict[str, str | None]]:
    """RFC 8621 §4.1.2.3."""
    return [{"name": address.name or None, "email": address.email} for address in addresses]


def grouped_addresses(raw: bytes) -> list[dict[str, Any]]:
    """Addresses with the groups they were written in; those in none share a nameless one. RFC 8621 §4.1.2.4."""
    groups: list[dict[str, Any]] = []
    pending: list[bytes] = []
    name: str | None = None

    def close() -> None:
        found = parse_addresses(b"".join(pending))
        pending.clear()
        if found or name is not None:
            groups.append({"name": name, "addresses": addresses_json(found)})

    since_comma = 0
    for match in _GROUP_TOKEN.finditer(raw):
        token = match.group()
        if token == b":" and name is None:
            title = b"".join(pending[since_comma:])
            del pending[since_comma:]
            close()
            name = HeaderField("", title).text().strip('" ')
            since_comma = 0
        elif token == b";":
            close()
            name, since_comma = None, 0
        else:
            pending.append(token)
            since_comma = len(pending) if token == b"," else since_comma
    close()
    return groups
