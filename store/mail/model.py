"""The rows of mail. An email is one object with placements (mailbox, uid); keywords belong to the email."""

from typing import NewType

import msgspec

from store.blob.contract import BlobId
from store.message.model import Address

MailboxId = NewType("MailboxId", int)
EmailId = NewType("EmailId", int)
ThreadId = NewType("ThreadId", int)
Uid = NewType("Uid", int)

ROLES = ("inbox", "drafts", "sent", "junk", "trash", "archive")


class Mailbox(msgspec.Struct, frozen=True, array_like=True):
    """A folder. The path is the names from the root, joined by "/"."""

    id: MailboxId
    name: str  #: last segment only, no "/"
    parent: MailboxId | None
    role: str  #: RFC 8621 role, "" for none
    uid_validity: int
    is_subscribed: bool = True
    sort_order: int = 10


class MailboxCounts(msgspec.Struct, frozen=True, array_like=True):
    """Moves with every delivery, so it is a row of its own."""

    uid_next: Uid
    total: int = 0
    unread: int = 0
    threads: int = 0
    unread_threads: int = 0
    octets: int = 0


class PartRow(msgspec.Struct, frozen=True, array_like=True):
    """One MIME part, for JMAP bodyStructure and blobs of parts, without parsing the mail again."""

    number: str
    type: str
    charset: str
    encoding: str
    disposition: str
    filename: str
    content_id: str
    header_start: int
    body_start: int
    body_end: int
    language: str = ""
    location: str = ""
    children: tuple["PartRow", ...] = ()


class Email(msgspec.Struct, frozen=True, array_like=True):
    """What never changes about an email."""

    id: EmailId
    blob: BlobId
    thread: ThreadId
    size: int  #: octets
    received_ms: int
    sent_ms: int | None
    subject: str
    preview: str
    message_ids: tuple[str, ...]
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    from_: tuple[Address, ...]
    sender: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    has_attachment: bool
    structure: PartRow
    imap_envelope: (
        bytes  #: RFC 3501 ENVELOPE as it goes on the wire; "": too large to keep, render it (store.mail.fitting)
    )
    imap_body: bytes
    imap_bodystructure: bytes
    header_octets: int  #: up to and including the empty line
    reception: str = ""  #: id of the SMTP reception that brought it, "" for APPEND and upload


class EmailHead(msgspec.Struct, frozen=True, array_like=True):
    """The first fields of an Email's row: what counting and filing it needs, without reading the rest."""

    id: EmailId
    blob: BlobId
    thread: ThreadId
    size: int
    received_ms: int


class EmailState(msgspec.Struct, frozen=True, array_like=True):
    """What does change."""

    modseq: int
    created_modseq: int
    keywords: frozenset[str]  #: lower case except as first written; "$seen", "$flagged", ... (RFC 8621 §4.1.1)
    placements: dict[MailboxId, Uid]


class ThreadRow(msgspec.Struct, frozen=True, array_like=True):
    """How many emails of a thread are in a mailbox."""

    total: int
    unread: int


SEEN = "$seen"
