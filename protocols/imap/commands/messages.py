"""Commands that add, flag, copy, move and remove mail. RFC 3501 §6.3.11, §6.4; RFC 4315, 6851, 7162 §3.1.3."""

from dataclasses import dataclass
from enum import Enum

from protocols.imap import moments
from protocols.imap.numbers import NumberSet
from protocols.imap.refusal import BadCommand
from protocols.imap.scanner import Scanner


@dataclass(frozen=True, slots=True)
class Append:
    name: str
    keywords: frozenset[str]
    received_ms: int | None  #: None: now
    octets: bytes

    def __repr__(self) -> str:
        return f"Append({self.name!r}, {len(self.octets)} octets)"


class StoreMode(Enum):
    REPLACE = b"FLAGS"
    ADD = b"+FLAGS"
    REMOVE = b"-FLAGS"


@dataclass(frozen=True, slots=True)
class StoreFlags:
    messages: NumberSet
    by_uid: bool
    mode: StoreMode
    keywords: frozenset[str]
    is_silent: bool
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    messages: NumberSet
    by_uid: bool
    name: str
    is_move: bool


@dataclass(frozen=True, slots=True)
class Expunge:
    """``messages`` is None for every deleted mail; otherwise UIDs (RFC 4315 §2.1)."""

    messages: NumberSet | None = None


def append(scan: Scanner) -> Append:
    scan.space()
    name = scan.mailbox()
    scan.space()
    keywords: frozenset[str] = frozenset()
    if scan.next_is(b"("):
        keywords = scan.flag_list()
        scan.space()
    received: int | None = None
    if scan.next_is(b'"'):
        try:
            received = moments.parse_date_time(scan.string())
        except moments.BadMoment as error:
            raise BadCommand(str(error)) from None
        scan.space()
    return Append(name, keywords, received, scan.literal())


def store_flags(scan: Scanner, *, by_uid: bool) -> StoreFlags:
    scan.space()
    messages = scan.numbers()
    scan.space()
    unchanged_since: int | None = None
    if scan.take_if(b"("):
        if scan.word() != b"UNCHANGEDSINCE":
            raise BadCommand("unknown store modifier")
        scan.space()
        unchanged_since = scan.number(most=(1 << 63) - 1)
        scan.expect(b")")
        scan.space()
    name, _, silent = scan.word().partition(b".")
    try:
        mode = StoreMode(name)
    except ValueError:
        raise BadCommand("FLAGS, +FLAGS or -FLAGS is missing") from None
    if silent not in (b"", b"SILENT"):
        raise BadCommand("only .SILENT may follow FLAGS")
    scan.space()
    return StoreFlags(messages, by_uid, mode, scan.flag_list(), bool(silent), unchanged_since)


def copy(scan: Scanner, *, by_uid: bool) -> Copy:
    return _copy(scan, by_uid=by_uid, is_move=False)


def move(scan: Scanner, *, by_uid: bool) -> Copy:
    return _copy(scan, by_uid=by_uid, is_move=True)


def _copy(scan: Scanner, *, by_uid: bool, is_move: bool) -> Copy:
    scan.space()
    messages = scan.numbers()
    scan.space()
    return Copy(messages, by_uid, scan.mailbox(), is_move)


def expunge(scan: Scanner, *, by_uid: bool) -> Expunge:
    if not by_uid:
        return Expunge()
    scan.space()
    return Expunge(scan.numbers())
