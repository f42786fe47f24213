"""Questions about mail, answered from indexes."""

from collections.abc import Iterator

from store.changes.engine import AccountView
from store.mail import emails
from store.mail.model import Email, EmailId, EmailState, MailboxId, ThreadId, Uid
from store.schema import keys


def placements(
    view: AccountView, mailbox: MailboxId, first: int = 1, last: int = 0xFFFFFFFE
) -> Iterator[tuple[Uid, EmailId]]:
    """UIDs of a mailbox with their emails, ascending."""
    for key, value in view.scan(keys.uid(mailbox, first), keys.uid(mailbox, last) + b"\x00"):
        yield Uid(keys.read_u32(key[5:9])), EmailId(keys.read_u64(value))


def email_at(view: AccountView, mailbox: MailboxId, uid: int) -> EmailId | None:
    row = view.get(keys.uid(mailbox, uid))
    return EmailId(keys.read_u64(row)) if row is not None else None


def newest_first(view: AccountView, mailbox: MailboxId) -> Iterator[EmailId]:
    """Emails of a mailbox by date received, newest first; stops costing when you stop reading."""
    for key, _ in view.scan_prefix(b"D" + keys.u32(mailbox), reverse=True):
        yield EmailId(keys.read_u64(key[13:21]))


def oldest_first(view: AccountView, mailbox: MailboxId) -> Iterator[EmailId]:
    for key, _ in view.scan_prefix(b"D" + keys.u32(mailbox)):
        yield EmailId(keys.read_u64(key[13:21]))


def every_email(view: AccountView) -> Iterator[Email]:
    """All emails of the account in the order they came."""
    for _, row in view.scan_prefix(b"E"):
        yield emails.read_email(row)


def every_state(view: AccountView) -> Iterator[tuple[EmailId, EmailState]]:
    for key, row in view.scan_prefix(b"S"):
        yield EmailId(keys.read_u64(key[1:9])), emails.read_state(row)


def thread_members(view: AccountView, thread: ThreadId) -> list[EmailId]:
    """Emails of a thread, oldest first (RFC 8621 §3)."""
    ids = [EmailId(keys.read_u64(key[9:17])) for key, _ in view.scan_prefix(b"T" + keys.u64(thread))]
    rows = [row for row in (emails.get(view, email_id) for email_id in ids) if row is not None]
    return [row.id for row in sorted(rows, key=lambda row: (row.received_ms, row.id))]
