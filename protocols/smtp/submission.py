"""Submission: our own people's mail programs sign in and send. RFC 6409, RFC 4954, RFC 8314.

The dialogue is the edge's. What is added is AUTH, over TLS only (or on this machine, where the settings allow that, as
for IMAP), and that nothing is taken from anybody who has not signed in.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from gateway.envelope import Peer
from gateway.reply import Reply
from protocols.smtp.server import MakeSession
from protocols.smtp.session import Edge, Roll, SmtpSession
from protocols.smtp.settings import SmtpSettings
from store.accounts.login import TooManyFailures
from store.kv.contract import StoreError

log = structlog.get_logger()

SIGNED_IN = Reply(235, "2.7.0", "signed in")
WRONG = Reply(535, "5.7.8", "login or password is wrong")
NEED_TLS = Reply(538, "5.7.11", "use STARTTLS first")
NEED_LOGIN = Reply(530, "5.7.0", "sign in first")
ALREADY = Reply(503, "5.5.1", "you are signed in already")
IN_A_MAIL = Reply(503, "5.5.1", "not in the middle of a mail")
UNKNOWN_WAY = Reply(504, "5.5.4", "that mechanism is not offered; use PLAIN or LOGIN")
CANCELLED = Reply(501, "5.7.0", "cancelled")
MALFORMED = Reply(501, "5.5.2", "not what the mechanism says")
TOO_LONG = Reply(500, "5.5.6", "too long")
NOT_FOR_OTHERS = Reply(535, "5.7.8", "acting for somebody else is not allowed")
LATER = Reply(454, "4.7.0", "too many attempts, please try again later")
UNAVAILABLE = Reply(454, "4.7.0", "temporary failure, please try again later")
FAREWELL = Reply(421, "4.7.0", "too many failed logins")

LINE = 12_288  #: octets of a base64 line (RFC 4954 §4)
SECRET = 1_024  #: octets of a login or a password
FAILURES = 3  #: on one connection, before it ends; as IMAP has it

Authenticate = Callable[[str, str, Peer], Awaitable[str | None]]
"""(login, password, client): the account's address, None when they are wrong. Raises TooManyFailures, StoreError."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What tells a submission service from the edge."""

    authenticate: Authenticate
    allow_plaintext: bool = False  #: for clients on the loopback interface only, as in the demo

    def session(self) -> MakeSession:
        return partial(SubmissionSession, self)


class SubmissionSession(SmtpSession):
    """One client that has to sign in."""

    def __init__(self, submission: Submission, edge: Edge, settings: SmtpSettings, roll: Roll, **options: Any) -> None:
        super().__init__(edge, settings, roll, **options)
        self._submission = submission
        self._failures = 0
        self.user = ""  #: address of the account that signed in
        self.command_size_limits["AUTH"] = LINE

    def connection_made(self, transport: Any) -> None:
        self.user = ""  # RFC 3207 §4.2: what was said before TLS does not count
        super().connection_made(transport)

    def _extensions(self) -> list[str]:
        lines = super()._extensions()
        if self._may_sign_in() and not self.user:
            lines.append("AUTH PLAIN LOGIN")
        return lines

    def _may_sign_in(self) -> bool:
        return self.is_encrypted or (self._submission.allow_plaintext and self._peer().ip.is_loopback)

    def _peer(self) -> Peer:
        return replace(super()._peer(), user=self.user)

    async def smtp_XCLIENT(self, arg: str | None) -> None:
        self.user = ""  # another client, another person
        await super().smtp_XCLIENT(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        if self.session.host_name and not self.user:
            await self.say(NEED_LOGIN)
        else:
            await super().smtp_MAIL(_without_auth(arg))

    async def smtp_AUTH(self, arg: str | None) -> None:
        reply = await self._sign_in((arg or "").split())
        if reply is WRONG or reply is NOT_FOR_OTHERS:
            self._failures += 1
        await self.say(reply)
        if self._failures >= FAILURES:
            await self.say(FAREWELL)
            self.transport.close()

    async def _sign_in(self, words: list[str]) -> Reply:
        if not self.session.extended_smtp:
            return Reply(503, "5.5.1", "send EHLO first")
        if self.user:
            return ALREADY
        if self._mail_from is not None:
            return IN_A_MAIL
        if not self._may_sign_in():
            return NEED_TLS
        if not words or len(words) > 2:
            return Reply(501, "5.5.4", "syntax: AUTH PLAIN or AUTH LOGIN")
        method = {"PLAIN": self._plain, "LOGIN": self._login}.get(words[0].upper())
        if method is None:
            return UNKNOWN_WAY
        try:
            given = await method(words[1] if len(words) == 2 else None)
        except _Broken as broken:
            return broken.reply
        return given if isinstance(given, Reply) else await self._check(*given)

    async def _plain(self, initial: str | None) -> tuple[str, str] | Reply:
        """RFC 4616: whom to act for, login and password in one answer."""
        octets = _decoded(initial) if initial is not None else await self._ask("")
        try:
            authorised, login, password = octets.decode("utf-8").split("\0")
        except ValueError:
            return MALFORMED
        return (login, password) if authorised in {"", login} else NOT_FOR_OTHERS

    async def _login(self, initial: str | None) -> tuple[str, str] | Reply:
        """Two questions; never a standard, and still what some programs speak."""
        login = _decoded(initial) if initial is not None else await self._ask("Username:")
        password = await self._ask("Password:")
        try:
            return login.decode("utf-8"), password.decode("utf-8")
        except UnicodeDecodeError:
            return MALFORMED

    async def _ask(self, question: str) -> bytes:
        await self.push(f"334 {base64.b64encode(question.encode()).decode()}")
        line = (await self._reader.readuntil()).rstrip(b"\r\n")
        self._reset_timeout()
        if line == b"*":
            raise _Broken(CANCELLED)
        if len(line) > LINE:
            raise _Broken(TOO_LONG)
        return _decoded(line.decode("ascii", "replace"))

    async def _check(self, login: str, password: str) -> Reply:
        if max(len(login.encode()), len(password.encode())) > SECRET:
            return WRONG
        peer = self._peer()
        try:
            address = await self._submission.authenticate(login, password, peer)
        except TooManyFailures:
            return LATER
        except StoreError as error:
            log.warning("submission.login.unavailable", client=self.client, error=repr(error))
            return UNAVAILABLE
        if address is None:
            log.info("submission.login-failed", client=str(peer.ip), login=login[:100])
            return WRONG
        self.user = address
        return SIGNED_IN


class _Broken(Exception):
    """The exchange cannot go on."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def _decoded(text: str) -> bytes:
    """RFC 4954 §4: "=" is an empty answer. Raises _Broken."""
    try:
        return b"" if text == "=" else base64.b64decode(text.encode("ascii", "replace"), validate=True)
    except binascii.Error:
        raise _Broken(MALFORMED) from None


def _without_auth(arg: str | None) -> str | None:
    """MAIL's AUTH parameter says who wrote a mail first; it is allowed and believed of nobody. RFC 4954 §5."""
    if arg is None or " AUTH=" not in arg.upper():
        return arg
    return " ".join(word for word in arg.split(" ") if not word.upper().startswith("AUTH="))
