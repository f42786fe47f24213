"""Listens for SMTP and counts who is connected."""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from gateway.envelope import Envelope
from gateway.reply import Reply
from protocols.smtp.data import Allowance
from protocols.smtp.session import Edge, SmtpSession
from protocols.smtp.settings import SmtpSettings

# aiosmtpd logs every line it reads; our own canonical line per mail says more.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


HANDSHAKE_S = 20.0

MakeSession = Callable[..., SmtpSession]
"""Called with an edge, the settings, the roll, and aiosmtpd's options."""


class SmtpServer:
    """All connections of one worker that speak SMTP of one kind."""

    def __init__(
        self,
        edge: Edge,
        settings: SmtpSettings,
        tls: ssl.SSLContext | None = None,
        session: MakeSession = SmtpSession,
    ) -> None:
        self._edge = Edge(edge.resolve, edge.begin, self._receive, edge.admit)
        self._receive_one = edge.receive
        self._settings = settings
        self._session = session
        self._tls = tls
        self.allowance = Allowance(settings.data_octets_at_once)
        self._servers: list[asyncio.Server] = []
        self._sessions: set[SmtpSession] = set()
        self._by_client: Counter[str] = Counter()
        self._in_flight: set[asyncio.Future[None]] = set()

    async def start(self, sock: socket.socket, *, implicit_tls: bool = False) -> None:
        """Accept on a listening socket; may be called for several. Raises ValueError for TLS without a certificate."""
        if implicit_tls and self._tls is None:
            raise ValueError("implicit TLS needs a certificate")
        loop = asyncio.get_running_loop()

        def session() -> SmtpSession:
            return self._session(self._edge, self._settings, self, tls_context=self._tls, loop=loop)

        server = await loop.create_server(
            session,
            sock=sock,
            backlog=1024,
            ssl=self._tls if implicit_tls else None,
            ssl_handshake_timeout=HANDSHAKE_S if implicit_tls else None,
        )
        self._servers.append(server)

    @property
    def connected(self) -> int:
        """How many clients are connected."""
        return len(self._sessions)

    def enter(self, session: SmtpSession, client: str) -> bool:
        """Count a new connection; False when it is one too many, from one address or in all.

        A proxy that speaks for its clients (XCLIENT) is one address for many of them.
        """
        self._sessions.add(session)
        self._by_client[client] += 1
        few_in_all = len(self._sessions) <= self._settings.connections
        is_proxy = any(ip_address(client) in network for network in self._settings.xclient_from)
        return few_in_all and (is_proxy or self._by_client[client] <= self._settings.connections_per_address)

    def leave(self, session: SmtpSession, client: str) -> None:
        if session in self._sessions:
            self._sessions.discard(session)
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    async def _receive(self, envelope: Envelope, octets: bytes) -> Reply:
        receiving = asyncio.get_running_loop().create_future()
        self._in_flight.add(receiving)
        try:
            return await self._receive_one(envelope, octets)
        finally:
            receiving.set_result(None)
            self._in_flight.discard(receiving)

    async def close(self, grace_s: float = 10.0) -> None:
        """Stop accepting, let mails in flight finish within the grace, then hang up."""
        for server in self._servers:
            server.close()
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=grace_s)
            await asyncio.sleep(0)  # let the replies be written
        for session in list(self._sessions):
            session.dismiss()
