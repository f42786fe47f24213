"""LIST, LSUB and STATUS. RFC 3501 §6.3.8-10, RFC 5258, RFC 5819, RFC 6154."""

from dataclasses import dataclass

from protocols.imap import utf7
from protocols.imap.answers.folders import find
from protocols.imap.commands.mailboxes import List, Status
from protocols.imap.refusal import Refused
from protocols.imap.session import Authenticated, Done, Selected, Session
from store.changes.engine import AccountView
from store.mail import mailboxes
from store.mail.mailboxes import SEPARATOR, normal_path
from store.mail.model import Mailbox, MailboxCounts, MailboxId

MAX_PATTERNS = 50
MAX_PATTERN_CHARS = 500
_USES = {
    "drafts": b"\\Drafts",
    "sent": b"\\Sent",
    "junk": b"\\Junk",
    "trash": b"\\Trash",
    "archive": b"\\Archive",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A mailbox with what LIST says about it."""

    path: str
    mailbox: Mailbox
    has_children: bool
    above_chosen: bool  #: some mailbox below it meets the selection
    counts: MailboxCounts | None


@dataclass(frozen=True, slots=True)
class _Listing:
    entries: tuple[_Entry, ...]
    modseq: int


async def listing(session: Session, state: Authenticated | Selected, command: List) -> Done:
    if not command.is_extended and command.patterns == ("",):
        session.write(b'* %b (\\Noselect) "/" ""\r\n' % (b"LSUB" if command.is_lsub else b"LIST"))
        return Done()
    patterns = _patterns(command)
    found = await session.store.read(
        lambda snapshot: _read(snapshot.account(state.account.id), command, with_counts=bool(command.status))
    )
    for entry in found.entries:
        if any(matches(pattern, entry.path) for pattern in patterns):
            _write_entry(session, command, entry, patterns, found)
    return Done()


def _patterns(command: List) -> tuple[str, ...]:
    whole = tuple(normal_path(command.reference + pattern) for pattern in command.patterns)
    if len(whole) > MAX_PATTERNS or any(len(pattern) > MAX_PATTERN_CHARS for pattern in whole):
        raise Refused("too many patterns, or too long", b"LIMIT")
    return whole


def _read(account: AccountView, command: List, *, with_counts: bool) -> _Listing:
    everything = mailboxes.list_all(account)
    by_id = {mailbox.id: mailbox for mailbox in everything}
    parents = {mailbox.parent for mailbox in everything}
    above = _above_chosen(everything, by_id, command)
    entries = [
        _Entry(
            mailboxes.path_of(mailbox, by_id),
            mailbox,
            mailbox.id in parents,
            mailbox.id in above,
            mailboxes.counts(account, mailbox.id) if with_counts else None,
        )
        for mailbox in everything
    ]
    entries.sort(key=lambda entry: (entry.path != "INBOX", entry.path))
    return _Listing(tuple(entries), account.modseq)


def _above_chosen(everything: list[Mailbox], by_id: dict[MailboxId, Mailbox], command: List) -> set[MailboxId]:
    above: set[MailboxId] = set()
    for mailbox in everything:
        if not _is_chosen(mailbox, command):
            continue
        parent = mailbox.parent
        while parent is not None and parent not in above:
            above.add(parent)
            parent = by_id[parent].parent
    return above


def _is_chosen(mailbox: Mailbox, command: List) -> bool:
    if b"SUBSCRIBED" in command.selection and not mailbox.is_subscribed:
        return False
    return b"SPECIAL-USE" not in command.selection or mailbox.role in _USES


def _write_entry(session: Session, command: List, entry: _Entry, patterns: tuple[str, ...], found: _Listing) -> None:
    mailbox = entry.mailbox
    is_chosen = _is_chosen(mailbox, command)
    if command.is_lsub:
        hidden = entry.above_chosen and not is_chosen and not _any_below_matches(entry, patterns, found, command)
        if is_chosen or hidden:
            attributes = b"" if is_chosen else b"\\Noselect"
            session.write(b'* LSUB (%b) "/" %b\r\n' % (attributes, utf7.quoted(entry.path)))
        return
    below = b"RECURSIVEMATCH" in command.selection and entry.above_chosen
    if not is_chosen and not below:
        return
    words = [b"\\HasChildren" if entry.has_children else b"\\HasNoChildren"]
    if mailbox.role in _USES:
        words.append(_USES[mailbox.role])
    if mailbox.is_subscribed and b"SUBSCRIBED" in command.selection | command.returns:
        words.append(b"\\Subscribed")
    info = b' ("CHILDINFO" ("SUBSCRIBED"))' if below and b"SUBSCRIBED" in command.selection else b""
    session.write(b'* LIST (%b) "/" %b%b\r\n' % (b" ".join(words), utf7.quoted(entry.path), info))
    if entry.counts is not None:
        _write_status(session, entry.path, mailbox, entry.counts, found.modseq, command.status)


def _any_below_matches(entry: _Entry, patterns: tuple[str, ...], found: _Listing, command: List) -> bool:
    start = entry.path + SEPARATOR
    return any(
        other.path.startswith(start) and _is_chosen(other.mailbox, command) and matches(pattern, other.path)
        for other in found.entries
        for pattern in patterns
    )


async def status(session: Session, state: Authenticated | Selected, command: Status) -> Done:
    def body(account: AccountView) -> tuple[Mailbox, MailboxCounts, int]:
        mailbox = find(account, command.name)
        return mailbox, mailboxes.counts(account, mailbox.id), account.modseq

    mailbox, counts, modseq = await session.store.read(lambda snapshot: body(snapshot.account(state.account.id)))
    if b"HIGHESTMODSEQ" in command.items:
        session.condstore = True
    _write_status(session, command.name, mailbox, counts, modseq, command.items)
    return Done()


def _write_status(
    session: Session, path: str, mailbox: Mailbox, counts: MailboxCounts, modseq: int, items: tuple[bytes, ...]
) -> None:
    values = {
        b"MESSAGES": counts.total,
        b"RECENT": 0,
        b"UIDNEXT": counts.uid_next,
        b"UIDVALIDITY": mailbox.uid_validity,
        b"UNSEEN": counts.unread,
        b"HIGHESTMODSEQ": modseq,
        b"SIZE": counts.octets,
    }
    shown = b" ".join(b"%b %d" % (item, values[item]) for item in items)
    session.write(b"* STATUS %b (%b)\r\n" % (utf7.quoted(path), shown))


def matches(pattern: str, path: str) -> bool:
    """Whether "*" (anything) and "%" (anything but the separator) can be filled in. Work is pattern times path."""
    if path == "INBOX":
        pattern = pattern.upper()
    elif pattern[:5].upper() == "INBOX":
        pattern = "INBOX" + pattern[5:]
    reached = {0}  # positions in the path up to which the pattern so far can match
    for char in pattern:
        if char == "*":
            reached = set(range(min(reached), len(path) + 1))
        elif char == "%":
            reached = _up_to_separator(path, reached)
        else:
            reached = {at + 1 for at in reached if path.startswith(char, at)}
        if not reached:
            return False
    return len(path) in reached


def _up_to_separator(path: str, reached: set[int]) -> set[int]:
    found: set[int] = set()
    last = -1
    for at in sorted(reached):
        if at > last:  # else it lies in the stretch added before
            end = path.find(SEPARATOR, at)
            last = len(path) if end < 0 else end
            found.update(range(at, last + 1))
    return found
