"""Commands about mailboxes. RFC 3501 §6.3; RFC 3691, 5258, 5819, 6154, 7162."""

from dataclasses import dataclass, field

from protocols.imap.refusal import BadCommand
from protocols.imap.scanner import Scanner

STATUS_ITEMS = frozenset({b"MESSAGES", b"RECENT", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN", b"HIGHESTMODSEQ", b"SIZE"})
_SELECTIONS = frozenset({b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"})
_RETURNS = frozenset({b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE", b"STATUS"})


@dataclass(frozen=True, slots=True)
class Select:
    name: str
    is_read_only: bool
    wants_condstore: bool = False


@dataclass(frozen=True, slots=True)
class Unselect:
    pass


@dataclass(frozen=True, slots=True)
class Close:
    pass


@dataclass(frozen=True, slots=True)
class Check:
    pass


@dataclass(frozen=True, slots=True)
class List:
    """LIST with its extensions (RFC 5258); ``is_lsub`` for LSUB."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[bytes] = frozenset()
    returns: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    is_lsub: bool = False
    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class Subscribe:
    name: str
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class Create:
    """``role`` is the special use asked for (RFC 6154 §3), "" for none."""

    name: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    items: tuple[bytes, ...]


def select(scan: Scanner) -> Select:
    return _select(scan, is_read_only=False)


def examine(scan: Scanner) -> Select:
    return _select(scan, is_read_only=True)


def _select(scan: Scanner, *, is_read_only: bool) -> Select:
    scan.space()
    name = scan.mailbox()
    condstore = False
    if scan.take_if(b" ") and not scan.is_at_end():
        if any(word != b"CONDSTORE" for word in scan.list_of(scan.word)):
            raise BadCommand("unknown parameter")
        condstore = True
    return Select(name, is_read_only, condstore)


def subscribe(scan: Scanner) -> Subscribe:
    scan.space()
    return Subscribe(scan.mailbox(), is_wanted=True)


def unsubscribe(scan: Scanner) -> Subscribe:
    scan.space()
    return Subscribe(scan.mailbox(), is_wanted=False)


_USES = {
    b"\\DRAFTS": "drafts",
    b"\\SENT": "sent",
    b"\\JUNK": "junk",
    b"\\TRASH": "trash",
    b"\\ARCHIVE": "archive",
}


def create(scan: Scanner) -> Create:
    scan.space()
    name = scan.mailbox()
    if not scan.take_if(b" ("):
        return Create(name)
    if not scan.take_word(b"USE"):
        raise BadCommand("unknown parameter")
    scan.space()
    uses = scan.list_of(scan.use)
    scan.expect(b")")
    role = _USES.get(uses[0]) if len(uses) == 1 else None
    if role is None:
        raise BadCommand("that special use is not known")
    return Create(name, role)


def delete(scan: Scanner) -> Delete:
    scan.space()
    return Delete(scan.mailbox())


def rename(scan: Scanner) -> Rename:
    scan.space()
    old = scan.mailbox()
    scan.space()
    return Rename(old, scan.mailbox())


def status(scan: Scanner) -> Status:
    scan.space()
    name = scan.mailbox()
    scan.space()
    return Status(name, _status_items(scan))


def _status_items(scan: Scanner) -> tuple[bytes, ...]:
    items = tuple(dict.fromkeys(scan.list_of(scan.word)))
    if not STATUS_ITEMS.issuperset(items):
        raise BadCommand("unknown status item")
    return items


def lsub(scan: Scanner) -> List:
    scan.space()
    reference = scan.mailbox()
    scan.space()
    return List(reference, (scan.list_pattern(),), frozenset({b"SUBSCRIBED"}), is_lsub=True)


@dataclass(slots=True)
class _Returns:
    names: set[bytes] = field(default_factory=set)
    status: tuple[bytes, ...] = ()


def listing(scan: Scanner) -> List:
    """LIST as RFC 3501 has it, and with selection options, several patterns and RETURN (RFC 5258 §3)."""
    scan.space()
    selection: list[bytes] = []
    is_extended = scan.next_is(b"(")
    if is_extended:
        selection = scan.list_of(scan.word, may_be_empty=True)
        scan.space()
    if not _SELECTIONS.issuperset(selection):
        raise BadCommand("unknown selection option")
    if selection and set(selection) <= {b"RECURSIVEMATCH", b"REMOTE"} and b"RECURSIVEMATCH" in selection:
        raise BadCommand("RECURSIVEMATCH needs another selection option")
    reference = scan.mailbox()
    scan.space()
    has_patterns = scan.next_is(b"(")
    patterns = scan.list_of(scan.list_pattern) if has_patterns else [scan.list_pattern()]
    returns = _Returns()
    has_returns = scan.take_if(b" ") and not scan.is_at_end()
    if has_returns:
        if not scan.take_word(b"RETURN"):
            raise BadCommand("unknown argument")
        scan.space()
        scan.list_of(lambda: _return_option(scan, returns), may_be_empty=True)
    return List(
        reference,
        tuple(patterns),
        frozenset(selection),
        frozenset(returns.names),
        returns.status,
        is_extended=is_extended or has_patterns or has_returns,
    )


def _return_option(scan: Scanner, found: _Returns) -> None:
    name = scan.word()
    if name not in _RETURNS:
        raise BadCommand("unknown return option")
    found.names.add(name)
    if name == b"STATUS":
        scan.space()
        found.status = _status_items(scan)
