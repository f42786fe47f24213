"""A small next host on a free port: takes mails, or answers as the test says."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass(slots=True)
class Sink:
    """What the next host took, and what it answers when not "250"."""

    port: int = 0
    mails: list[tuple[str, list[str], bytes, list[str]]] = field(default_factory=list)  #: with MAIL's parameters
    at_mail: str = ""
    at_rcpt: str = ""
    at_data: str = ""

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from, envelope.mail_options = address, options
        return self.at_mail or "250 ok"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if not self.at_rcpt:
            envelope.rcpt_tos.append(address)
        return self.at_rcpt or "250 ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if not self.at_data:
            self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, envelope.mail_options))
        return self.at_data or "250 taken"


@asynccontextmanager
async def sink(**options: Any) -> AsyncIterator[Sink]:
    """A listening next host; ``options`` are aiosmtpd's."""
    built, loop = Sink(), asyncio.get_running_loop()
    sock = socket.create_server(("127.0.0.1", 0))
    built.port = sock.getsockname()[1]
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(built, hostname="next.example", loop=loop, **options))
        return sessions[-1]

    server = await loop.create_server(session, sock=sock)
    try:
        yield built
    finally:
        server.close()
        for each in sessions:
            if each.transport is not None:
                each.transport.close()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
