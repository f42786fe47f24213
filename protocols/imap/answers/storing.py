"""STORE. RFC 3501 §6.4.6, RFC 7162 §3.1.3."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.imap import flags, numbers
from protocols.imap.answers.rows import Place, batches, read_rows
from protocols.imap.commands.messages import StoreFlags, StoreMode
from protocols.imap.refusal import Refused
from protocols.imap.session import Done, Selected, Session
from store.changes.engine import AccountTxn
from store.mail import emails
from store.mail.model import EmailState, MailboxId
from store.mail.moves import marked


@dataclass(slots=True)
class Stored:
    """What one transaction did: mails with their state before and after, and those that changed too recently."""

    changed: list[tuple[Place, EmailState, EmailState]] = field(default_factory=list)
    refused: list[Place] = field(default_factory=list)


async def store_flags(session: Session, state: Selected, command: StoreFlags) -> Done:
    view = state.view
    if view.is_read_only:
        raise Refused("the mailbox is open for reading only", b"READ-ONLY")
    if command.unchanged_since is not None:
        session.condstore = True
    refused: list[int] = []
    spans = view.spans(command.messages, by_uid=command.by_uid)
    for places in batches(view, spans, session.services.settings.rows_per_read):
        stored = await _store(session, state, places, command)
        refused.extend(place.uid if command.by_uid else place.number for place in stored.refused)
        _report(session, state, stored)
        for place, before, after in stored.changed:
            if before.modseq <= view.modseq or not command.is_silent:
                view.own[place.uid] = after.modseq
            _write(session, command, place, after)
        await session.channel.drain()
    code = b"MODIFIED " + numbers.render(refused) if refused else b""
    return Done(code=code, may_expunge=command.by_uid)


def _report(session: Session, state: Selected, stored: Stored) -> None:
    """Tell whoever learns from what people say of their mail."""
    on_moved = session.services.on_moved
    for place, before, after in stored.changed if on_moved is not None else ():
        said = marked(state.account.id, place.email_id, before.keywords, after.keywords)
        if said is not None and on_moved is not None:
            on_moved(said)


async def _store(session: Session, state: Selected, places: Sequence[Place], command: StoreFlags) -> Stored:
    return await session.store.write(
        lambda txn: set_flags(txn.account(state.account.id), state.view.mailbox, places, command)
    )


def set_flags(account: AccountTxn, mailbox: MailboxId, places: Sequence[Place], command: StoreFlags) -> Stored:
    """Change the flags of mails that are still there. Raises TooManyKeywords."""
    stored = Stored()
    since = command.unchanged_since
    for row in read_rows(account, mailbox, places, with_email=False):
        if since is not None and row.state.modseq > since:
            stored.refused.append(row.place)
            continue
        wanted = _wanted(row.state.keywords, command)
        stored.changed.append((row.place, row.state, emails.set_keywords(account, row.place.email_id, wanted)))
    return stored


def _wanted(keywords: frozenset[str], command: StoreFlags) -> frozenset[str]:
    match command.mode:
        case StoreMode.REPLACE:
            return command.keywords
        case StoreMode.ADD:
            return keywords | command.keywords
        case StoreMode.REMOVE:
            return keywords - command.keywords


def _write(session: Session, command: StoreFlags, place: Place, after: EmailState) -> None:
    """A silent STORE still tells the modseq to who wants it (RFC 7162 §3.1.3)."""
    items: list[bytes] = []
    if command.by_uid:
        items.append(b"UID %d" % place.uid)
    if not command.is_silent:
        items.append(b"FLAGS (%b)" % flags.render(after.keywords))
    if session.condstore:
        items.append(b"MODSEQ (%d)" % after.modseq)
    if not command.is_silent or session.condstore:
        session.write(b"* %d FETCH (%b)\r\n" % (place.number, b" ".join(items)))
