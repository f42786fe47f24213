"""EXPUNGE, CLOSE and DELETE. RFC 3501 §6.3.4, §6.4.2-3, RFC 4315 §2.1."""

from collections.abc import Sequence
from itertools import islice

from protocols.imap import flags
from protocols.imap.answers.folders import find, unselect
from protocols.imap.answers.rows import Place, batches, read_rows
from protocols.imap.commands.mailboxes import Delete
from protocols.imap.commands.messages import Expunge
from protocols.imap.refusal import Refused
from protocols.imap.session import Authenticated, Done, Selected, Session
from protocols.imap.view import Spans
from store.changes.engine import AccountTxn
from store.mail import emails, mailboxes, reading
from store.mail.mailboxes import MailboxError, MailboxHasChildren
from store.mail.model import EmailId, EmailState, MailboxId

_REMOVED_AT_ONCE = 500


async def expunge(session: Session, state: Selected, command: Expunge) -> Done:
    """The EXPUNGE answers are written by the announcement that precedes every tagged answer."""
    view = state.view
    if view.is_read_only:
        raise Refused("the mailbox is open for reading only", b"READ-ONLY")
    whole = ((0, view.size),)
    spans = whole if command.messages is None else view.spans(command.messages, by_uid=True)
    await _expunge(session, state, spans)
    return Done()


async def close(session: Session, state: Selected) -> Done:
    """RFC 3501 §6.4.2: removes without saying so, and nothing from a mailbox that is only read."""
    if not state.view.is_read_only:
        await _expunge(session, state, ((0, state.view.size),))
    return unselect(session, state)


async def _expunge(session: Session, state: Selected, spans: Spans) -> None:
    """Batch by batch, each complete: who cuts in finds some mails gone and the others as they were."""
    account, mailbox = state.account.id, state.view.mailbox
    for places in batches(state.view, spans, session.services.settings.rows_per_read):
        doomed = await session.store.read(
            lambda snapshot, places=places: [  # type: ignore[misc]
                row.place
                for row in read_rows(snapshot.account(account), mailbox, places, with_email=False)
                if flags.DELETED in row.state.keywords
            ]
        )
        if doomed:
            await session.store.write(lambda txn, doomed=doomed: _remove(txn.account(account), mailbox, doomed))  # type: ignore[misc]


def _remove(account: AccountTxn, mailbox: MailboxId, places: Sequence[Place]) -> None:
    """Remove those that still carry the flag: another session may have taken it away since."""
    for row in read_rows(account, mailbox, places, with_email=False):
        if flags.DELETED in row.state.keywords:
            take_out(account, row.place.email_id, row.state, mailbox)


def take_out(account: AccountTxn, email_id: EmailId, state: EmailState, mailbox: MailboxId) -> None:
    """Take a mail out of one mailbox; it stays in others (RFC 8621 §4.1.1), no longer flagged for removal."""
    rest = state.placements.keys() - {mailbox}
    if not rest:
        emails.destroy(account, email_id)
        return
    emails.set_mailboxes(account, email_id, rest)
    emails.set_keywords(account, email_id, state.keywords - {flags.DELETED})


async def delete_mailbox(session: Session, state: Authenticated | Selected, command: Delete) -> Done:
    """A mailbox goes with its mail, some at a time; one with children stays (RFC 5530 HASCHILDREN)."""
    account = state.account.id
    gone: MailboxId | None = None
    while gone is None:
        gone = await session.store.write(lambda txn: _delete_some(txn.account(account), command.name))
    if isinstance(state, Selected) and state.view.mailbox == gone:
        unselect(session, state)
    return Done()


def _delete_some(account: AccountTxn, path: str) -> MailboxId | None:
    """Take out some mail, or the mailbox when that was the last of it; the id when it is gone."""
    mailbox = find(account, path)
    if mailbox.role == "inbox":
        raise MailboxError("INBOX cannot be removed")
    if any(other.parent == mailbox.id for other in mailboxes.list_all(account)):
        raise MailboxHasChildren("the mailbox has children")
    some = list(islice(reading.placements(account, mailbox.id), _REMOVED_AT_ONCE))
    for _, email_id in some:
        state = emails.state(account, email_id)
        if state is not None:
            take_out(account, email_id, state, mailbox.id)
    if len(some) == _REMOVED_AT_ONCE:
        return None
    mailboxes.destroy(account, mailbox.id)
    return mailbox.id
