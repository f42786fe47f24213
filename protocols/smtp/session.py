"""One SMTP connection. aiosmtpd keeps the command loop, STARTTLS and the idle timer; the dialogue is ours."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, cast

import structlog
from aiosmtpd.smtp import SMTP, TLSSetupException

from gateway.envelope import Envelope, Peer, Recipient
from gateway.reply import LOOKUP_FAILED, Reply
from protocols.smtp.data import Allowance, DataReader, hops
from protocols.smtp.paths import BadPath, Path, parse_path
from protocols.smtp.peers import legible, parse_xclient, peer_of
from protocols.smtp.reader import BareLineEnd, ClientLeft, LineTooLong, PushbackReader
from protocols.smtp.replies import (
    BUSY,
    FAULTS,
    NEED_HELLO,
    NEED_MAIL,
    NEED_RCPT,
    NESTED_MAIL,
    OK,
    OUR_FAULT,
    SHUTTING_DOWN,
    TOO_BIG,
    TOO_MANY_HOPS,
    TOO_MANY_MAILS,
    TOO_MANY_RECIPIENTS,
    TOO_SLOW,
)
from protocols.smtp.settings import SmtpSettings
from store.kv.contract import StoreError

log = structlog.get_logger()

CHUNK_OCTETS = 64 * 1024


class Edge:
    """What a session needs from the gateway: answer RCPT, open an envelope, receive a mail."""

    def __init__(
        self,
        resolve: Callable[[str, str, int], Awaitable[Recipient | Reply]],  #: address, sender, octets it said
        begin: Callable[[Peer, str | None, tuple[Recipient, ...], bool], Envelope],
        receive: Callable[[Envelope, bytes], Awaitable[Reply]],
        admit: Callable[[Peer, str], Awaitable[Reply | None]] | None = None,  #: client, MAIL FROM: a refusal or None
    ) -> None:
        self.resolve = resolve
        self.begin = begin
        self.receive = receive
        self.admit = admit


class Roll(Protocol):
    """Who is connected. ``enter`` says whether one more may stay."""

    allowance: Allowance  #: what all of them may hold

    def enter(self, session: "SmtpSession", client: str) -> bool: ...

    def leave(self, session: "SmtpSession", client: str) -> None: ...


class SmtpSession(SMTP):
    """One client. Everything here runs on the event loop and only awaits."""

    # aiosmtpd types these as optional; while a command runs they are there.
    transport: Any
    session: Any
    _reader: Any

    # aiosmtpd makes its reader with this limit and pauses the transport at twice of it; command lines
    # have their own, much smaller limit.
    line_length_limit = CHUNK_OCTETS

    def __init__(self, edge: Edge, settings: SmtpSettings, roll: "Roll", **options: Any) -> None:
        super().__init__(
            object(),
            data_size_limit=settings.message_octets,
            enable_SMTPUTF8=True,
            hostname=settings.hostname,
            ident="ESMTP Mailward",
            timeout=settings.command_s,
            command_call_limit={"*": settings.commands_per_connection},
            auth_exclude_mechanism=("PLAIN", "LOGIN"),
            **options,
        )
        self._edge = edge
        self._settings = settings
        self._roll = roll
        self._mails = 0
        self._is_welcome = True
        self._said_client: Peer | None = None  #: by a proxy we trust, through XCLIENT
        self.client = ""  #: address of the peer, for the counters
        self._reset()

    def _reset(self) -> None:
        self._mail_from: Path | None = None
        self._recipients: list[Recipient] = []
        self._octets, self._smtputf8 = 0, False

    # What aiosmtpd calls

    def _cb_client_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super()._cb_client_connected(PushbackReader(reader), writer)  # type: ignore[arg-type]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.client:  # else it is the same connection, now under TLS
            peer = transport.get_extra_info("peername")
            if peer is None:  # it left before we looked
                cast(asyncio.Transport, transport).abort()
                return
            self.client = str(peer_of(*peer[:2]).ip)
            self._is_welcome = self._roll.enter(self, self.client)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.client:
            self._roll.leave(self, self.client)
            super().connection_lost(error)

    def eof_received(self) -> bool:
        """The client said its last word, but may still be reading: a mail it has handed over is answered.

        aiosmtpd would stop the command loop here, in the middle of a commit. The loop ends by itself at its
        next read. Under TLS the connection ends with either side's last word, and ``connection_lost`` follows.
        """
        asyncio.StreamReaderProtocol.eof_received(self)
        return not self.is_encrypted

    def _set_rset_state(self) -> None:
        super()._set_rset_state()  # type: ignore[no-untyped-call]
        self._reset()

    async def _handle_client(self) -> None:
        if not self._is_welcome:
            await self.say(BUSY)
            self.transport.close()
            return
        try:
            await super()._handle_client()
        except ConnectionError:  # they hung up, or we did
            if self.transport is not None:
                self.transport.close()

    async def handle_exception(self, error: Exception) -> str:
        """The one place where something unforeseen becomes a reply: ours is temporary, and says nothing."""
        if isinstance(error, BareLineEnd):
            return str(Reply(500, "5.5.2", "command lines must end in CRLF"))
        if isinstance(error, LineTooLong):
            return str(Reply(500, "5.5.2", "command line too long"))
        if isinstance(error, TLSSetupException):
            log.info("smtp.tls.failed", client=self.client, error=repr(error.__cause__))
        elif not isinstance(error, ConnectionError):
            log.error("smtp.failed", client=self.client, error=repr(error), exc_info=error)
        return str(OUR_FAULT)

    def dismiss(self) -> None:
        """Hang up because this server stops. RFC 5321 §3.8."""
        if self.transport is not None and not self.transport.is_closing():
            self._writer.write(f"{SHUTTING_DOWN}\r\n".encode())
            self.transport.close()

    async def say(self, reply: Reply) -> None:
        await self.push(str(reply))

    # The dialogue

    async def smtp_HELO(self, hostname: str | None) -> None:
        if not hostname:
            await self.say(Reply(501, "5.5.4", "syntax: HELO hostname"))
            return
        self._set_rset_state()
        self.session.extended_smtp = False
        self.session.host_name = legible(hostname)
        await self.push(f"250 {self.hostname}")

    async def smtp_EHLO(self, hostname: str | None) -> None:
        if not hostname:
            await self.say(Reply(501, "5.5.4", "syntax: EHLO hostname"))
            return
        self._set_rset_state()
        self.session.extended_smtp = True
        self.session.host_name = legible(hostname)
        lines = (f"250-{line}" for line in (self.hostname, *self._extensions()))
        await self.push("\r\n".join((*lines, "250 ENHANCEDSTATUSCODES")))

    def _extensions(self) -> list[str]:
        lines = ["PIPELINING", f"SIZE {self._settings.message_octets}", "8BITMIME", "SMTPUTF8"]
        if self.tls_context and not self.is_encrypted:
            lines.append("STARTTLS")
        if self._may_xclient():
            lines.append("XCLIENT ADDR PORT HELO")
        return lines

    @property
    def is_encrypted(self) -> bool:
        return self._tls is not None

    @property
    def _tls(self) -> Any:
        """What the connection is encrypted by: after STARTTLS, or from its first octet (RFC 8314)."""
        extra = self.session.ssl
        return extra.get("ssl_object") if extra else self.transport.get_extra_info("ssl_object")

    async def smtp_MAIL(self, arg: str | None) -> None:
        if not self.session.host_name:
            await self.say(NEED_HELLO)
        elif self._mail_from is not None:
            await self.say(NESTED_MAIL)
        elif self._mails >= self._settings.messages_per_connection:
            await self.say(TOO_MANY_MAILS)
            self.transport.close()
        else:
            await self.say(await self._admitted(self._begin_mail(arg or "")))

    async def _admitted(self, reply: Reply) -> Reply:
        """The reply to MAIL, or why this client may not send now."""
        if self._edge.admit is None or self._mail_from is None:
            return reply
        try:
            refusal = await self._edge.admit(self._peer(), self._mail_from.address)
        except StoreError as error:
            log.warning("smtp.mail.unavailable", client=self.client, error=repr(error))
            refusal = LOOKUP_FAILED
        if refusal is None:
            return reply
        self._reset()
        return refusal

    def _begin_mail(self, arg: str) -> Reply:
        try:
            path = parse_path(arg, "FROM")
        except BadPath as error:
            return Reply(501, error.enhanced, str(error))
        parameters = dict(path.parameters)
        size = parameters.pop("SIZE", "0")
        body = parameters.pop("BODY", "7BIT").upper()
        smtputf8 = parameters.pop("SMTPUTF8", None)
        if not (size.isascii() and size.isdigit()) or body not in {"7BIT", "8BITMIME"} or smtputf8:
            return Reply(501, "5.5.4", "malformed parameter")
        if parameters:
            return Reply(555, "5.5.4", "parameter not recognised")
        if int(size[:20]) > self._settings.message_octets:
            return TOO_BIG
        if not path.address.isascii() and smtputf8 is None:
            return Reply(553, "5.6.7", "non-ASCII addresses need SMTPUTF8")
        self._mail_from, self._octets, self._smtputf8 = path, int(size[:20]), smtputf8 is not None
        return Reply(250, "2.1.0", "sender ok")

    async def smtp_RCPT(self, arg: str | None) -> None:
        if not self.session.host_name:
            await self.say(NEED_HELLO)
        elif self._mail_from is None:
            await self.say(NEED_MAIL)
        elif len(self._recipients) >= self._settings.recipients:
            await self.say(TOO_MANY_RECIPIENTS)
        else:
            await self.say(await self._add_recipient(arg or ""))

    async def _add_recipient(self, arg: str) -> Reply:
        try:
            path = parse_path(arg, "TO")
        except BadPath as error:
            return Reply(501, error.enhanced, str(error))
        if path.parameters:
            return Reply(555, "5.5.4", "parameter not recognised")
        if not path.address:
            return Reply(501, "5.1.3", "a recipient is needed")
        if not path.address.isascii() and not self._smtputf8:
            return Reply(553, "5.6.7", "non-ASCII addresses need SMTPUTF8")
        try:
            sender = self._mail_from.address if self._mail_from is not None else ""
            answer = await self._edge.resolve(path.address, sender, self._octets)
        except StoreError as error:
            log.warning("smtp.rcpt.unavailable", client=self.client, error=repr(error))
            return LOOKUP_FAILED
        if isinstance(answer, Reply):
            return answer
        known = {one.address for one in self._recipients}
        self._recipients += [one for one in answer.members or (answer,) if one.address not in known]
        return Reply(250, "2.1.5", "recipient ok")

    async def smtp_DATA(self, arg: str | None) -> None:
        if not self.session.host_name:
            await self.say(NEED_HELLO)
        elif self._mail_from is None:
            await self.say(NEED_MAIL)
        elif not self._recipients:
            await self.say(NEED_RCPT)
        elif arg:
            await self.say(Reply(501, "5.5.4", "syntax: DATA"))
        else:
            await self.push("354 end with <CRLF>.<CRLF>")
            await self._take_mail(self._mail_from)

    async def _take_mail(self, sender: Path) -> None:
        data = DataReader(self._settings.message_octets, self._roll.allowance)
        try:
            async with asyncio.timeout(self._settings.data_s):
                await self._read_data(data)
        except TimeoutError:
            await self.say(TOO_SLOW)
            self.transport.close()
        else:
            await self._answer_mail(sender, data)
        finally:
            data.release()

    async def _answer_mail(self, sender: Path, data: DataReader) -> None:
        octets = data.octets()
        recipients, smtputf8 = tuple(self._recipients), self._smtputf8
        self._reset()
        self._mails += 1
        if data.fault is not None:
            await self.say(FAULTS[data.fault])
            return
        if hops(octets) > self._settings.hops:
            await self.say(TOO_MANY_HOPS)
            return
        envelope = self._edge.begin(self._peer(), sender.address or None, recipients, smtputf8)
        # The idle timer must not close the connection while the mail is being judged.
        self._reset_timeout(self._settings.data_s)
        await self.say(await self._edge.receive(envelope, octets))
        self._reset_timeout()

    async def _read_data(self, data: DataReader) -> None:
        refreshed = time.monotonic()
        rest: bytes | None = None
        while rest is None:
            chunk = await self._reader.read(CHUNK_OCTETS)
            if not chunk:
                raise ClientLeft
            rest = data.feed(chunk)
            if time.monotonic() - refreshed > 1.0:
                self._reset_timeout()
                refreshed = time.monotonic()
        self._reader.take_back(rest)

    def _peer(self) -> Peer:
        address, port = self.session.peer[:2]
        return replace(
            self._said_client or peer_of(address, port),
            helo=self.session.host_name,
            tls=(self._tls.version() or "") if self.is_encrypted else "",
        )

    def _may_xclient(self) -> bool:
        ip = peer_of(*self.session.peer[:2]).ip
        return any(ip in network for network in self._settings.xclient_from)

    async def smtp_XCLIENT(self, arg: str | None) -> None:
        """A proxy in front tells the client's address (Postfix's XCLIENT). Starts the dialogue over."""
        if not self._may_xclient():
            await self.say(Reply(550, "5.7.0", "not allowed to say who the client is"))
            return
        try:
            client = parse_xclient(arg or "")
        except ValueError:
            await self.say(Reply(501, "5.5.4", "syntax: XCLIENT ADDR=address [PORT=number] [HELO=name]"))
            return
        self._set_rset_state()
        self._said_client = client
        self.session.host_name = client.helo or None
        await self.push(f"220 {self.hostname} ESMTP Mailward")

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self.is_encrypted:
            await self.say(Reply(503, "5.5.1", "TLS is already in use"))
        elif not self.tls_context:
            await self.say(Reply(502, "5.5.1", "TLS is not available"))
        else:
            await super().smtp_STARTTLS(arg)

    async def smtp_RSET(self, arg: str | None) -> None:
        self._set_rset_state()
        await self.say(OK)

    async def smtp_NOOP(self, arg: str | None) -> None:
        await self.say(OK)

    async def smtp_QUIT(self, arg: str | None) -> None:
        await self.push("221 2.0.0 bye")
        self.transport.close()

    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.say(Reply(252, "2.5.0", "will not verify, but will take mail for it and try"))

    async def smtp_EXPN(self, arg: str | None) -> None:
        await self.say(Reply(502, "5.5.1", "not implemented"))

    async def smtp_HELP(self, arg: str | None) -> None:
        await self.push("214 2.0.0 see RFC 5321")

    async def smtp_AUTH(self, arg: str | None) -> None:
        await self.say(Reply(502, "5.5.1", "this is a receiving server; there is no AUTH"))
