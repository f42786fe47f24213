"""Uvicorn's HTTP protocol on sockets somebody else opened, inside a loop that runs already.

Only the protocol class is used, not ``uvicorn.Server``: that one installs signal handlers, logs to handlers
of its own and calls ``sys.exit``; here several sockets come and go in one worker.
"""

import asyncio
import logging
import socket
import ssl
import time
from asyncio import TimerHandle
from email.utils import formatdate
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from protocols.http.settings import HttpSettings

BACKLOG = 2_048

# Uvicorn writes "Invalid HTTP request received." for anybody who sends one, as bare text among our JSON lines.
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


class HttpServer:
    """Serves one app on any number of listening sockets, all with TLS or all without."""

    def __init__(self, app: ASGIApp, settings: HttpSettings, tls: ssl.SSLContext | None) -> None:
        self._app = app
        self._settings = settings
        self._tls = tls
        self._closing = asyncio.Event()
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []
        self._clock: TimerHandle | None = None
        self._config = Config(
            self._serve,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the client's address comes from the socket, never from a header
            server_header=False,
            limit_concurrency=settings.connections,
            timeout_keep_alive=settings.keep_alive_s,
        )
        self._config.load()

    async def start(self, sock: socket.socket) -> None:
        """Accept connections on a listening socket from now on."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, sock=sock, ssl=self._tls, backlog=BACKLOG)
        self._servers.append(server)
        if self._clock is None:
            self._tick()

    async def close(self, grace_s: float) -> None:
        """Stop accepting, let running requests end for up to ``grace_s``, then cancel them."""
        self._closing.set()
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        running = set(self._state.tasks)
        if running:
            _, late = await asyncio.wait(running, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if self._clock is not None:
            self._clock.cancel()

    def _protocol(self) -> "_Protocol":
        return _Protocol(self._config, self._state, {}, asyncio.get_running_loop(), header_s=self._settings.header_s)

    def _tick(self) -> None:
        """Keep the Date header right. RFC 9110 §6.6.1."""
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tick)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; to a request that only waits for its client to leave, closing looks like leaving."""
        ended = False

        async def receive_or_close() -> Message:
            nonlocal ended
            if not ended:
                message = await receive()
                ended = message["type"] == "http.request" and not message.get("more_body", False)
                return message
            return await _first(receive, self._closing)

        await self._app(scope, receive_or_close, send)


async def _first(receive: Receive, closing: asyncio.Event) -> Message:
    leaving = asyncio.ensure_future(receive())
    stopping = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait((leaving, stopping), return_when=asyncio.FIRST_COMPLETED)
        return leaving.result() if leaving.done() else {"type": "http.disconnect"}
    finally:
        leaving.cancel()
        stopping.cancel()


class _Protocol(HttpToolsProtocol):
    """Adds what uvicorn lacks: a limit on the time a client may take to send a request's header."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        header_s: float = 15.0,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_s = header_s
        self._header_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > 2 * self._settings_connections():
            transport.abort()  # beyond answering 503: protect the file descriptors
            return
        self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._header_timer is None:
            self._expect_header()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def _settings_connections(self) -> int:
        return self.limit_concurrency or 1_000

    def _expect_header(self) -> None:
        self._header_timer = self.loop.call_later(self._header_s, self._too_slow)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _too_slow(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            self.transport.close()
