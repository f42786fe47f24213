"""A live SMTP server on loopback with a gateway of the test's own behind it, and a client that speaks octets."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gateway.envelope import Envelope, Peer, ReceptionId, Recipient
from gateway.reply import RECIPIENT_UNKNOWN, RELAY_DENIED, Reply, accepted
from protocols.smtp.server import SmtpServer
from protocols.smtp.session import Edge
from protocols.smtp.settings import SmtpSettings
from store.kv.contract import StoreUnavailable

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SETTINGS = SmtpSettings("mx.example.com", command_s=20.0, data_s=20.0)

Receive = Callable[[Envelope, bytes], Awaitable[Reply]]


@dataclass(slots=True)
class Backend:
    """What stands behind the edge: takes every mail for example.com unless told otherwise."""

    mails: list[tuple[Envelope, bytes]] = field(default_factory=list)
    is_store_down: bool = False
    refuse_sender: dict[str, Reply | StoreUnavailable] = field(default_factory=dict)
    receive: Receive | None = None  #: replaces the taking of mails
    arrived: asyncio.Event = field(default_factory=asyncio.Event)  #: a mail's last dot was seen

    def edge(self) -> Edge:
        return Edge(self._resolve, self._begin, self._receive, self._admit)

    async def _admit(self, peer: Peer, mail_from: str) -> Reply | None:
        refusal = self.refuse_sender.get(mail_from)
        if isinstance(refusal, StoreUnavailable):
            raise refusal
        return refusal

    async def _resolve(self, address: str, sender: str = "", octets: int = 0) -> Recipient | Reply:
        if self.is_store_down:
            raise StoreUnavailable("locked")
        local, _, domain = address.rpartition("@")
        if domain not in {"example.com", "bücher.example"}:
            return RELAY_DENIED
        return RECIPIENT_UNKNOWN if local == "nobody" else Recipient(address, account=1)

    def _begin(self, peer: Peer, mail_from: str | None, to: tuple[Recipient, ...], smtputf8: bool) -> Envelope:
        return Envelope(ReceptionId(f"id{len(self.mails)}"), peer, mail_from, to, NOW, smtputf8)

    async def _receive(self, envelope: Envelope, octets: bytes) -> Reply:
        self.arrived.set()
        if self.receive is not None:
            return await self.receive(envelope, octets)
        self.mails.append((envelope, octets))
        return accepted(envelope.id)


class Client:
    """Sends octets, reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, octets: bytes | str) -> None:
        self._writer.write(octets.encode() if isinstance(octets, str) else octets)
        await self._writer.drain()

    async def reply(self) -> str:
        """The next reply, its lines joined by "|"; "" when the server has hung up."""
        lines: list[str] = []
        while True:
            line = (await asyncio.wait_for(self._reader.readline(), 15)).decode()
            lines.append(line.removesuffix("\r\n"))
            if line[3:4] != "-":
                return "|".join(lines)

    async def ask(self, *commands: str) -> list[str]:
        """Each command and its reply, one after the other."""
        replies = []
        for command in commands:
            await self.send(f"{command}\r\n")
            replies.append(await self.reply())
        return replies

    async def codes(self, *commands: str) -> list[str]:
        return [reply[:3] for reply in await self.ask(*commands)]

    async def begin(self, *recipients: str) -> None:
        """Everything up to the go-ahead for a mail."""
        to = recipients or ("maria@example.com",)
        commands = ["EHLO mx.shop.example", "MAIL FROM:<ana@shop.example>", *(f"RCPT TO:<{each}>" for each in to)]
        assert await self.codes(*commands, "DATA") == ["250"] * len(commands) + ["354"]

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self._writer.start_tls(context, server_hostname="mx.example.com")

    async def rest(self) -> bytes:
        """Everything until the server hangs up."""
        return await asyncio.wait_for(self._reader.read(), 15)

    def half_close(self) -> None:
        self._writer.write_eof()

    def reset(self) -> None:
        """Leave without a word: the server sees a reset."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass


@dataclass(slots=True)
class House:
    """A server that listens, and what is behind it."""

    server: SmtpServer
    backend: Backend
    port: int
    complaints: list[str]  #: what the event loop had to complain of: there must be nothing
    clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        """A client that has not read the greeting yet."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def visit(self) -> Client:
        """A client that was greeted."""
        client = await self.connect()
        assert (await client.reply()).startswith("220 mx.example.com ESMTP")
        return client

    async def is_empty(self) -> None:
        """Returns when nobody is connected any more."""
        while self.server.connected:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def house(
    settings: SmtpSettings = SETTINGS, tls: ssl.SSLContext | None = None, **changes: object
) -> AsyncIterator[House]:
    """A house with some settings changed. It must be left with an empty list of complaints."""
    loop, complaints = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: complaints.append(repr(context)))
    backend = Backend()
    server = SmtpServer(backend.edge(), replace(settings, **changes), tls)  # type: ignore[arg-type]
    sock = socket.create_server(("127.0.0.1", 0))
    await server.start(sock)
    built = House(server, backend, sock.getsockname()[1], complaints)
    try:
        yield built
    finally:
        for client in built.clients:
            await client.close()
        await server.close(5.0)
        async with asyncio.timeout(10):
            await built.is_empty()
    assert complaints == []
