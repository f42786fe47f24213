"""A stream reader that can take octets back, so that commands pipelined behind a mail are not lost."""

import asyncio
from typing import Any


class BareLineEnd(Exception):
    """A command line holds CR or LF by itself. Departs from RFC 5321's leniency: it is how smuggling starts."""


class LineTooLong(Exception):
    """A command line beyond every limit; it was read to its end and forgotten."""


class ClientLeft(ConnectionResetError):
    """The client hung up, or we did: there is nobody to talk to. An ordinary end of a connection."""


class PushbackReader:
    """Wraps asyncio's StreamReader with the few methods aiosmtpd calls."""

    def __init__(self, inner: asyncio.StreamReader) -> None:
        self._inner = inner
        self._returned = b""

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """One line. Raises BareLineEnd, LineTooLong, ClientLeft."""
        if self._transport is None or self._transport.is_closing():
            raise ClientLeft  # we hung up: commands that were pipelined behind it do not count
        try:
            line = await self._line(separator)
        except asyncio.IncompleteReadError:
            raise ClientLeft from None
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise BareLineEnd
        return line

    async def _line(self, separator: bytes) -> bytes:
        head, found, self._returned = self._returned.partition(separator)
        if found:
            return head + found
        try:
            return head + await self._inner.readuntil(separator)
        except asyncio.LimitOverrunError as error:
            await self._skip_line(error.consumed, separator)
            raise LineTooLong from None

    async def _skip_line(self, held: int, separator: bytes) -> None:
        while True:
            await self._inner.read(held)
            try:
                await self._inner.readuntil(separator)
            except asyncio.LimitOverrunError as error:
                held = error.consumed
            else:
                return

    async def read(self, count: int) -> bytes:
        """At least one octet and at most ``count``; nothing when the client has left."""
        if self._returned:
            head, self._returned = self._returned[:count], self._returned[count:]
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
