"""Emails: add, flag, file, destroy. Every function runs inside the account's transaction and keeps all indexes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from store.blob.contract import BlobId
from store.changes.announce import INDEX
from store.changes.engine import AccountTxn, AccountView, Change, Kind
from store.mail import kept, mailboxes, quota, threads
from store.mail.digest import Digest
from store.mail.model import (
    SEEN,
    Email,
    EmailHead,
    EmailId,
    EmailState,
    MailboxCounts,
    MailboxId,
    ThreadId,
    ThreadRow,
    Uid,
)
from store.schema import keys
from store.schema.rows import Reader, pack

read_email = Reader(Email)
read_head = Reader(EmailHead)
read_state = Reader(EmailState)
read_thread_row = Reader(ThreadRow)

MAX_KEYWORDS = 100
MAX_KEYWORD_OCTETS = 255


class NoSuchEmail(Exception):
    """The email does not exist (any more)."""


class TooManyKeywords(Exception):
    """More keywords than one email may carry."""


@dataclass(frozen=True, slots=True)
class NewEmail:
    """An email about to be added. Its blob must be kept in the same transaction, or be durable already."""

    blob: BlobId
    digest: Digest
    received_ms: int
    keywords: frozenset[str] = frozenset()
    reception: str = ""
    may_exceed: bool = False  #: taken in although the account is full: we have answered for it already


def get(view: AccountView, email_id: int) -> Email | None:
    if not 0 <= email_id < 1 << 64:
        return None
    row = view.get(keys.email(email_id))
    return read_email(row) if row is not None else None


def state(view: AccountView, email_id: int) -> EmailState | None:
    if not 0 <= email_id < 1 << 64:
        return None
    row = view.get(keys.state(email_id))
    return read_state(row) if row is not None else None


def add(txn: AccountTxn, new: NewEmail, into: Sequence[MailboxId]) -> tuple[Email, EmailState]:
    """Add an email to one or more mailboxes. Raises NoSuchMailbox, OverQuota, AccountClosed."""
    keywords = _checked(new.keywords)
    numbers = (keys.LAST_ID, keys.MODSEQ, *map(keys.mailbox, into), *map(keys.counts, into))
    txn.prefetch((*numbers, *threads.names_of(new.digest)))
    _check_mailboxes(txn, into)
    quota.take(txn, new.digest.size, may_exceed=new.may_exceed)
    email_id = EmailId(txn.next_id())
    found = threads.find(txn, new.digest, new.received_ms, email_id)
    txn.log(Kind.THREAD, found.thread, Change.CREATED if found.is_new else Change.UPDATED)
    for stray in found.strays:
        _rehome(txn, stray, found.thread)
    email = row_of(email_id, found.thread, new)
    return email, _enter(txn, email, keywords, into)


def row_of(email_id: EmailId, thread: ThreadId, new: NewEmail) -> Email:
    """The row of an email, written or not."""
    d = new.digest
    return Email(
        id=email_id,
        blob=new.blob,
        thread=thread,
        size=d.size,
        received_ms=new.received_ms,
        sent_ms=d.sent_ms,
        subject=d.subject,
        preview=d.preview,
        message_ids=d.message_ids,
        in_reply_to=d.in_reply_to,
        references=d.references,
        from_=d.addresses["From"],
        sender=d.addresses["Sender"],
        reply_to=d.addresses["Reply-To"],
        to=d.addresses["To"],
        cc=d.addresses["Cc"],
        bcc=d.addresses["Bcc"],
        has_attachment=d.has_attachment,
        structure=d.structure,
        imap_envelope=d.imap_envelope,
        imap_body=d.imap_body,
        imap_bodystructure=d.imap_bodystructure,
        header_octets=d.header_octets,
        reception=new.reception,
    )


def set_keywords(txn: AccountTxn, email_id: EmailId, keywords: Iterable[str]) -> EmailState:
    """Replace an email's keywords. Without a difference nothing changes. Raises NoSuchEmail, TooManyKeywords."""
    before = _require(txn, email_id)
    wanted = _checked(frozenset(keywords))
    if wanted == before.keywords:
        return before
    after = replace(before, keywords=wanted, modseq=txn.next_modseq())
    txn.save(Kind.EMAIL, email_id, keys.state(email_id), pack(after), Change.UPDATED)
    if (SEEN in wanted) != (SEEN in before.keywords):
        head = _require_head(txn, email_id)
        for mailbox in before.placements:
            _count(txn, mailbox, head, total=0, unread=-1 if SEEN in wanted else 1)
    return after


def set_mailboxes(txn: AccountTxn, email_id: EmailId, wanted: Iterable[MailboxId]) -> EmailState | None:
    """Put an email into exactly these mailboxes; into none destroys it (None). Raises NoSuchEmail, NoSuchMailbox."""
    before = _require(txn, email_id)
    target = dict.fromkeys(wanted)
    if not target:
        destroy(txn, email_id)
        return None
    if target.keys() == before.placements.keys():
        return before
    _check_mailboxes(txn, target)
    email = _require_head(txn, email_id)
    unread = SEEN not in before.keywords
    placements = dict(before.placements)
    for mailbox in [m for m in before.placements if m not in target]:
        _unplace(txn, email, mailbox, placements.pop(mailbox), unread)
    for mailbox in [m for m in target if m not in before.placements]:
        placements[mailbox] = _place(txn, email, mailbox, unread)
    after = replace(before, placements=placements, modseq=txn.next_modseq())
    txn.save(Kind.EMAIL, email_id, keys.state(email_id), pack(after), Change.UPDATED)
    return after


def copy_within(txn: AccountTxn, email_id: EmailId, mailbox: MailboxId) -> tuple[Email, EmailState]:
    """A second, independent email of the same octets (IMAP COPY: flags may then differ).

    Raises NoSuchEmail, NoSuchMailbox, OverQuota, AccountClosed.
    """
    source, source_state = _require_row(txn, email_id), _require(txn, email_id)
    _check_mailboxes(txn, (mailbox,))
    quota.take(txn, source.size)
    email = replace(source, id=EmailId(txn.next_id()))
    txn.log(Kind.THREAD, email.thread, Change.UPDATED)
    return email, _enter(txn, email, source_state.keywords, (mailbox,))


def destroy(txn: AccountTxn, email_id: EmailId, by: str = kept.OWNER) -> None:
    """Remove an email from every mailbox and from the account. Raises NoSuchEmail.

    Its blob is collected later, unless a hold or a retention rule keeps the email back (store.mail.kept).
    """
    email, before = _require_row(txn, email_id), _require(txn, email_id)
    kept.let_go(txn, email, before, by)
    quota.give_back(txn, email_id, email.size)
    _leave(txn, email, before)
    if threads.is_alive(txn, email.thread):
        txn.log(Kind.THREAD, email.thread, Change.UPDATED)
    else:
        threads.forget(txn, email)
        txn.log(Kind.THREAD, email.thread, Change.DESTROYED)


def _enter(txn: AccountTxn, email: Email, keywords: frozenset[str], into: Iterable[MailboxId]) -> EmailState:
    """All rows of an email that is new to the account."""
    txn.save(Kind.EMAIL, email.id, keys.email(email.id), pack(email), Change.CREATED)
    txn.link(email.blob, b"E" + keys.u64(email.id))
    txn.index(keys.thread_member(email.thread, email.id))
    modseq = txn.next_modseq()
    placements = {mailbox: _place(txn, email, mailbox, SEEN not in keywords) for mailbox in dict.fromkeys(into)}
    made = EmailState(modseq, modseq, keywords, placements)
    txn.index(keys.state(email.id), pack(made))
    txn.store.kv.put(keys.to_index(txn.account), b"")
    txn.store.touch(INDEX)
    return made


def _leave(txn: AccountTxn, email: Email, before: EmailState) -> None:
    """Take away all rows of an email."""
    for mailbox, uid in before.placements.items():
        _unplace(txn, email, mailbox, uid, SEEN not in before.keywords)
    txn.destroy(Kind.EMAIL, email.id, keys.email(email.id))
    txn.unindex(keys.state(email.id))
    txn.index(keys.gone(email.id))
    txn.unindex(keys.thread_member(email.thread, email.id))
    txn.unlink(email.blob, b"E" + keys.u64(email.id))


def _rehome(txn: AccountTxn, email_id: EmailId, thread: ThreadId) -> None:
    """Bring an email into another thread. Its thread never changes, so it gets a new id (RFC 8621 §3) and new UIDs."""
    email, before = _require_row(txn, email_id), _require(txn, email_id)
    _leave(txn, email, before)
    txn.log(Kind.THREAD, email.thread, Change.UPDATED if threads.is_alive(txn, email.thread) else Change.DESTROYED)
    moved = replace(email, id=EmailId(txn.next_id()), thread=thread)
    _enter(txn, moved, before.keywords, before.placements)
    threads.follow(txn, moved)


def _require(txn: AccountTxn, email_id: EmailId) -> EmailState:
    found = state(txn, email_id)
    if found is None:
        raise NoSuchEmail(email_id)
    return found


def _require_row(txn: AccountTxn, email_id: EmailId) -> Email:
    found = get(txn, email_id)
    if found is None:
        raise NoSuchEmail(email_id)
    return found


def _require_head(txn: AccountTxn, email_id: EmailId) -> EmailHead:
    row = txn.get(keys.email(email_id))
    if row is None:
        raise NoSuchEmail(email_id)
    return read_head(row)


def _checked(keywords: frozenset[str]) -> frozenset[str]:
    if len(keywords) > MAX_KEYWORDS or any(len(k.encode()) > MAX_KEYWORD_OCTETS for k in keywords):
        raise TooManyKeywords(f"at most {MAX_KEYWORDS} keywords of {MAX_KEYWORD_OCTETS} octets")
    return frozenset(k.lower() for k in keywords)


def _check_mailboxes(txn: AccountTxn, wanted: Iterable[MailboxId]) -> None:
    """Before anything is written, so that a caller may go on after a refusal. Raises NoSuchMailbox."""
    if any(txn.get(keys.mailbox(mailbox)) is None for mailbox in wanted):
        raise mailboxes.NoSuchMailbox("no such mailbox")


def _place(txn: AccountTxn, email: Email | EmailHead, mailbox: MailboxId, unread: bool) -> Uid:
    counts = mailboxes.counts(txn, mailbox)
    uid = counts.uid_next
    txn.index(keys.uid(mailbox, uid), keys.u64(email.id))
    txn.index(keys.dated(mailbox, email.received_ms, email.id))
    _count(txn, mailbox, email, total=1, unread=int(unread), uid_next=Uid(uid + 1))
    return uid


def _unplace(txn: AccountTxn, email: Email | EmailHead, mailbox: MailboxId, uid: Uid, unread: bool) -> None:
    txn.unindex(keys.uid(mailbox, uid))
    txn.unindex(keys.dated(mailbox, email.received_ms, email.id))
    txn.index(keys.vanished(mailbox, txn.next_modseq(), uid))
    _count(txn, mailbox, email, total=-1, unread=-int(unread))


def _count(
    txn: AccountTxn,
    mailbox: MailboxId,
    email: Email | EmailHead,
    *,
    total: int,
    unread: int,
    uid_next: Uid | None = None,
) -> None:
    """Move a mailbox's counters, thread counters included, and log that the mailbox changed."""
    key = keys.mailbox_thread(mailbox, email.thread)
    before = txn.row(key, read_thread_row) or ThreadRow(0, 0)
    after = ThreadRow(before.total + total, before.unread + unread)
    if after.total:
        txn.hold(key, after)
    else:
        txn.unindex(key)
    now = mailboxes.counts(txn, mailbox)
    moved = MailboxCounts(
        uid_next or now.uid_next,
        now.total + total,
        now.unread + unread,
        now.threads + bool(after.total) - bool(before.total),
        now.unread_threads + bool(after.unread) - bool(before.unread),
        now.octets + total * email.size,
    )
    txn.hold(keys.counts(mailbox), moved)
    txn.log(Kind.MAILBOX, mailbox, Change.COUNTED)
