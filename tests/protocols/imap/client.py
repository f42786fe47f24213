"""A client raw enough to be wrong on purpose."""

import asyncio
import ssl

from tests.protocols.imap.house import LOGIN, PASSWORD, House

WAIT_S = 20.0


class Client:
    """A raw client: sends octets, reads lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.count = 0

    async def line(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readline()

    async def command(self, text: bytes) -> list[bytes]:
        """Lines up to the tagged one; literals come as lines too."""
        self.count += 1
        tag = b"t%d" % self.count
        self.writer.write(tag + b" " + text + b"\r\n")
        lines = [await self.line()]
        while not lines[-1].startswith(tag + b" "):
            assert lines[-1], f"closed after {lines}"
            lines.append(await self.line())
        return lines

    async def login(self) -> None:
        assert b" OK " in (await self.command(f'LOGIN {LOGIN} "{PASSWORD}"'.encode()))[-1]


async def connect(house: House, tls: ssl.SSLContext | None = None) -> tuple[Client, bytes]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", house.port, ssl=tls, server_hostname="mail.example.test" if tls else None, limit=1 << 24
    )
    client = Client(reader, writer)
    return client, await client.line()
