"""The loop that production runs on: its transports are not asyncio's."""

import asyncio
import ssl

import trustme
import uvloop

from protocols.imap.settings import ImapSettings
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from tests.protocols.imap.client import connect
from tests.protocols.imap.house import open_house


def test_starttls_fetch_idle_and_closing_on_uvloop() -> None:
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mail.example.test").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)

    async def play() -> None:
        kv = MemoryKeyValueStore()
        store = Store(kv, Blobs(kv), Announcer())
        async with open_house(store, ImapSettings(), server_tls) as house:
            client, _ = await connect(house)
            assert b" OK " in (await client.command(b"STARTTLS"))[-1]
            await client.writer.start_tls(client_tls, server_hostname="mail.example.test")
            await client.login()
            await client.command(b"SELECT INBOX")
            client.writer.write(b"i IDLE\r\n")
            assert await client.line() == b"+ idling\r\n"
            await house.deliver(b"Subject: large\r\n\r\n" + b"x" * 1_000_000)
            assert await client.line() == b"* 1 EXISTS\r\n"
            client.writer.write(b"DONE\r\n")
            assert await client.line() == b"i OK IDLE completed\r\n"
            fetched = await client.command(b"FETCH 1 BODY.PEEK[TEXT]")
            assert fetched[1] == b"x" * 1_000_000 + b")\r\n"
            await house.server.close(5.0)
            assert await client.line() == b"* BYE the server is shutting down\r\n"
        await store.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())
