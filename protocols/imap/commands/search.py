"""SEARCH: a tree of keys. RFC 3501 §6.4.4, RFC 4731 (RETURN), RFC 7162 §3.1.5 (MODSEQ)."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from protocols.imap import flags, moments
from protocols.imap.numbers import NumberSet
from protocols.imap.refusal import BadCommand, Refused
from protocols.imap.scanner import Scanner

MAX_DEPTH = 20
MAX_KEYS = 500
MAX_NEEDLE_CHARS = 1_000
_CHARSETS = {b"US-ASCII": "ascii", b"UTF-8": "utf-8", b"ISO-8859-1": "latin-1", b"WINDOWS-1252": "cp1252"}


@dataclass(frozen=True, slots=True)
class All:
    pass


@dataclass(frozen=True, slots=True)
class Nothing:
    """RECENT and NEW: no mail is recent here."""


@dataclass(frozen=True, slots=True)
class HasKeyword:
    keyword: str


class Field(Enum):
    FROM = b"FROM"
    TO = b"TO"
    CC = b"CC"
    BCC = b"BCC"
    SUBJECT = b"SUBJECT"


@dataclass(frozen=True, slots=True)
class InField:
    field: Field
    needle: str  #: case-folded, as in all keys below


@dataclass(frozen=True, slots=True)
class InHeader:
    name: str
    needle: str  #: "" asks only whether the field is there


@dataclass(frozen=True, slots=True)
class InText:
    needle: str
    with_header: bool


class Moment(Enum):
    RECEIVED = "received"
    SENT = "sent"


class Order(Enum):
    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class Dated:
    moment: Moment
    order: Order
    day: date


@dataclass(frozen=True, slots=True)
class Sized:
    octets: int
    is_larger: bool


@dataclass(frozen=True, slots=True)
class Among:
    numbers: NumberSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class ChangedSince:
    modseq: int


@dataclass(frozen=True, slots=True)
class Not:
    key: "Key"


@dataclass(frozen=True, slots=True)
class Either:
    first: "Key"
    second: "Key"


@dataclass(frozen=True, slots=True)
class Every:
    keys: tuple["Key", ...]


Key = (
    All
    | Nothing
    | HasKeyword
    | InField
    | InHeader
    | InText
    | Dated
    | Sized
    | Among
    | ChangedSince
    | Not
    | Either
    | Every
)


@dataclass(frozen=True, slots=True)
class Search:
    key: Every
    by_uid: bool
    returns: frozenset[bytes] | None  #: None: a plain SEARCH answer
    wants_modseq: bool


_FLAG_KEYS: dict[bytes, Key] = {
    b"ALL": All(),
    b"ANSWERED": HasKeyword("$answered"),
    b"DELETED": HasKeyword(flags.DELETED),
    b"DRAFT": HasKeyword("$draft"),
    b"FLAGGED": HasKeyword("$flagged"),
    b"SEEN": HasKeyword("$seen"),
    b"NEW": Nothing(),
    b"RECENT": Nothing(),
    b"OLD": All(),
    b"UNANSWERED": Not(HasKeyword("$answered")),
    b"UNDELETED": Not(HasKeyword(flags.DELETED)),
    b"UNDRAFT": Not(HasKeyword("$draft")),
    b"UNFLAGGED": Not(HasKeyword("$flagged")),
    b"UNSEEN": Not(HasKeyword("$seen")),
}
_FIELD_KEYS = {field.value: field for field in Field}
_DATE_KEYS = {
    b"BEFORE": (Moment.RECEIVED, Order.BEFORE),
    b"ON": (Moment.RECEIVED, Order.ON),
    b"SINCE": (Moment.RECEIVED, Order.SINCE),
    b"SENTBEFORE": (Moment.SENT, Order.BEFORE),
    b"SENTON": (Moment.SENT, Order.ON),
    b"SENTSINCE": (Moment.SENT, Order.SINCE),
}
_RETURNS = frozenset({b"MIN", b"MAX", b"COUNT", b"ALL"})


def search(scan: Scanner, *, by_uid: bool) -> Search:
    scan.space()
    returns: frozenset[bytes] | None = None
    if scan.take_word(b"RETURN"):
        scan.space()
        returns = frozenset(scan.list_of(scan.word, may_be_empty=True)) or frozenset({b"ALL"})
        if not returns <= _RETURNS:
            raise BadCommand("unknown return option")
        scan.space()
    charset = "utf-8"
    if scan.take_word(b"CHARSET"):
        scan.space()
        charset = charset_named(scan.astring())
        scan.space()
    return read_keys(scan, charset, by_uid=by_uid, returns=returns)


def read_keys(scan: Scanner, charset: str, *, by_uid: bool, returns: frozenset[bytes] | None = None) -> Search:
    reader = _Reader(scan, charset)
    keys = [reader.key(0)]
    while scan.take_if(b" ") and not scan.is_at_end():
        keys.append(reader.key(0))
    return Search(Every(tuple(keys)), by_uid, returns, reader.wants_modseq)


def charset_named(name: bytes) -> str:
    charset = _CHARSETS.get(name.upper())
    if charset is None:
        raise Refused("unknown charset", b"BADCHARSET (US-ASCII UTF-8)")
    return charset


class _Reader:
    """Reads keys by recursive descent, counting them."""

    def __init__(self, scan: Scanner, charset: str) -> None:
        self._scan = scan
        self._charset = charset
        self._count = 0
        self.wants_modseq = False

    def key(self, depth: int) -> Key:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_KEYS:
            raise BadCommand("the search is too complicated")
        scan = self._scan
        if scan.next_is(b"("):
            return Every(tuple(scan.list_of(lambda: self.key(depth + 1))))
        if scan.next_is_number_set():
            return Among(scan.numbers(), by_uid=False)
        name = scan.word()
        if name in _FLAG_KEYS:
            return _FLAG_KEYS[name]
        scan.space()
        if name == b"NOT":
            return Not(self.key(depth + 1))
        if name == b"OR":
            first = self.key(depth + 1)
            scan.space()
            return Either(first, self.key(depth + 1))
        return self._with_argument(name)

    def _with_argument(self, name: bytes) -> Key:
        scan = self._scan
        if name in _DATE_KEYS:
            return self._dated(name)
        if name in _FIELD_KEYS:
            return InField(_FIELD_KEYS[name], self._needle())
        if name in (b"KEYWORD", b"UNKEYWORD"):
            has = HasKeyword(scan.flag())
            return has if name == b"KEYWORD" else Not(has)
        if name == b"HEADER":
            field = scan.astring().decode("ascii", "replace").lower()
            scan.space()
            return InHeader(field, self._needle())
        if name in (b"BODY", b"TEXT"):
            return InText(self._needle(), with_header=name == b"TEXT")
        if name in (b"LARGER", b"SMALLER"):
            return Sized(scan.number(), is_larger=name == b"LARGER")
        if name == b"UID":
            return Among(scan.numbers(), by_uid=True)
        if name == b"MODSEQ":
            return self._modseq()
        raise BadCommand("unknown search key")

    def _dated(self, name: bytes) -> Dated:
        written = self._scan.string() if self._scan.next_is(b'"') else self._scan.atom()
        try:
            return Dated(*_DATE_KEYS[name], moments.parse_date(written))
        except moments.BadMoment as error:
            raise BadCommand(str(error)) from None

    def _modseq(self) -> ChangedSince:
        """The entry name and type may come first; every flag has the mail's modseq (RFC 7162 §3.1.5)."""
        scan = self._scan
        if scan.next_is(b'"'):
            scan.string()
            scan.space()
            if scan.word() not in (b"ALL", b"PRIV", b"SHARED"):
                raise BadCommand("unknown entry type")
            scan.space()
        self.wants_modseq = True
        return ChangedSince(scan.number(most=(1 << 63) - 1))

    def _needle(self) -> str:
        octets = self._scan.astring()
        try:
            text = octets.decode(self._charset)
        except UnicodeDecodeError:
            raise BadCommand("the string is not in the charset named") from None
        if len(text) > MAX_NEEDLE_CHARS:
            raise BadCommand("the string is too long")
        return text.casefold()
