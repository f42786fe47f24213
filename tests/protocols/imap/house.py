"""A live IMAP server with one account, alice@example.test, on a loopback socket."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from argon2 import PasswordHasher

from protocols.imap.server import ImapServer
from protocols.imap.settings import ImapSettings
from store.accounts import account as accounts
from store.accounts.login import Logins
from store.changes.engine import AccountId, Store, StoreTxn
from store.mail import emails, mailboxes
from store.mail.emails import NewEmail
from store.mail.moves import Moved
from store.mail.parsing import digest_octets

NOW_S = 1_770_000_000.0  # 2 February 2026, 02:40 UTC
LOGIN = "alice@example.test"
PASSWORD = "correct horse"
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # cheap: only a test's


@dataclass(slots=True)
class House:
    """A server, its store and its account."""

    store: Store
    server: ImapServer
    account: AccountId
    port: int
    moved: list[Moved] = field(default_factory=list)

    async def deliver(self, octets: bytes, role: str = "inbox") -> None:
        """What reception does, without the judging."""
        staged = await self.store.blobs.stage(octets)
        digest = digest_octets(octets)

        def body(txn: StoreTxn) -> None:
            account = txn.account(self.account)
            mailbox = mailboxes.with_role(account, role)
            assert mailbox is not None
            txn.keep(staged)
            emails.add(account, NewEmail(staged.id, digest, int(NOW_S * 1000)), [mailbox.id])

        await self.store.write(body)


def listen() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


@asynccontextmanager
async def open_house(
    store: Store, settings: ImapSettings, tls: ssl.SSLContext | None = None, *, implicit_tls: bool = False
) -> AsyncIterator[House]:
    account = await store.write(lambda txn: accounts.create(txn, LOGIN, "Alice", PASSWORD_HASH, int(NOW_S)))
    logins = Logins(store, clock=lambda: 0.0)
    moved: list[Moved] = []
    server = ImapServer(store, logins, settings, tls, lambda: NOW_S, moved.append)
    sock = listen()
    await server.start(sock, implicit_tls=implicit_tls)
    try:
        yield House(store, server, account.id, sock.getsockname()[1], moved)
    finally:
        await server.close(2.0)
        logins.close()
