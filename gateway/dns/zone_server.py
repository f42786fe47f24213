"""An authoritative server for a ``Zone`` over UDP and TCP, so that real resolvers and real mail programs can ask it."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from gateway.dns.resolver import Mx, Record, Status, Tlsa, Txt
from gateway.dns.wire import plain_name, wire_name
from gateway.dns.zone import Zone

_TCP_IDLE_S = 10.0
_MAX_CHAIN = 10
_BIND_TRIES = 20


@dataclass(frozen=True, slots=True)
class ZoneServer:
    """Where a zone is served."""

    host: str
    port: int  #: of both UDP and TCP


@asynccontextmanager
async def serve_zone(zone: Zone, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[ZoneServer]:
    """Serve until the block ends. Port 0 takes one that is free for both protocols. Raises OSError."""
    streams = _Streams(zone)
    transport, server, bound = await _bind(streams, host, port)
    try:
        yield ZoneServer(host, bound)
    finally:
        transport.close()
        server.close()
        for writer in tuple(streams.open):  # a client that stays connected must not keep us
            writer.close()
        await server.wait_closed()


async def _bind(streams: "_Streams", host: str, port: int) -> tuple[asyncio.DatagramTransport, asyncio.Server, int]:
    loop = asyncio.get_running_loop()
    for attempt in range(_BIND_TRIES):
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(streams.zone), local_addr=(host, port))
        bound = int(transport.get_extra_info("sockname")[1])
        try:
            server = await asyncio.start_server(streams.talk, host, bound)
        except OSError as error:
            transport.close()
            if port or error.errno != errno.EADDRINUSE or attempt == _BIND_TRIES - 1:
                raise
            continue
        return transport, server, bound
    raise OSError(errno.EADDRINUSE, "no port is free for both UDP and TCP")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # its class differs by Python and event loop

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = respond(self._zone, data, over_udp=True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


@dataclass(frozen=True, slots=True)
class _Streams:
    zone: Zone
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Questions on one connection, each with its length before it. RFC 1035 §4.2.2."""
        self.open.add(writer)
        try:
            while True:
                async with asyncio.timeout(_TCP_IDLE_S):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)
                reply = respond(self.zone, data, over_udp=False)
                if reply is not None:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()
        except (TimeoutError, OSError, EOFError):
            return
        finally:
            self.open.discard(writer)
            writer.close()


def respond(zone: Zone, data: bytes, over_udp: bool) -> bytes | None:
    """The reply to one packet, None where silence is right: garbage, a reply, or a name that is set to be slow."""
    try:
        query = dns.message.from_wire(data)
        if query.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(query, recursion_available=True)
    except dns.exception.DNSException:
        return None
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response.to_wire()
    question = query.question[0]
    name, rdtype = plain_name(question.name), dns.rdatatype.to_text(question.rdtype)
    if (rdtype, name) in zone.slow:
        return None
    response.flags |= dns.flags.AA
    _fill(zone, response, name, rdtype)
    if not over_udp:
        return response.to_wire(max_size=65_535)
    limit = max(512, query.payload) if query.edns >= 0 else 512  # RFC 6891 §6.2.5
    return response.to_wire(max_size=limit, prefer_truncation=True)


def _fill(zone: Zone, response: dns.message.Message, name: str, rdtype: str) -> None:
    """Put the records, the CNAMEs on the way and the right code into a response."""
    for _ in range(_MAX_CHAIN):
        if (rdtype, name) in zone.fail:
            response.answer.clear()
            response.set_rcode(dns.rcode.SERVFAIL)
            return
        status, records = zone.lookup(name, rdtype) if name else (Status.NODATA, ())
        aliases = () if records or rdtype == "CNAME" or not name else zone.lookup(name, "CNAME")[1]
        if records or not aliases:
            _finish(zone, response, name, rdtype, status, records)
            return
        response.answer.append(_rrset(zone, name, "CNAME", aliases[:1]))
        name = str(aliases[0])
    response.answer.clear()
    response.set_rcode(dns.rcode.SERVFAIL)


def _finish(
    zone: Zone, response: dns.message.Message, name: str, rdtype: str, status: Status, records: tuple[Record, ...]
) -> None:
    if records:
        response.answer.append(_rrset(zone, name, rdtype, records))
        return
    if status is Status.NXDOMAIN:
        response.set_rcode(dns.rcode.NXDOMAIN)
    apex = name.rpartition(".")[2] or "test"
    soa = f"ns.{apex}. hostmaster.{apex}. 1 3600 600 86400 {zone.ttl_s}"
    response.authority.append(dns.rrset.from_text(wire_name(apex), zone.ttl_s, "IN", "SOA", soa))  # RFC 2308 §3


def _rrset(zone: Zone, name: str, rdtype: str, records: tuple[Record, ...]) -> dns.rrset.RRset:
    kind = dns.rdatatype.from_text(rdtype)
    rdatas = [
        dns.rdata.from_wire(dns.rdataclass.IN, kind, w := _rdata(record, rdtype), 0, len(w)) for record in records
    ]
    return dns.rrset.from_rdata_list(wire_name(name), zone.ttl_s, rdatas)


def _rdata(record: Record, rdtype: str) -> bytes:
    """The record's octets. RFC 1035 §3.3, RFC 3596 §2.2, RFC 6698 §2.1."""
    match record:
        case Mx(preference, host):
            return preference.to_bytes(2, "big") + (_name_octets(host) if host else b"\0")
        case Txt(strings):
            return b"".join(bytes([len(s)]) + s for s in strings)
        case Tlsa(usage, selector, matching, data):
            return bytes([usage, selector, matching]) + data
        case str() if rdtype in ("A", "AAAA"):
            return ip_address(record).packed
        case _:
            return _name_octets(record)


def _name_octets(name: str) -> bytes:
    """A name uncompressed. RFC 1035 §3.1."""
    return b"".join(bytes([len(label)]) + label for label in wire_name(name).labels)
