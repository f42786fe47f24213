"""Asks a ClamAV daemon about a mail: INSTREAM over its Unix socket or TCP (clamd(8), "COMMANDS").

Our own, and not ``aioclamd``: that speaks TCP only, hands every kilobyte of a mail to a thread and back, and loses
clamd's answer when it closes the connection in the middle of a mail that it finds too long.
"""

import asyncio
import re
import struct
from dataclasses import dataclass

from gateway.settings import ClamAv

_CHUNK = 256 * 1024  #: octets; clamd copies chunk by chunk, and drain() waits between them
_ANSWER = 4_096  #: octets of the one line that clamd answers
_LENGTH = struct.Struct("!I")
_FOUND = re.compile(r"stream: (?P<name>.{1,300}) FOUND")


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What clamd says about one mail."""

    name: str = ""  #: of what was found; "" is nothing
    error: str = ""  #: why there is no answer; "" when there is one
    is_too_long: bool = False  #: beyond our limit or clamd's, so it was not looked at


class ClamdClient:
    """One connection a mail, as clamd's protocol wants it; a bounded number of them."""

    def __init__(self, settings: ClamAv) -> None:
        self.settings = settings
        self._places = asyncio.Semaphore(settings.at_once)

    async def scan(self, octets: bytes) -> ScanResult:
        """Never raises but when cancelled: ``error`` tells what went wrong."""
        if len(octets) > self.settings.max_octets:
            return ScanResult(is_too_long=True)
        try:
            async with asyncio.timeout(self.settings.timeout_s), self._places:
                line = await self._exchange(octets)
        except TimeoutError:
            return ScanResult(error=f"no answer within {self.settings.timeout_s:g} s")
        except OSError as error:
            return ScanResult(error=f"no connection: {type(error).__name__}")
        return _read(line)

    async def _exchange(self, octets: bytes) -> bytes:
        reader, writer = await self._connect()
        try:
            try:
                await _send(writer, octets)
            except ConnectionError:
                pass  # it may have said why before it closed
            try:
                return await reader.readuntil(b"\0")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                return error.partial if isinstance(error, asyncio.IncompleteReadError) else b""
        finally:
            writer.transport.abort()  # nothing is left to say, and closing politely may wait for a peer that hangs

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.settings.socket:
            return await asyncio.open_unix_connection(self.settings.socket, limit=_ANSWER)
        host, _, port = self.settings.host.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port), limit=_ANSWER)


async def _send(writer: asyncio.StreamWriter, octets: bytes) -> None:
    writer.write(b"zINSTREAM\0")
    view = memoryview(octets)
    for start in range(0, len(octets), _CHUNK):
        chunk = view[start : start + _CHUNK]
        writer.write(_LENGTH.pack(len(chunk)))
        writer.write(chunk)
        await writer.drain()
    writer.write(_LENGTH.pack(0))
    await writer.drain()


def _read(line: bytes) -> ScanResult:
    """An answer that is none is an error, never "nothing found"."""
    text = line.removesuffix(b"\0").decode("utf-8", "replace").strip()
    if text == "stream: OK":
        return ScanResult()
    if found := _FOUND.fullmatch(text):
        return ScanResult(name="".join(c for c in found["name"] if c.isprintable())[:120])
    if "size limit exceeded" in text:
        return ScanResult(is_too_long=True)
    shown = "".join(c for c in text if c.isprintable())[:120]
    return ScanResult(error=f"clamd says {shown}" if shown else "the connection ended without an answer")
