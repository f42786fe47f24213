"""Asks recursive servers over UDP, and over TCP where an answer does not fit. RFC 1035 §4.2, RFC 6891, RFC 7766."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from gateway.dns.resolver import Answer, Status, failed, impossible, normal_name
from gateway.dns.settings import UpstreamSettings
from gateway.dns.wire import read_response, wire_name

_ANSWERED = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


@dataclass(frozen=True, slots=True)
class Server:
    """A recursive server."""

    host: str  #: an address, never a name
    port: int = 53


def system_servers(path: Path = Path("/etc/resolv.conf")) -> tuple[Server, ...]:
    """The ``nameserver`` lines of resolv.conf, at most three; the local host when there is none. resolv.conf(5)."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    found = [Server(w[1]) for w in words if len(w) >= 2 and w[0] == "nameserver"]
    return tuple(found[:3]) or (Server("127.0.0.1"),)


class UpstreamResolver:
    """Tries each server in turn, starting with the one that answered last. Remembers nothing else."""

    def __init__(self, servers: Sequence[Server], settings: UpstreamSettings | None = None) -> None:
        if not servers:
            raise ValueError("at least one DNS server is needed")
        self._servers = tuple(servers)
        self._settings = settings or UpstreamSettings()
        self._preferred = 0
        self._backend = dns.asyncbackend.get_backend("asyncio")

    async def query(self, name: str, rdtype: str) -> Answer:
        normal = normal_name(name)
        if normal is None:
            return impossible(name, rdtype)
        try:
            async with asyncio.timeout(self._settings.total_s):
                return await self._ask_all(normal, rdtype)
        except TimeoutError:
            return failed(normal, rdtype, Status.TIMEOUT)

    async def _ask_all(self, name: str, rdtype: str) -> Answer:
        status = Status.TIMEOUT
        for _ in range(self._settings.rounds):
            start = self._preferred
            for offset in range(len(self._servers)):
                index = (start + offset) % len(self._servers)
                outcome = await self._ask(self._servers[index], name, rdtype)
                if isinstance(outcome, Answer):
                    self._preferred = index
                    return outcome
                if outcome is Status.SERVFAIL:
                    status = outcome
        return failed(name, rdtype, status)

    async def _ask(self, server: Server, name: str, rdtype: str) -> Answer | Status:
        """An answer, or why this server gave none."""
        query = dns.message.make_query(
            wire_name(name), rdtype, use_edns=0, payload=self._settings.payload_octets, id=secrets.randbelow(65_536)
        )
        query.flags |= dns.flags.AD  # RFC 6840 §5.7: we understand the AD bit
        started = time.monotonic()
        try:
            response = await self._exchange(server, query)
            if response.rcode() not in _ANSWERED:
                return Status.SERVFAIL
            if not isinstance(response, dns.message.QueryMessage):
                return Status.SERVFAIL
            return read_response(name, rdtype.upper(), response)
        except (TimeoutError, dns.exception.Timeout):
            return Status.TIMEOUT
        except (OSError, EOFError, dns.exception.DNSException):
            # A refused port answers at once; a server that hangs up late is as good as silent.
            return Status.SERVFAIL if time.monotonic() - started < self._settings.try_s else Status.TIMEOUT

    async def _exchange(self, server: Server, query: dns.message.Message) -> dns.message.Message:
        """One round trip. A forged or stray datagram is dropped and the true one waited for (RFC 5452 §9.1)."""
        try_s = self._settings.try_s
        try:
            return await dns.asyncquery.udp(
                query,
                server.host,
                timeout=try_s,
                port=server.port,
                ignore_unexpected=True,
                ignore_errors=True,
                raise_on_truncation=True,
                backend=self._backend,
            )
        except dns.message.Truncated:
            return await dns.asyncquery.tcp(query, server.host, timeout=try_s, port=server.port, backend=self._backend)
