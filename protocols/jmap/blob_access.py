"""Octets behind a blob id, for those who own them: whole blobs and decoded parts of mails. RFC 8620 §6."""

import asyncio
from dataclasses import dataclass

from protocols.jmap.context import Context
from protocols.jmap.email_body import find_row, part_of
from protocols.jmap.ids import BlobRef, parse_blob_id
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import StoreView
from store.mail import emails, uploads
from store.mail.model import PartRow
from store.mail.parsing import part_row
from store.message.body import decode_part
from store.message.mime import parse_message
from store.message.model import Message

IN_THREAD_OCTETS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """The account may read this blob; ``structure`` is known when one of its emails has these octets."""

    structure: PartRow | None


async def check(context: Context, blob: BlobId) -> Access | None:
    """None when the account has no such blob: whether others do is not told."""

    def body(view: StoreView) -> Access | None:
        owned = uploads.ownership(view, context.account.id, blob)
        if owned is None:
            return None
        row = emails.get(view.account(context.account.id), owned.email) if owned.email is not None else None
        return Access(row.structure if row is not None else None)

    return await context.store.read(body)


async def load(context: Context, text: str) -> bytes | None:
    """All octets behind a blob id; None when the account has none."""
    ref = parse_blob_id(context.resolve_id(text))
    access = await check(context, ref.blob) if ref is not None else None
    if ref is None or access is None:
        return None
    try:
        if ref.part:
            return await load_part(context, ref, access)
        return await context.store.blobs.read(ref.blob)
    except BlobMissing:
        return None


async def load_part(context: Context, ref: BlobRef, access: Access) -> bytes | None:
    """One part of a mail without its transfer encoding. Raises BlobMissing."""
    structure = access.structure
    if structure is None:
        octets = await context.store.blobs.read(ref.blob)
        structure = await asyncio.to_thread(lambda: part_row(parse_message(octets).root))
    row = find_row(structure, ref.part)
    if row is None:
        return None
    encoded = await context.store.blobs.read(ref.blob, row.body_start, row.body_end)
    message = Message(encoded, part_of(row, row.body_start))
    if len(encoded) <= IN_THREAD_OCTETS:
        return decode_part(message, message.root)
    return await asyncio.to_thread(decode_part, message, message.root)
