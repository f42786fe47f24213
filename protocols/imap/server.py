"""Listening sockets, and how many clients there may be."""

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable

import structlog

from protocols.imap.connection import HANDSHAKE_S, Connection
from protocols.imap.session import Services
from protocols.imap.settings import ImapSettings
from store.accounts.login import Logins
from store.changes.engine import Store
from store.mail.moves import Moved

log = structlog.get_logger("imap")


class ImapServer:
    """IMAP on any number of listening sockets."""

    def __init__(
        self,
        store: Store,
        logins: Logins,
        settings: ImapSettings,
        tls: ssl.SSLContext | None,
        clock: Callable[[], float],
        on_moved: Callable[[Moved], None] | None = None,
    ) -> None:
        """``clock`` gives seconds since 1970; ``on_moved`` hears of mail that people move or copy."""
        self._services = Services(store, logins, settings, clock, on_moved)
        self._tls = tls
        self._listening: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._by_address: Counter[str] = Counter()

    async def start(self, sock: socket.socket, *, implicit_tls: bool = False) -> None:
        """Serve a bound socket; may be called for several. Raises ValueError for TLS without a certificate."""
        if implicit_tls and self._tls is None:
            raise ValueError("implicit TLS needs a certificate")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(self, self._services, self._tls, is_encrypted=implicit_tls),
            sock=sock,
            ssl=self._tls if implicit_tls else None,
            ssl_handshake_timeout=HANDSHAKE_S if implicit_tls else None,
        )
        self._listening.append(server)

    async def close(self, grace_s: float) -> None:
        """Take no more clients, say BYE to those there are, and cut off after ``grace_s`` who is still busy."""
        for server in self._listening:
            server.close()
        self._listening.clear()
        connections = list(self._connections)
        for connection in connections:
            connection.close_soon()
        tasks = [connection.task for connection in connections if connection.task is not None]
        if tasks:
            _, busy = await asyncio.wait(tasks, timeout=grace_s)
            for task in busy:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for connection in connections:
                if connection.task in busy:
                    connection.abort()

    @property
    def connections(self) -> int:
        return len(self._connections)

    def admit(self, connection: Connection) -> bool:
        settings = self._services.settings
        source = _source(connection.peer.address)
        if (
            len(self._connections) >= settings.connections
            or self._by_address[source] >= settings.connections_per_address
        ):
            log.warning("imap.too-many-connections", peer=connection.peer.address)
            return False
        self._connections.add(connection)
        self._by_address[source] += 1
        return True

    def forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            source = _source(connection.peer.address)
            self._by_address[source] -= 1
            if not self._by_address[source]:
                del self._by_address[source]


def _source(address: str) -> str:
    """What connections are counted by: an address, or the /64 a single IPv6 host usually has."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address}/64", strict=False))
