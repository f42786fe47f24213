"""Email/get. Lists are answered from rows; blobs are read only for headers and bodies. RFC 8621 §4.2."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta, field

from protocols.jmap import ids
from protocols.jmap.context import Context, utc_date
from protocols.jmap.email_body import (
    DEFAULT_PROPERTIES,
    BodyView,
    ValueBudget,
    ValuesWanted,
    needs_octets,
)
from protocols.jmap.email_body import PROPERTIES as PART_PROPERTIES
from protocols.jmap.email_headers import (
    HeaderProperty,
    addresses_json,
    all_raw,
    parse_property,
    read_headers,
    value_of,
)
from protocols.jmap.errors import MethodError, invalid_arguments
from protocols.jmap.standard import GetArguments, UnsignedInt, get_response, wanted_ids
from store.blob.contract import BlobMissing
from store.blob.contract import Wanted as Range
from store.changes.engine import StoreView
from store.mail import emails
from store.mail.model import Email, EmailState
from store.message.model import Headers
from store.schema import keys

IN_THREAD_OCTETS = 256 * 1024  #: a larger mail is taken apart beside the event loop

METADATA: dict[str, Callable[[Email, EmailState], Any]] = {
    "id": lambda email, _: ids.email_id(email.id),
    "blobId": lambda email, _: ids.blob_id(email.blob),
    "threadId": lambda email, _: ids.thread_id(email.thread),
    "mailboxIds": lambda _, state: {ids.mailbox_id(mailbox): True for mailbox in state.placements},
    "keywords": lambda _, state: dict.fromkeys(sorted(state.keywords), True),
    "size": lambda email, _: email.size,
    "receivedAt": lambda email, _: utc_date(email.received_ms),
}
ROW_PROPERTIES: dict[str, Callable[[Email], Any]] = {
    "messageId": lambda email: list(email.message_ids) or None,
    "inReplyTo": lambda email: list(email.in_reply_to) or None,
    "references": lambda email: list(email.references) or None,
    "sender": lambda email: addresses_json(email.sender) or None,
    "from": lambda email: addresses_json(email.from_) or None,
    "to": lambda email: addresses_json(email.to) or None,
    "cc": lambda email: addresses_json(email.cc) or None,
    "bcc": lambda email: addresses_json(email.bcc) or None,
    "replyTo": lambda email: addresses_json(email.reply_to) or None,
    "subject": lambda email: email.subject or None,
    "sentAt": lambda email: utc_date(email.sent_ms) if email.sent_ms is not None else None,
    "hasAttachment": lambda email: email.has_attachment,
    "preview": lambda email: email.preview,
}
BODY_LISTS: dict[str, Callable[[BodyView], Any]] = {
    "bodyStructure": BodyView.structure_json,
    "textBody": BodyView.text_json,
    "htmlBody": BodyView.html_json,
    "attachments": BodyView.attachments_json,
}
DEFAULT = (
    *METADATA,
    *ROW_PROPERTIES,
    "bodyValues",
    "textBody",
    "htmlBody",
    "attachments",
)


class EmailGetArguments(GetArguments, frozen=True, kw_only=True):
    body_properties: list[str] | None = None
    fetch_text_body_values: bool = False
    fetch_html_body_values: bool = field(default=False, name="fetchHTMLBodyValues")
    fetch_all_body_values: bool = False
    max_body_value_bytes: Annotated[UnsignedInt, Meta()] = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an Email/get or Email/parse asked for, taken apart."""

    properties: tuple[str, ...]
    headers: dict[str, HeaderProperty]
    part_properties: list[str]
    part_headers: dict[str, HeaderProperty]
    values: ValuesWanted

    @property
    def needs_headers(self) -> bool:
        return bool(self.headers) or "headers" in self.properties

    def needs_body(self, email: Email) -> bool:
        if "bodyValues" in self.properties and self.values.any:
            return True
        lists = any(name in self.properties for name in BODY_LISTS)
        return lists and needs_octets(email.structure, self.part_properties)


def read_wanted(arguments: EmailGetArguments, default: Sequence[str] = DEFAULT) -> Wanted:
    """Raises MethodError invalidArguments for unknown properties."""
    asked = tuple(default if arguments.properties is None else dict.fromkeys(("id", *arguments.properties)))
    parts = list(DEFAULT_PROPERTIES if arguments.body_properties is None else arguments.body_properties)
    known = METADATA.keys() | ROW_PROPERTIES.keys() | BODY_LISTS.keys() | {"headers", "bodyValues"}
    return Wanted(
        asked,
        _header_properties(asked, known),
        parts,
        _header_properties(parts, PART_PROPERTIES),
        ValuesWanted(
            arguments.fetch_text_body_values,
            arguments.fetch_html_body_values,
            arguments.fetch_all_body_values,
            arguments.max_body_value_bytes,
        ),
    )


def _header_properties(names: Sequence[str], known: "frozenset[str] | set[str]") -> dict[str, HeaderProperty]:
    found: dict[str, HeaderProperty] = {}
    for name in names:
        if name.startswith("header:"):
            found[name] = parse_property(name)
        elif name not in known:
            raise invalid_arguments(f"unknown property {name[:100]!r}")
    return found


@dataclass(slots=True)
class _Found:
    """An email to be shown, with what its blob was read for."""

    email: Email
    state: EmailState
    headers: Headers | None = None


async def get(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(EmailGetArguments, given)
    if arguments.ids is None:
        raise invalid_arguments("emails are got by their ids only")
    asked = wanted_ids(context, arguments.ids)
    wanted = read_wanted(arguments)
    budget = ReadBudget(context.settings.read_octets)

    def body(view: StoreView) -> tuple[int, dict[str, _Found]]:
        account = view.account(context.account.id)
        found: dict[str, _Found] = {}
        numbers = [number for text in asked if (number := ids.number_of("E", text)) is not None]
        account.prefetch(key(number) for number in numbers for key in (keys.email, keys.state))
        for text in asked:
            number = ids.number_of("E", text)
            email = emails.get(account, number) if number is not None else None
            state = emails.state(account, email.id) if email is not None else None
            if email is not None and state is not None:
                found[text] = _Found(email, state)
                if wanted.needs_headers:
                    budget.spend(email.header_octets)
        return account.modseq, found

    state, found = await context.store.read(body)
    if wanted.needs_headers:
        found = await _with_headers(context, found)
    values = ValueBudget(context.settings.body_value_octets)
    shown: list[dict[str, Any]] = []
    for text, one in list(found.items()):
        try:
            shown.append(await _show(context, one, wanted, budget, values))
        except BlobMissing:  # destroyed since its row was read
            del found[text]
    return get_response(context, state, shown, [text for text in asked if text not in found])


async def _with_headers(context: Context, found: dict[str, _Found]) -> dict[str, _Found]:
    """The emails with their header fields; without those destroyed since their rows were read."""
    ranges = [Range(one.email.blob, 0, one.email.header_octets) for one in found.values()]
    read = await context.store.blobs.read_many(ranges)
    there: dict[str, _Found] = {}
    for (text, one), octets in zip(found.items(), read, strict=True):
        if octets is not None:
            one.headers = read_headers(octets)
            there[text] = one
    return there


async def _show(
    context: Context, one: _Found, wanted: Wanted, budget: "ReadBudget", values: ValueBudget
) -> dict[str, Any]:
    if not wanted.needs_body(one.email):
        return email_json(one.email, one.state, one.headers, b"", wanted, values)
    budget.spend(one.email.size)
    octets = await context.store.blobs.read(one.email.blob)
    if one.email.size <= IN_THREAD_OCTETS:
        return email_json(one.email, one.state, one.headers, octets, wanted, values)
    return await asyncio.to_thread(email_json, one.email, one.state, one.headers, octets, wanted, values)


def email_json(
    email: Email, state: EmailState | None, headers: Headers | None, octets: bytes, wanted: Wanted, values: ValueBudget
) -> dict[str, Any]:
    """The Email object. Without a state (Email/parse) what belongs to the store is null."""
    shown: dict[str, Any] = {}
    view: BodyView | None = None
    for name in wanted.properties:
        if name in METADATA:
            shown[name] = METADATA[name](email, state) if state is not None else _parsed(name, email)
        elif name in ROW_PROPERTIES:
            shown[name] = ROW_PROPERTIES[name](email)
        elif name in wanted.headers:
            shown[name] = value_of(wanted.headers[name], headers) if headers is not None else None
        elif name == "headers":
            shown[name] = all_raw(headers) if headers is not None else []
        elif name == "bodyValues" and not wanted.values.any:
            shown[name] = {}
        else:
            view = view or BodyView(email.blob, email.structure, octets, wanted.part_properties, wanted.part_headers)
            if name == "bodyValues":
                shown[name] = view.values_json(wanted.values, values)
            else:
                shown[name] = BODY_LISTS[name](view)
    return shown


def _parsed(name: str, email: Email) -> Any:
    """RFC 8621 §4.9: metadata of a mail that is no Email here."""
    return {"size": email.size, "blobId": ids.blob_id(email.blob)}.get(name)


@dataclass(slots=True)
class ReadBudget:
    """Octets of mails one method call may still read."""

    left: int

    def spend(self, octets: int) -> None:
        """Raises MethodError requestTooLarge."""
        self.left -= octets
        if self.left < 0:
            raise MethodError("requestTooLarge", "these mails are too large to be read in one call")
