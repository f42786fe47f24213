"""Commands about the connection and who is at its other end. RFC 3501 §6.1, §6.2; RFC 2971, 4959, 5161."""

import binascii
from dataclasses import dataclass

from protocols.imap.refusal import BadCommand
from protocols.imap.scanner import Scanner


@dataclass(frozen=True, slots=True)
class Capability:
    pass


@dataclass(frozen=True, slots=True)
class Noop:
    pass


@dataclass(frozen=True, slots=True)
class Logout:
    pass


@dataclass(frozen=True, slots=True)
class StartTls:
    pass


@dataclass(frozen=True, slots=True)
class Idle:
    pass


@dataclass(frozen=True, slots=True)
class Namespace:
    pass


@dataclass(frozen=True, slots=True)
class Id:
    """What the client calls itself; kept for the log."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Enable:
    names: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class GetQuota:
    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    mailbox: str


@dataclass(frozen=True, slots=True)
class Login:
    login: str
    password: str

    def __repr__(self) -> str:
        return "Login(...)"


@dataclass(frozen=True, slots=True)
class Authenticate:
    """``initial`` is None when the client waits for our challenge."""

    mechanism: bytes
    initial: bytes | None

    def __repr__(self) -> str:
        return "Authenticate(...)"


def login(scan: Scanner) -> Login:
    scan.space()
    name = _text(scan.astring())
    scan.space()
    return Login(name, _text(scan.astring()))


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommand("login and password are UTF-8") from None


def authenticate(scan: Scanner) -> Authenticate:
    scan.space()
    mechanism = scan.word()
    initial: bytes | None = None
    if scan.take_if(b" "):
        initial = b"" if scan.take_if(b"=") else base64_octets(scan.base64())  # RFC 4959 §3
    return Authenticate(mechanism, initial)


def base64_octets(encoded: bytes) -> bytes:
    """Raises BadCommand."""
    try:
        return binascii.a2b_base64(encoded, strict_mode=True) if encoded else b""
    except binascii.Error:
        raise BadCommand("not base64") from None


def identification(scan: Scanner) -> Id:
    scan.space()
    if not scan.next_is(b"("):
        if scan.word() != b"NIL":
            raise BadCommand("a list or NIL is missing")
        return Id(())
    words = scan.list_of(scan.nstring, may_be_empty=True)
    if len(words) > 60:  # RFC 2971 §3.3: at most 30 pairs
        raise BadCommand("too many fields")
    texts = [(word or b"")[:256].decode("ascii", "replace") for word in words]
    return Id(tuple(zip(texts[::2], texts[1::2], strict=False)))


def get_quota(scan: Scanner) -> GetQuota:
    scan.space()
    return GetQuota(_text(scan.astring()))


def get_quota_root(scan: Scanner) -> GetQuotaRoot:
    scan.space()
    return GetQuotaRoot(scan.mailbox())


def enable(scan: Scanner) -> Enable:
    names: set[bytes] = set()
    scan.space()
    names.add(scan.word())
    while scan.take_if(b" "):
        names.add(scan.word())
    return Enable(frozenset(names))
