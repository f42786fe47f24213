"""JMAP over real loopback sockets, with and without TLS, and a client that says what it means."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from argon2 import PasswordHasher

from protocols.http.app import build_app
from protocols.http.server import HttpServer
from protocols.http.settings import HttpSettings
from protocols.jmap.routes import routes
from protocols.jmap.services import JmapServices
from protocols.jmap.settings import JmapSettings
from store.accounts.account import Account
from store.accounts.login import Logins
from store.changes.engine import Store
from store.mail.moves import Moved
from tests.support.mail_store import START_MS, new_account, new_store

PASSWORD = "correct horse"
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(
    PASSWORD
)  # cheap: tests sign in all the time
CORE, MAIL = "urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"
NOW = datetime.fromtimestamp(START_MS / 1000, UTC)


def listen() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


@dataclass(slots=True)
class Jmap:
    """A running server, its store, and bob@b.example signed in."""

    store: Store
    account: Account
    server: HttpServer
    port: int
    client: httpx.AsyncClient

    async def request(self, *calls: tuple[str, dict[str, Any], str], **members: Any) -> httpx.Response:
        body = {"using": [CORE, MAIL], "methodCalls": [list(call) for call in calls], **members}
        return await self.client.post("/jmap/api", json=body)

    async def calls(self, *calls: tuple[str, dict[str, Any], str]) -> list[tuple[str, Any, str]]:
        """Responses to calls; arguments get the account's id."""
        number = f"A{self.account.id}"
        named = [(name, {"accountId": number, **arguments}, call_id) for name, arguments, call_id in calls]
        response = await self.request(*named)
        assert response.status_code == 200, response.text
        return [tuple(one) for one in response.json()["methodResponses"]]

    async def call(self, name: str, **arguments: Any) -> Any:
        """The arguments of one successful response."""
        [(answered, result, _)] = await self.calls((name, arguments, "0"))
        assert answered == name, result
        return result

    async def refusal(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The error of one refused call."""
        [(answered, result, _)] = await self.calls((name, arguments, "0"))
        assert answered == "error", result
        error: dict[str, Any] = result
        return error


@asynccontextmanager
async def jmap_server(
    settings: JmapSettings | None = None,
    *,
    http: HttpSettings | None = None,
    tls: ssl.SSLContext | None = None,
    allow_plaintext: bool = True,
    store: Store | None = None,
    on_moved: Callable[[Moved], None] | None = None,
) -> AsyncIterator[Jmap]:
    store = store or new_store()
    account = await new_account(store, password_hash=PASSWORD_HASH)
    logins = Logins(store, clock=lambda: 0.0)
    services = JmapServices(store, logins, settings or JmapSettings(), lambda: NOW, allow_plaintext, on_moved)
    http = http or HttpSettings()
    server = HttpServer(build_app(routes(services), http), http, tls)
    sock = listen()
    port = sock.getsockname()[1]
    await server.start(sock)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", auth=(account.address, PASSWORD), timeout=20.0
        ) as client:
            yield Jmap(store, account, server, port, client)
    finally:
        await server.close(1.0)
        logins.close()
        await store.close()
