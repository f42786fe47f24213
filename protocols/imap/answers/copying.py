"""COPY and MOVE. RFC 3501 §6.4.7, RFC 6851, RFC 4315 §3 (COPYUID)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.imap import numbers
from protocols.imap.answers.folders import find
from protocols.imap.answers.rows import Place, batches, read_rows
from protocols.imap.commands.messages import Copy
from protocols.imap.refusal import ImapRefusal, Refused
from protocols.imap.session import Done, Selected, Session
from store.changes.engine import AccountTxn
from store.kv.contract import StoreUnavailable
from store.mail import emails
from store.mail.mailboxes import MailboxError
from store.mail.model import EmailId, Mailbox, MailboxId
from store.mail.moves import Moved
from store.mail.quota import OverQuota


@dataclass(slots=True)
class _Copied:
    """Mails that arrived, with their UIDs there and here."""

    target: Mailbox | None = None
    emails: list[EmailId] = field(default_factory=list)
    made: list[EmailId] = field(default_factory=list)  #: by COPY
    from_uids: list[int] = field(default_factory=list)
    to_uids: list[int] = field(default_factory=list)

    def add(self, other: "_Copied") -> None:
        self.target = other.target
        self.emails += other.emails
        self.made += other.made
        self.from_uids += other.from_uids
        self.to_uids += other.to_uids

    def code(self) -> bytes:
        if self.target is None or not self.from_uids:
            return b""
        sets = numbers.render(self.from_uids), numbers.render(self.to_uids)
        return b"COPYUID %d %b %b" % (self.target.uid_validity, *sets)


async def copy(session: Session, state: Selected, command: Copy) -> Done:
    """Some mails a transaction. A MOVE that is cut short has moved what it says; a COPY takes back what it made."""
    view = state.view
    if command.is_move and view.is_read_only:
        raise Refused("the mailbox is open for reading only", b"READ-ONLY")
    spans = view.spans(command.messages, by_uid=command.by_uid)
    copied = _Copied()
    try:
        for places in batches(view, spans, session.services.settings.rows_per_read):
            copied.add(await _copy(session, state, places, command))
    except (ImapRefusal, MailboxError, OverQuota, StoreUnavailable):
        if command.is_move:
            _report_moved(session, state, copied)
        else:
            await _take_back(session, state, copied)
        raise
    if not spans:
        await session.store.read(lambda snapshot: find(snapshot.account(state.account.id), command.name, b"TRYCREATE"))
    if command.is_move:
        _report_moved(session, state, copied)
        return Done()
    _report(session, state, copied)
    return Done(code=copied.code())


async def _copy(session: Session, state: Selected, places: Sequence[Place], command: Copy) -> _Copied:
    act = _move_rows if command.is_move else _copy_rows
    source = state.view.mailbox

    def body(account: AccountTxn) -> _Copied:
        target = find(account, command.name, b"TRYCREATE")
        return act(account, source, target, places)

    return await session.store.write(lambda txn: body(txn.account(state.account.id)))


async def _take_back(session: Session, state: Selected, copied: _Copied) -> None:
    """RFC 3501 §6.4.7: a COPY that fails leaves the target as it was. When even this fails, whole copies remain."""
    for first in range(0, len(copied.made), session.services.settings.rows_per_read):
        some = copied.made[first : first + session.services.settings.rows_per_read]
        await session.store.write(lambda txn, some=some: _destroy(txn.account(state.account.id), some))  # type: ignore[misc]


def _destroy(account: AccountTxn, made: Sequence[EmailId]) -> None:
    for email_id in made:
        if emails.state(account, email_id) is not None:
            emails.destroy(account, email_id)


def _copy_rows(account: AccountTxn, source: MailboxId, target: Mailbox, places: Sequence[Place]) -> _Copied:
    copied = _Copied(target)
    for row in read_rows(account, source, places, with_email=False):
        email, made = emails.copy_within(account, row.place.email_id, target.id)
        copied.emails.append(row.place.email_id)
        copied.made.append(email.id)
        copied.from_uids.append(row.place.uid)
        copied.to_uids.append(made.placements[target.id])
    return copied


def _move_rows(account: AccountTxn, source: MailboxId, target: Mailbox, places: Sequence[Place]) -> _Copied:
    if target.id == source:
        raise Refused("the mail is there already", b"CANNOT")
    copied = _Copied(target)
    for row in read_rows(account, source, places, with_email=False):
        wanted = (row.state.placements.keys() | {target.id}) - {source}
        after = emails.set_mailboxes(account, row.place.email_id, wanted)
        if after is not None:
            copied.emails.append(row.place.email_id)
            copied.from_uids.append(row.place.uid)
            copied.to_uids.append(after.placements[target.id])
    return copied


def _report_moved(session: Session, state: Selected, copied: _Copied) -> None:
    _report(session, state, copied)
    if copied.code():
        session.write(b"* OK [%b] moved\r\n" % copied.code())  # RFC 6851 §4.3: before the EXPUNGEs


def _report(session: Session, state: Selected, copied: _Copied) -> None:
    """Tell whoever learns from what people do with their mail."""
    on_moved = session.services.on_moved
    if on_moved is not None and copied.target is not None and copied.emails and copied.target.role != state.role:
        on_moved(Moved(state.account.id, tuple(copied.emails), state.role, copied.target.role))
