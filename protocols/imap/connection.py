"""One socket: the channel that is real. Reading pauses when the client is too far ahead, writing when it lags."""

import asyncio
import ipaddress
import socket
import ssl
import time
from typing import Protocol, cast

import structlog

from protocols.imap.channel import Peer
from protocols.imap.dialogue import Dialogue, LoginDeadline
from protocols.imap.refusal import Disconnect
from protocols.imap.session import Services, Session
from protocols.imap.wire import Event, ImapWire, NeedData, RawLine, WireLimits
from store.changes.announce import Listener

log = structlog.get_logger("imap")

READ_AHEAD_OCTETS = 256 * 1024  #: pipelined commands kept while one is being answered
WRITE_BEHIND_OCTETS = 256 * 1024
HANDSHAKE_S = 30.0


class Host(Protocol):
    """The server a connection belongs to."""

    def admit(self, connection: "Connection") -> bool:
        """Whether there is room; counts the connection when there is."""
        ...

    def forget(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """``Channel`` over an asyncio transport."""

    def __init__(self, host: Host, services: Services, tls: ssl.SSLContext | None, *, is_encrypted: bool) -> None:
        settings = services.settings
        self.peer = Peer("", is_loopback=False)
        self.task: asyncio.Task[None] | None = None
        self._host = host
        self._services = services
        self._tls = tls
        self._is_encrypted = is_encrypted
        self._wire = ImapWire(WireLimits(settings.line_octets, settings.preauth_literal_octets, 0))
        self._transport: asyncio.Transport | None = None
        self._came = asyncio.Event()  # octets, the end of input, or the wish to close
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_reading = True
        self._is_at_end = False
        self._is_lost = False
        self._is_closing = False
        self._last_command = 0.0
        self._stalled: asyncio.TimerHandle | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's are not of asyncio's class
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BEHIND_OCTETS)
        self.peer = _peer_of(transport.get_extra_info("peername"))
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._host.admit(self):
            transport.write(b"* BYE [UNAVAILABLE] too many connections\r\n")
            transport.close()
            return
        self.task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes) -> None:
        self._wire.feed(data)
        self._came.set()
        if self._wire.buffered > READ_AHEAD_OCTETS and not self._wire.in_literal and self._is_reading:
            assert self._transport is not None
            self._transport.pause_reading()
            self._is_reading = False

    def eof_received(self) -> bool:
        """A client that only sends no more still gets its answers; TLS has no such half."""
        self._is_at_end = True
        self._came.set()
        return not self._is_encrypted

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = self._is_at_end = True
        self._came.set()
        self._writable.set()
        if self._stalled is not None:
            self._stalled.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # What the session calls.

    @property
    def is_encrypted(self) -> bool:
        return self._is_encrypted

    @property
    def can_start_tls(self) -> bool:
        return self._tls is not None and not self._is_encrypted

    @property
    def has_more(self) -> bool:
        return self._wire.buffered > 0

    def set_limits(self, limits: WireLimits) -> None:
        self._wire.set_limits(limits)

    async def next_event(self, deadline_s: float) -> Event:
        until = time.monotonic() + deadline_s
        while isinstance(event := self._wire.next_event(), NeedData):
            await self._more(until - time.monotonic())
        self._last_command = time.monotonic()
        return event

    async def next_line(self, deadline_s: float) -> bytes:
        until = time.monotonic() + deadline_s
        while isinstance(line := self._wire.next_line(), NeedData):
            await self._more(until - time.monotonic())
        return line.octets.rstrip(b"\r\n")

    async def line_or_change(self, listener: Listener, poll_s: float, deadline_s: float) -> bytes | None:
        line = self._wire.next_line()
        if isinstance(line, RawLine):
            return line.octets.rstrip(b"\r\n")
        left_s = self._last_command + deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._before_waiting()
        changed = asyncio.ensure_future(listener.event.wait())
        came = asyncio.ensure_future(self._came.wait())
        try:
            await asyncio.wait((changed, came), timeout=min(poll_s, left_s), return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            came.cancel()
        listener.event.clear()
        return None

    async def _more(self, left_s: float) -> None:
        self._before_waiting()
        async with asyncio.timeout(left_s):
            await self._came.wait()

    def _before_waiting(self) -> None:
        """Everything that came is used up: is there a reason to wait? Raises Disconnect, ConnectionError."""
        if self._is_at_end:
            raise ConnectionResetError("end of input")
        if self._is_closing:
            raise Disconnect("the server is shutting down")
        self._came.clear()
        if not self._is_reading:
            assert self._transport is not None
            self._transport.resume_reading()
            self._is_reading = True

    def write(self, octets: bytes) -> None:
        if self._transport is not None and not self._is_lost:
            self._transport.write(octets)

    async def drain(self) -> None:
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(self._services.settings.write_stall_s):
                    await self._writable.wait()
            except TimeoutError:
                raise ConnectionAbortedError("the client does not read") from None
        if self._is_lost:
            raise ConnectionResetError("the client is gone")

    async def start_tls(self) -> None:
        assert self._tls is not None and self._transport is not None
        self._wire.discard()
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self._transport, self, self._tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except OSError as error:  # ssl.SSLError and ConnectionError among them
            raise ConnectionAbortedError("the TLS handshake failed") from error
        if transport is None:
            raise ConnectionAbortedError("the TLS handshake failed")
        transport.set_write_buffer_limits(high=WRITE_BEHIND_OCTETS)
        self._transport = transport
        self._is_encrypted = self._is_reading = True

    # What the server calls.

    def close_soon(self) -> None:
        """Say BYE once the command in hand is answered."""
        self._is_closing = True
        self._came.set()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _run(self) -> None:
        session = Session(self._services, self)
        settings = self._services.settings
        dialogue = Dialogue(session, LoginDeadline(settings.preauth_s, settings.autologout_s, time.monotonic))
        began = time.monotonic()
        how = "closed"
        try:
            await dialogue.run()
        except ConnectionError as error:
            how = str(error)
        finally:
            self._end()
            log.info(
                "imap.session",
                peer=self.peer.address,
                login=session.login,
                client=session.client,
                tls=self._is_encrypted,
                commands=dialogue.commands,
                seconds=round(time.monotonic() - began, 3),
                end=how,
            )

    def _end(self) -> None:
        self._host.forget(self)
        if self._transport is None or self._is_lost:
            return
        self._transport.close()  # once what was written is out, or nobody takes it
        self._stalled = asyncio.get_running_loop().call_later(self._services.settings.write_stall_s, self.abort)


def _peer_of(name: object) -> Peer:
    """Address of the other end; a socket without one is not trusted as local."""
    if not isinstance(name, tuple) or not name:
        return Peer("", is_loopback=False)
    text = str(name[0]).partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Peer("", is_loopback=False)
    mapped = getattr(address, "ipv4_mapped", None)
    real = mapped or address
    return Peer(str(real), is_loopback=real.is_loopback)
