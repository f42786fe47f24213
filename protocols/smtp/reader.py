"""A stream reader that can take octets back, so that commands pipelined behind a mail are not lost."""

import asyncio
from typing import Any


class BareLineFeed(Exception):
    """A command line ended in LF without CR. Departs from RFC 5321's leniency: it is how smuggling starts."""


class PushbackReader:
    """Wraps asyncio's StreamReader with the few methods aiosmtpd calls."""

    def __init__(self, inner: asyncio.StreamReader) -> None:
        self._inner = inner
        self._returned = b""

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """One line. Raises BareLineFeed, LimitOverrunError, IncompleteReadError."""
        line = await self._line(separator)
        if not line.endswith(b"\r\n"):
            raise BareLineFeed
        return line

    async def _line(self, separator: bytes) -> bytes:
        if not self._returned:
            return await self._inner.readuntil(separator)
        head, found, tail = self._returned.partition(separator)
        if found:
            self._returned = tail
            return head + found
        line = head + await self._inner.readuntil(separator)
        self._returned = b""
        return line

    async def readline(self) -> bytes:
        return await self.readuntil(b"\n")

    async def read(self, count: int = -1) -> bytes:
        if self._returned:
            head, self._returned = self._returned[:count], self._returned[count:] if count >= 0 else b""
            return head
        return await self._inner.read(count)

    def take_back(self, octets: bytes) -> None:
        self._returned = octets + self._returned

    # aiosmtpd reaches for these two when STARTTLS changes the transport under the reader.
    @property
    def _buffer(self) -> Any:
        self._returned = b""  # what was sent in clear before TLS must not count after it (RFC 3207 §4.2)
        return self._inner._buffer  # type: ignore[attr-defined]

    @property
    def _transport(self) -> Any:
        return self._inner._transport  # type: ignore[attr-defined]

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        self._inner._transport = transport  # type: ignore[attr-defined]
