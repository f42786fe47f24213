"""DNS peers for tests: a zone on real sockets, and servers that misbehave on purpose."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from gateway.dns.settings import UpstreamSettings
from gateway.dns.upstream import Server, UpstreamResolver
from gateway.dns.zone import Zone
from gateway.dns.zone_server import serve_zone

QUICK = UpstreamSettings(try_s=0.2, rounds=1, total_s=2.0)


@asynccontextmanager
async def upstream_over(zone: Zone, settings: UpstreamSettings | None = None) -> AsyncIterator[UpstreamResolver]:
    """A resolver that asks a real server of this zone."""
    async with serve_zone(zone) as served:
        yield UpstreamResolver([Server(served.host, served.port)], settings)


class _Scripted(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes], list[bytes]], seen: list[bytes]) -> None:
        self._reply, self._seen = reply, seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # its class differs by Python and event loop

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._seen.append(data)
        for packet in self._reply(data):
            self._transport.sendto(packet, addr)


@asynccontextmanager
async def scripted_server(reply: Callable[[bytes], list[bytes]]) -> AsyncIterator[tuple[Server, list[bytes]]]:
    """A UDP server that answers each packet with whatever ``reply`` gives; with the packets it has seen."""
    seen: list[bytes] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Scripted(reply, seen), local_addr=("127.0.0.1", 0))
    try:
        yield Server("127.0.0.1", transport.get_extra_info("sockname")[1]), seen
    finally:
        transport.close()
