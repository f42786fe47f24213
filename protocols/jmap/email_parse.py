"""Email/parse: mails attached to mails, shown without being filed. RFC 8621 §4.9."""

import asyncio
from typing import Any

from msgspec import field

from protocols.jmap import ids
from protocols.jmap.blob_access import load
from protocols.jmap.context import Context
from protocols.jmap.email_body import ValueBudget
from protocols.jmap.email_get import EmailGetArguments, ReadBudget, Wanted, email_json, read_wanted
from protocols.jmap.email_headers import read_headers
from protocols.jmap.errors import MethodError
from protocols.jmap.standard import Arguments, Id, UnsignedInt
from store.blob.contract import BlobId
from store.mail.emails import NewEmail, row_of
from store.mail.model import EmailId, ThreadId
from store.mail.parsing import digest_octets

DEFAULT = (
    "messageId",
    "inReplyTo",
    "references",
    "sender",
    "from",
    "to",
    "cc",
    "bcc",
    "replyTo",
    "subject",
    "sentAt",
    "hasAttachment",
    "preview",
    "bodyValues",
    "textBody",
    "htmlBody",
    "attachments",
)


class EmailParseArguments(Arguments, frozen=True, kw_only=True):
    blob_ids: list[Id]
    properties: list[str] | None = None
    body_properties: list[str] | None = None
    fetch_text_body_values: bool = False
    fetch_html_body_values: bool = field(default=False, name="fetchHTMLBodyValues")
    fetch_all_body_values: bool = False
    max_body_value_bytes: UnsignedInt = 0


async def parse(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(EmailParseArguments, given)
    if len(arguments.blob_ids) > context.settings.max_get:
        raise MethodError("requestTooLarge", f"at most {context.settings.max_get} mails at once")
    wanted = read_wanted(_as_get(arguments), DEFAULT)
    budget = ReadBudget(context.settings.read_octets)
    values = ValueBudget(context.settings.body_value_octets)
    parsed: dict[str, Any] = {}
    missing: list[str] = []
    for text in dict.fromkeys(arguments.blob_ids):
        octets = await load(context, text)
        if octets is None:
            missing.append(text)
            continue
        budget.spend(len(octets))
        parsed[text] = await asyncio.to_thread(_shown, text, octets, wanted, values)
    return {
        "accountId": ids.account_id(context.account.id),
        "parsed": parsed or None,
        "notParsable": None,  # every sequence of octets is some mail to our parser
        "notFound": missing or None,
    }


def _as_get(arguments: EmailParseArguments) -> EmailGetArguments:
    return EmailGetArguments(
        account_id=arguments.account_id,
        properties=arguments.properties,
        body_properties=arguments.body_properties,
        fetch_text_body_values=arguments.fetch_text_body_values,
        fetch_html_body_values=arguments.fetch_html_body_values,
        fetch_all_body_values=arguments.fetch_all_body_values,
        max_body_value_bytes=arguments.max_body_value_bytes,
    )


def _shown(text: str, octets: bytes, wanted: Wanted, values: ValueBudget) -> dict[str, Any]:
    digest = digest_octets(octets)
    email = row_of(EmailId(0), ThreadId(0), NewEmail(BlobId(b""), digest, 0))
    headers = read_headers(octets[: digest.header_octets]) if wanted.needs_headers else None
    shown = email_json(email, None, headers, octets, wanted, values)
    return {**shown, "blobId": text} if "blobId" in shown else shown
