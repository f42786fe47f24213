"""SELECT and EXAMINE, and the commands that make, rename and subscribe to mailboxes."""

from dataclasses import dataclass
from itertools import islice

from msgspec.structs import replace

from protocols.imap import flags
from protocols.imap.commands.mailboxes import Create, Rename, Select, Subscribe
from protocols.imap.refusal import Refused
from protocols.imap.session import Authenticated, Done, Selected, Session
from protocols.imap.view import MailboxView, open_view
from store.changes.engine import AccountTxn, AccountView, StoreTxn
from store.mail import emails, mailboxes, reading
from store.mail.mailboxes import SEPARATOR, MailboxExists, NoSuchMailbox
from store.mail.model import SEEN, Mailbox, MailboxCounts, MailboxId

UNSEEN_LOOKED_AT = 2_000  #: mails looked through for the first unseen one
_MOVED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Opened:
    mailbox: Mailbox
    counts: MailboxCounts
    view: MailboxView
    first_unseen: int | None


def find(view: AccountView, path: str, code: bytes = b"NONEXISTENT") -> Mailbox:
    """The mailbox at a path. Raises Refused; ``code`` is TRYCREATE where making it would help."""
    mailbox = mailboxes.by_path(view, path)
    if mailbox is None:
        raise Refused("no such mailbox", code)
    return mailbox


async def select(session: Session, state: Authenticated | Selected, command: Select) -> Done:
    """RFC 3501 §6.3.1, §6.3.2; HIGHESTMODSEQ is said always (RFC 7162 §3.1.2)."""
    if command.wants_condstore:
        session.condstore = True
    if isinstance(state, Selected):
        unselect(session, state)
        session.write(b"* OK [CLOSED] the mailbox before is closed\r\n")
    account = state.account
    opened = await session.store.read(
        lambda snapshot: _open(snapshot.account(account.id), command.name, command.is_read_only)
    )
    view = opened.view
    permanent = b"()" if view.is_read_only else b"(%b \\*)" % flags.SYSTEM_FLAGS
    lines = [
        b"* FLAGS (%b)" % flags.KNOWN_FLAGS,
        b"* OK [PERMANENTFLAGS %b] kept" % permanent,
        b"* %d EXISTS" % view.size,
        b"* 0 RECENT",
        b"* OK [UIDVALIDITY %d] UIDs are valid" % opened.mailbox.uid_validity,
        b"* OK [UIDNEXT %d] predicted" % opened.counts.uid_next,
        b"* OK [HIGHESTMODSEQ %d] highest" % view.modseq,
    ]
    if opened.first_unseen is not None:
        lines.append(b"* OK [UNSEEN %d] first unseen" % opened.first_unseen)
    session.write(b"\r\n".join(lines) + b"\r\n")
    session.state = Selected(account, view, opened.mailbox.role)
    return Done(code=b"READ-ONLY" if view.is_read_only else b"READ-WRITE")


def _open(account: AccountView, path: str, is_read_only: bool) -> _Opened:
    mailbox = find(account, path)
    counts = mailboxes.counts(account, mailbox.id)
    view = open_view(account, mailbox.id, is_read_only=is_read_only)
    return _Opened(mailbox, counts, view, _first_unseen(account, mailbox.id) if counts.unread else None)


def _first_unseen(account: AccountView, mailbox: MailboxId) -> int | None:
    """Its sequence number, when it is among the oldest mails."""
    for number, (_, email_id) in enumerate(islice(reading.placements(account, mailbox), UNSEEN_LOOKED_AT), 1):
        state = emails.state(account, email_id)
        if state is not None and SEEN not in state.keywords:
            return number
    return None


def unselect(session: Session, state: Selected) -> Done:
    """RFC 3691."""
    session.state = Authenticated(state.account)
    return Done()


async def subscribe(session: Session, state: Authenticated | Selected, command: Subscribe) -> Done:
    def body(txn: StoreTxn) -> None:
        account = txn.account(state.account.id)
        mailbox = find(account, command.name)
        if mailbox.is_subscribed != command.is_wanted:
            mailboxes.update(account, replace(mailbox, is_subscribed=command.is_wanted))

    await session.store.write(body)
    return Done()


async def create(session: Session, state: Authenticated | Selected, command: Create) -> Done:
    """RFC 3501 §6.3.3; with a special use, RFC 6154 §3."""
    now_s = int(session.services.clock())

    def body(txn: StoreTxn) -> None:
        account = txn.account(state.account.id)
        if command.role and mailboxes.with_role(account, command.role) is not None:
            raise Refused("another mailbox has that use", b"USEATTR")
        made = mailboxes.ensure_path(account, command.name, now_s)
        if command.role:
            mailboxes.update(account, replace(made, role=command.role))

    await session.store.write(body)
    return Done()


async def rename(session: Session, state: Authenticated | Selected, command: Rename) -> Done:
    """RFC 3501 §6.3.5. Children go along; INBOX stays and only its mail goes."""
    now_s = int(session.services.clock())

    def body(txn: StoreTxn) -> tuple[MailboxId, MailboxId] | None:
        account = txn.account(state.account.id)
        mailbox = find(account, command.old)
        if mailbox.role == "inbox":
            return mailbox.id, mailboxes.ensure_path(account, command.new, now_s).id
        _rename(account, mailbox, command.new, now_s)
        return None

    inbox = await session.store.write(body)
    if inbox is not None:
        source, target = inbox
        while await session.store.write(lambda txn: _empty_into(txn.account(state.account.id), source, target)):
            pass
    return Done()


def _rename(account: AccountTxn, mailbox: Mailbox, path: str, now_s: int) -> None:
    if mailboxes.by_path(account, path) is not None:
        raise MailboxExists("the mailbox exists already")
    above, _, name = path.rpartition(SEPARATOR)
    parent: Mailbox | None = None
    if above:
        parent = mailboxes.by_path(account, above) or mailboxes.ensure_path(account, above, now_s)
    mailboxes.update(account, replace(mailbox, name=name, parent=parent.id if parent else None))


def _empty_into(account: AccountTxn, source: MailboxId, target: MailboxId) -> bool:
    """Move some mail; whether there may be more."""
    if mailboxes.get(account, target) is None:
        raise NoSuchMailbox("the new mailbox was removed meanwhile")
    first = [email_id for _, email_id in islice(reading.placements(account, source), _MOVED_AT_ONCE)]
    for email_id in first:
        before = emails.state(account, email_id)
        if before is not None:
            emails.set_mailboxes(account, email_id, {*before.placements, target} - {source})
    return len(first) == _MOVED_AT_ONCE
