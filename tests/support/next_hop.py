"""A real SMTP server in a thread, as the next host: takes mails, or answers, hangs up and hesitates as a test says."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail as it arrived."""

    mail_from: str
    recipients: list[str]
    octets: bytes
    login: str


@dataclass(slots=True)
class NextHop:
    """What the next host took, and how it behaves."""

    port: int = 0
    mails: list[Taken] = field(default_factory=list)
    at_mail: str = ""
    at_rcpt: dict[str, str] = field(default_factory=dict)  #: an address, or "*", and the answer to it
    at_data: str = ""
    hangs_up: bool = False  #: behind the last dot, without a word
    waits: threading.Event | None = None  #: before it answers the last dot
    login: tuple[str, str] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def reset(self) -> None:
        self.mails.clear()
        self.at_rcpt.clear()
        self.at_mail, self.at_data, self.hangs_up, self.waits = "", "", False, None

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        return self.at_mail or "250 ok"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        answer = self.at_rcpt.get(address) or self.at_rcpt.get("*", "")
        if not answer:
            envelope.rcpt_tos.append(address)
        return answer or "250 ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if self.hangs_up:
            server.transport.abort()  # type: ignore[union-attr]
            return "421 bye"
        if self.waits is not None:
            await asyncio.to_thread(self.waits.wait, 20)
        if not self.at_data:
            login = session.auth_data.login.decode() if session.auth_data else ""
            self.mails.append(Taken(envelope.mail_from.strip("<>"), list(envelope.rcpt_tos), envelope.content, login))
        return self.at_data or "250 taken"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        right = self.login == (given.login.decode(), given.password.decode())
        return AuthResult(success=right, handled=False, auth_data=given)


@contextmanager
def next_hop(tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> Iterator[NextHop]:
    """A listening next host. With a TLS context it offers STARTTLS, with a login it wants one."""
    built = NextHop(login=login)
    sock = socket.create_server(("127.0.0.1", 0))
    built.port = sock.getsockname()[1]
    started, stop = threading.Event(), threading.Event()
    options: dict[str, Any] = {"tls_context": tls} if tls is not None else {}
    if login is not None:
        options |= {"authenticator": built.authenticate, "auth_required": True, "auth_require_tls": tls is not None}

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(built, hostname="next.example", loop=loop, enable_SMTPUTF8=True, **options), sock=sock
        )
        started.set()
        await asyncio.to_thread(stop.wait)
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield built
    finally:
        stop.set()
        thread.join(10)
