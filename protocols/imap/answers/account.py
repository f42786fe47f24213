"""Capabilities, TLS, login, and other words about the connection itself."""

from importlib.metadata import PackageNotFoundError, version

import structlog

from protocols.imap.commands.account import Authenticate, Enable, Id, Login, base64_octets
from protocols.imap.refusal import BadCommand, Refused
from protocols.imap.session import Done, LoggedOut, NotAuthenticated, Session
from store.accounts.login import TooManyFailures

log = structlog.get_logger("imap")

_ALWAYS = b"IMAP4rev1 LITERAL+ SASL-IR ID ENABLE"
_MAIL = (
    b"NAMESPACE UIDPLUS MOVE IDLE UNSELECT CHILDREN SPECIAL-USE CREATE-SPECIAL-USE "
    b"LIST-EXTENDED LIST-STATUS STATUS=SIZE CONDSTORE ESEARCH SORT QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE"
)
_LINE_LIMIT = 4_096  #: octets of a SASL answer before base64


def capabilities(session: Session) -> bytes:
    """What may be used now; nothing is named that does not work. RFC 3501 §6.1.1, §7.2.1."""
    if not isinstance(session.state, NotAuthenticated):
        return _ALWAYS + b" " + _MAIL
    words = [_ALWAYS]
    if session.channel.can_start_tls:
        words.append(b"STARTTLS")
    words.append(b"AUTH=PLAIN" if session.may_login() else b"LOGINDISABLED")
    return b" ".join((*words, _MAIL))


def capability(session: Session) -> Done:
    session.write(b"* CAPABILITY %b\r\n" % capabilities(session))
    return Done()


def logout(session: Session) -> Done:
    session.write(b"* BYE see you\r\n")
    session.state = LoggedOut()
    return Done()


def identify(session: Session, command: Id) -> Done:
    """RFC 2971."""
    named = dict(command.pairs)
    session.client = f"{named.get('name', '')} {named.get('version', '')}".strip()[:100]
    session.write(b'* ID ("name" "Mailward" "version" "%b")\r\n' % _version())
    return Done()


def _version() -> bytes:
    try:
        return version("mailward").encode("ascii")
    except PackageNotFoundError:
        return b"unknown"


def enable(session: Session, command: Enable) -> Done:
    """RFC 5161; CONDSTORE is all there is to enable."""
    wants_condstore = b"CONDSTORE" in command.names
    if wants_condstore:
        session.condstore = True
    session.write(b"* ENABLED%b\r\n" % (b" CONDSTORE" if wants_condstore else b""))
    return Done()


def namespace(session: Session) -> Done:
    """RFC 2342: one personal namespace, nothing shared."""
    session.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return Done()


async def start_tls(session: Session, tag: bytes) -> Done:
    """RFC 3501 §6.2.1. What came in clear before the handshake is forgotten, or it could pose as the client's."""
    if not session.channel.can_start_tls:
        raise BadCommand("TLS is active already" if session.channel.is_encrypted else "TLS is not available")
    session.write(b"%b OK begin TLS\r\n" % tag)
    await session.channel.drain()
    await session.channel.start_tls()
    session.client = ""
    return Done(is_answered=True)


async def login(session: Session, command: Login) -> Done:
    if not session.may_login():
        raise Refused("use STARTTLS first", b"PRIVACYREQUIRED")
    return await _check(session, command.login, command.password)


async def authenticate(session: Session, command: Authenticate) -> Done:
    """SASL PLAIN, with or without an initial answer. RFC 4616, RFC 4959."""
    if command.mechanism != b"PLAIN":
        raise Refused("that mechanism is not offered", b"CANNOT")
    if not session.may_login():
        raise Refused("use STARTTLS first", b"PRIVACYREQUIRED")
    given = command.initial
    if given is None:
        session.write(b"+ \r\n")
        await session.channel.drain()
        line = await session.channel.next_line(session.services.settings.preauth_s)
        if line == b"*":
            raise BadCommand("cancelled")
        given = base64_octets(line)
    try:
        authorised, login_name, password = given[:_LINE_LIMIT].decode("utf-8").split("\0")
    except ValueError:
        raise BadCommand("not what PLAIN says") from None
    if authorised not in ("", login_name):
        raise Refused("acting for somebody else is not allowed", b"AUTHORIZATIONFAILED")
    return await _check(session, login_name, password)


async def _check(session: Session, name: str, password: str) -> Done:
    peer = session.channel.peer.address
    try:
        account = await session.services.logins.check(name, password, peer)
    except TooManyFailures:
        raise Refused("too many attempts, try again later", b"UNAVAILABLE") from None
    if account is None:
        session.login_failures += 1
        log.info("imap.login-failed", peer=peer, login=name[:100])
        if session.login_failures >= session.services.settings.login_failures:
            session.farewell = "too many failed logins"
        raise Refused("login or password is wrong", b"AUTHENTICATIONFAILED")
    session.logged_in(account)
    return Done("logged in", b"CAPABILITY " + capabilities(session))
