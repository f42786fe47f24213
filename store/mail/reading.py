"""Questions about mail, answered from indexes."""

import heapq
from collections.abc import Iterator

from store.changes.engine import AccountView
from store.mail import emails, mailboxes
from store.mail.filters import LATEST_MS
from store.mail.model import Email, EmailId, EmailState, MailboxId, ThreadId, Uid
from store.schema import keys


def placements(
    view: AccountView, mailbox: MailboxId, first: int = 1, last: int = 0xFFFFFFFE
) -> Iterator[tuple[Uid, EmailId]]:
    """UIDs of a mailbox with their emails, ascending."""
    for key, value in view.scan(keys.uid(mailbox, first), keys.uid(mailbox, last) + b"\x00"):
        yield Uid(keys.read_u32(key[5:9])), EmailId(keys.read_u64(value))


def newest_placements(view: AccountView, mailbox: MailboxId) -> Iterator[tuple[Uid, EmailId]]:
    """The same from the highest UID down; stops costing when you stop reading."""
    for key, value in view.scan_prefix(b"U" + keys.u32(mailbox), reverse=True):
        yield Uid(keys.read_u32(key[5:9])), EmailId(keys.read_u64(value))


def email_at(view: AccountView, mailbox: MailboxId, uid: int) -> EmailId | None:
    row = view.get(keys.uid(mailbox, uid))
    return EmailId(keys.read_u64(row)) if row is not None else None


def newest_first(view: AccountView, mailbox: MailboxId) -> Iterator[EmailId]:
    """Emails of a mailbox by date received, newest first; stops costing when you stop reading."""
    return (email_id for _, email_id in by_date(view, mailbox))


def oldest_first(view: AccountView, mailbox: MailboxId) -> Iterator[EmailId]:
    return (email_id for _, email_id in by_date(view, mailbox, newest=False))


def by_date(
    view: AccountView, mailbox: MailboxId, *, newest: bool = True, after_ms: int = 0, before_ms: int = LATEST_MS
) -> Iterator[tuple[int, EmailId]]:
    """Milliseconds and emails of a mailbox with ``after_ms <= received < before_ms``, newest or oldest first."""
    start = keys.dated(mailbox, min(max(after_ms, 0), LATEST_MS), 0)
    end = keys.dated(mailbox, min(max(before_ms, 0), LATEST_MS), 0)
    for key, _ in view.scan(start, end, reverse=newest):
        yield keys.read_u64(key[5:13]), EmailId(keys.read_u64(key[13:21]))


def account_by_date(
    view: AccountView, *, newest: bool = True, after_ms: int = 0, before_ms: int = LATEST_MS
) -> Iterator[tuple[int, EmailId]]:
    """The same over all mailboxes, each email once; reads no further than the caller does."""
    each = [
        by_date(view, mailbox.id, newest=newest, after_ms=after_ms, before_ms=before_ms)
        for mailbox in mailboxes.list_all(view)
    ]
    before: tuple[int, EmailId] | None = None
    for pair in heapq.merge(*each, reverse=newest):
        if pair != before:  # an email in several mailboxes has the same date in each
            yield pair
        before = pair


def every_email(view: AccountView) -> Iterator[Email]:
    """All emails of the account in the order they came."""
    for _, row in view.scan_prefix(b"E"):
        yield emails.read_email(row)


def every_state(view: AccountView) -> Iterator[tuple[EmailId, EmailState]]:
    for key, row in view.scan_prefix(b"S"):
        yield EmailId(keys.read_u64(key[1:9])), emails.read_state(row)


def thread_ids(view: AccountView, thread: ThreadId) -> Iterator[EmailId]:
    """Emails of a thread in the order they came."""
    return (EmailId(keys.read_u64(key[9:17])) for key, _ in view.scan_prefix(b"T" + keys.u64(thread)))


def thread_members(view: AccountView, thread: ThreadId) -> list[EmailId]:
    """Emails of a thread, oldest first (RFC 8621 §3)."""
    members = list(thread_ids(view, thread))
    view.prefetch(keys.email(email_id) for email_id in members)
    rows = [row for row in (emails.get(view, email_id) for email_id in members) if row is not None]
    return [row.id for row in sorted(rows, key=lambda row: (row.received_ms, row.id))]
