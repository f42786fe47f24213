"""Emails: add, flag, file, destroy. Every function runs inside the account's transaction and keeps all indexes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from store.blob.contract import BlobId
from store.changes.engine import AccountTxn, AccountView, Change, Kind
from store.mail import mailboxes
from store.mail.model import SEEN, Email, EmailId, EmailState, MailboxCounts, MailboxId, ThreadId, ThreadRow, Uid
from store.mail.parsing import Digest, thread_digest
from store.schema import keys
from store.schema.rows import Reader, pack

read_email = Reader(Email)
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
    """Add an email to one or more mailboxes. Raises NoSuchMailbox."""
    keywords = _checked(new.keywords)
    _check_mailboxes(txn, into)
    email_id = EmailId(txn.next_id())
    thread = _thread_for(txn, new.digest, email_id)
    email = row_of(email_id, thread, new)
    txn.save(Kind.EMAIL, email_id, keys.email(email_id), pack(email), Change.CREATED)
    txn.link(new.blob, b"E" + keys.u64(email_id))
    txn.index(keys.thread_member(thread, email_id))
    modseq = txn.next_modseq()
    placements = {mailbox: _place(txn, email, mailbox, SEEN not in keywords) for mailbox in dict.fromkeys(into)}
    made = EmailState(modseq, modseq, keywords, placements)
    txn.index(keys.state(email_id), pack(made))
    return email, made


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
        email = _require_row(txn, email_id)
        for mailbox in before.placements:
            _count(txn, mailbox, email, total=0, unread=-1 if SEEN in wanted else 1)
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
    email = _require_row(txn, email_id)
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
    """A second, independent email of the same octets (IMAP COPY: flags may then differ). Raises NoSuchEmail."""
    source, source_state = _require_row(txn, email_id), _require(txn, email_id)
    _check_mailboxes(txn, (mailbox,))
    copy_id = EmailId(txn.next_id())
    email = replace(source, id=copy_id)
    txn.save(Kind.EMAIL, copy_id, keys.email(copy_id), pack(email), Change.CREATED)
    txn.link(email.blob, b"E" + keys.u64(copy_id))
    txn.index(keys.thread_member(email.thread, copy_id))
    txn.log(Kind.THREAD, email.thread, Change.UPDATED)
    modseq = txn.next_modseq()
    uid = _place(txn, email, mailbox, SEEN not in source_state.keywords)
    made = EmailState(modseq, modseq, source_state.keywords, {mailbox: uid})
    txn.index(keys.state(copy_id), pack(made))
    return email, made


def destroy(txn: AccountTxn, email_id: EmailId) -> None:
    """Remove an email from every mailbox and from the account. Its blob is collected later. Raises NoSuchEmail."""
    email, before = _require_row(txn, email_id), _require(txn, email_id)
    for mailbox, uid in before.placements.items():
        _unplace(txn, email, mailbox, uid, SEEN not in before.keywords)
    txn.destroy(Kind.EMAIL, email_id, keys.email(email_id))
    txn.unindex(keys.state(email_id))
    txn.unindex(keys.thread_member(email.thread, email_id))
    txn.unlink(email.blob, b"E" + keys.u64(email_id))
    remaining = next(txn.scan_prefix(b"T" + keys.u64(email.thread), limit=1), None)
    if remaining is None:
        for message_id in email.message_ids + email.references + email.in_reply_to:
            key = keys.message_id(thread_digest(message_id))
            if txn.get(key) == keys.u64(email.thread):
                txn.unindex(key)
    txn.log(Kind.THREAD, email.thread, Change.UPDATED if remaining else Change.DESTROYED)


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


def _checked(keywords: frozenset[str]) -> frozenset[str]:
    if len(keywords) > MAX_KEYWORDS or any(len(k.encode()) > MAX_KEYWORD_OCTETS for k in keywords):
        raise TooManyKeywords(f"at most {MAX_KEYWORDS} keywords of {MAX_KEYWORD_OCTETS} octets")
    return frozenset(k.lower() for k in keywords)


def _thread_for(txn: AccountTxn, digest: Digest, email_id: EmailId) -> ThreadId:
    """The thread that holds any message this one names, else a new one. RFC 5256, by references."""
    named = dict.fromkeys(digest.message_ids + digest.in_reply_to + digest.references[::-1])
    known = {key: _living_thread(txn, key) for key in (keys.message_id(thread_digest(name)) for name in named)}
    found = next((thread for thread in known.values() if thread is not None), None)
    thread = found if found is not None else ThreadId(email_id)
    for key, its_thread in known.items():
        if its_thread is None:
            txn.index(key, keys.u64(thread))
    txn.log(Kind.THREAD, thread, Change.UPDATED if found is not None else Change.CREATED)
    return thread


def _check_mailboxes(txn: AccountTxn, wanted: Iterable[MailboxId]) -> None:
    """Before anything is written, so that a caller may go on after a refusal. Raises NoSuchMailbox."""
    if any(txn.get(keys.mailbox(mailbox)) is None for mailbox in wanted):
        raise mailboxes.NoSuchMailbox("no such mailbox")


def _living_thread(txn: AccountTxn, key: bytes) -> ThreadId | None:
    """The thread a Message-ID leads to, if it still exists: ids outlive it, each email forgets only those it named."""
    row = txn.get(key)
    if row is None or next(txn.scan_prefix(b"T" + row, limit=1), None) is None:
        return None
    return ThreadId(keys.read_u64(row))


def _place(txn: AccountTxn, email: Email, mailbox: MailboxId, unread: bool) -> Uid:
    counts = mailboxes.counts(txn, mailbox)
    uid = counts.uid_next
    txn.index(keys.uid(mailbox, uid), keys.u64(email.id))
    txn.index(keys.dated(mailbox, email.received_ms, email.id))
    _count(txn, mailbox, email, total=1, unread=int(unread), counts=replace(counts, uid_next=Uid(uid + 1)))
    return uid


def _unplace(txn: AccountTxn, email: Email, mailbox: MailboxId, uid: Uid, unread: bool) -> None:
    txn.unindex(keys.uid(mailbox, uid))
    txn.unindex(keys.dated(mailbox, email.received_ms, email.id))
    txn.index(keys.vanished(mailbox, txn.next_modseq(), uid))
    _count(txn, mailbox, email, total=-1, unread=-int(unread))


def _count(
    txn: AccountTxn, mailbox: MailboxId, email: Email, *, total: int, unread: int, counts: MailboxCounts | None = None
) -> None:
    """Move a mailbox's counters, thread counters included, and log that the mailbox changed."""
    now = counts or mailboxes.counts(txn, mailbox)
    key = keys.mailbox_thread(mailbox, email.thread)
    row = txn.get(key)
    before = read_thread_row(row) if row is not None else ThreadRow(0, 0)
    after = ThreadRow(before.total + total, before.unread + unread)
    if after.total:
        txn.index(key, pack(after))
    else:
        txn.unindex(key)
    moved = replace(
        now,
        total=now.total + total,
        unread=now.unread + unread,
        threads=now.threads + bool(after.total) - bool(before.total),
        unread_threads=now.unread_threads + bool(after.unread) - bool(before.unread),
        octets=now.octets + total * email.size,
    )
    txn.index(keys.counts(mailbox), pack(moved))
    txn.log(Kind.MAILBOX, mailbox, Change.COUNTED)
