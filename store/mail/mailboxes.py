"""Mailboxes: create, rename, destroy, list, count."""

from store.changes.engine import AccountTxn, AccountView, Change, Kind
from store.mail.model import Mailbox, MailboxCounts, MailboxId, Uid
from store.schema import keys
from store.schema.rows import Reader, pack

read_mailbox = Reader(Mailbox)
read_counts = Reader(MailboxCounts)

SEPARATOR = "/"
MAX_NAME_OCTETS = 255
MAX_DEPTH = 20
MAX_MAILBOXES = 5_000

STANDARD = (
    ("INBOX", "inbox"),
    ("Drafts", "drafts"),
    ("Sent", "sent"),
    ("Junk", "junk"),
    ("Trash", "trash"),
    ("Archive", "archive"),
)


class MailboxError(Exception):
    """A mailbox cannot be made, renamed or removed as asked; the text is for the client."""


class MailboxExists(MailboxError):
    pass


class NoSuchMailbox(MailboxError):
    pass


class MailboxHasChildren(MailboxError):
    pass


class MailboxNotEmpty(MailboxError):
    pass


def create_standard(txn: AccountTxn, uid_validity: int) -> None:
    """The mailboxes every account starts with, with their roles (RFC 6154, RFC 8621)."""
    for order, (name, role) in enumerate(STANDARD):
        create(txn, name, None, uid_validity, role=role, sort_order=order + 1)


def create(
    txn: AccountTxn,
    name: str,
    parent: MailboxId | None,
    uid_validity: int,
    *,
    role: str = "",
    sort_order: int = 10,
    is_subscribed: bool = True,
) -> Mailbox:
    """A new, empty mailbox. ``uid_validity`` is the time in seconds, so a name made again gets a new one."""
    existing = list_all(txn)
    _check_place(existing, name, parent, None)
    if len(existing) >= MAX_MAILBOXES:
        raise MailboxError("too many mailboxes")
    mailbox_id = MailboxId(txn.next_id())
    # The id is folded in so that two mailboxes made in one second differ.
    mailbox = Mailbox(
        mailbox_id, name, parent, role, (uid_validity + mailbox_id) & 0xFFFFFFFF, is_subscribed, sort_order
    )
    txn.save(Kind.MAILBOX, mailbox_id, keys.mailbox(mailbox_id), pack(mailbox), Change.CREATED)
    txn.index(keys.counts(mailbox_id), pack(MailboxCounts(Uid(1))))
    return mailbox


def update(txn: AccountTxn, mailbox: Mailbox) -> None:
    """Write back a mailbox that was renamed, moved, (un)subscribed or given a role."""
    _check_place(list_all(txn), mailbox.name, mailbox.parent, mailbox.id)
    txn.save(Kind.MAILBOX, mailbox.id, keys.mailbox(mailbox.id), pack(mailbox), Change.UPDATED)


def destroy(txn: AccountTxn, mailbox_id: MailboxId) -> None:
    """Remove an empty mailbox. Raises NoSuchMailbox, MailboxHasChildren, MailboxNotEmpty, MailboxError for INBOX."""
    mailbox = get(txn, mailbox_id)
    if mailbox is None:
        raise NoSuchMailbox("no such mailbox")
    if mailbox.role == "inbox":
        raise MailboxError("INBOX cannot be removed")
    if any(m.parent == mailbox_id for m in list_all(txn)):
        raise MailboxHasChildren("the mailbox has children")
    if counts(txn, mailbox_id).total:
        raise MailboxNotEmpty("the mailbox is not empty")
    txn.destroy(Kind.MAILBOX, mailbox_id, keys.mailbox(mailbox_id))
    txn.unindex(keys.counts(mailbox_id))
    txn.unindex(keys.vanished_history(mailbox_id))
    txn.unindex_range(b"V" + keys.u32(mailbox_id))


def get(view: AccountView, mailbox_id: int) -> Mailbox | None:
    if not 0 <= mailbox_id < 1 << 32:
        return None
    row = view.get(keys.mailbox(mailbox_id))
    return read_mailbox(row) if row is not None else None


def list_all(view: AccountView) -> list[Mailbox]:
    return [read_mailbox(row) for _, row in view.scan_prefix(b"B")]


def with_role(view: AccountView, role: str) -> Mailbox | None:
    each = (read_mailbox(row) for _, row in view.scan_prefix(b"B"))
    return next((m for m in each if m.role == role), None)


def counts(view: AccountView, mailbox_id: MailboxId) -> MailboxCounts:
    return view.row(keys.counts(mailbox_id), read_counts) or MailboxCounts(Uid(1))


def path_of(mailbox: Mailbox, by_id: dict[MailboxId, Mailbox]) -> str:
    """The full name, such as "Projects/2026"."""
    names = [mailbox.name]
    parent = mailbox.parent
    while parent is not None and parent in by_id and len(names) < MAX_DEPTH:
        names.append(by_id[parent].name)
        parent = by_id[parent].parent
    return SEPARATOR.join(reversed(names))


def by_path(view: AccountView, path: str) -> Mailbox | None:
    """The mailbox with this full name; "INBOX" in any case (RFC 3501 §5.1)."""
    everything = list_all(view)
    by_id = {m.id: m for m in everything}
    wanted = normal_path(path)
    return next((m for m in everything if path_of(m, by_id) == wanted), None)


def normal_path(path: str) -> str:
    head, slash, rest = path.partition(SEPARATOR)
    return ("INBOX" if head.upper() == "INBOX" else head) + slash + rest


def ensure_path(txn: AccountTxn, path: str, uid_validity: int) -> Mailbox:
    """The mailbox at a path, its parents made on the way (RFC 3501 §6.3.3). Raises MailboxExists for the last one."""
    if by_path(txn, path) is not None:
        raise MailboxExists("the mailbox exists already")
    parent: Mailbox | None = None
    names = normal_path(path).rstrip(SEPARATOR).split(SEPARATOR)
    for depth, name in enumerate(names):
        found = by_path(txn, SEPARATOR.join(names[: depth + 1]))
        parent = found or create(txn, name, parent.id if parent else None, uid_validity)
    assert parent is not None
    return parent


def _check_place(existing: list[Mailbox], name: str, parent: MailboxId | None, itself: MailboxId | None) -> None:
    if (
        not name
        or SEPARATOR in name
        or len(name.encode()) > MAX_NAME_OCTETS
        or not name.isprintable()
        or name != name.strip()
    ):
        raise MailboxError("that name cannot be used for a mailbox")
    by_id = {m.id: m for m in existing}
    if parent is not None and parent not in by_id:
        raise NoSuchMailbox("the parent mailbox does not exist")
    depth, above = 1, parent
    while above is not None:
        if above == itself:
            raise MailboxError("a mailbox cannot be inside itself")
        depth, above = depth + 1, by_id[above].parent
    if depth > MAX_DEPTH:
        raise MailboxError("mailboxes are nested too deep")
    if any(m.parent == parent and m.name == name and m.id != itself for m in existing):
        raise MailboxExists("the mailbox exists already")
