"""DNS servers as the world runs them: Knot as the authority for fixture zones, Unbound as the resolver in front.

Each is stopped by its process id at the end.
"""

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from gateway.dns.upstream import Server

LOOPBACK = "127.0.0.1"
_READY_S = 15.0
_SOA = (
    "@ 300 IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 30\n@ 300 IN NS ns.{zone}.\nns 300 IN A 192.0.2.53\n"
)
#: A digest that no key has: whoever trusts it believes nothing in the zone.
_NO_KEY = "12345 13 2 " + "00" * 32


def missing() -> str | None:
    """Why the servers cannot be started; None when they can."""
    absent = [name for name in ("knotd", "unbound") if _program(name) is None]
    return f"not installed: {', '.join(absent)} (apt-get install knot unbound)" if absent else None


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class FixtureZone:
    """A zone in a zone file's words, without SOA and NS; names are relative to it."""

    records: str
    is_signed: bool = False  #: by Knot, with a key that Unbound trusts
    is_bogus: bool = False  #: signed, but Unbound trusts another key


def txt(octets: str) -> str:
    """A TXT record's text in strings of at most 255."""
    return " ".join(f'"{octets[i : i + 255]}"' for i in range(0, len(octets), 255))


def free_port() -> int:
    """One that is free for both UDP and TCP right now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((LOOPBACK, 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


@contextmanager
def authority(zones: Mapping[str, FixtureZone], folder: Path) -> Iterator[Server]:
    """Knot serving the zones, those that are signed with fresh keys."""
    server = Server(LOOPBACK, free_port())
    lines = [f'server:\n  rundir: "{folder}"\n  listen: {server.host}@{server.port}']
    lines += [f'database:\n  storage: "{folder}"\npolicy:\n  - id: one\n    single-type-signing: on']
    lines += [
        f'template:\n  - id: default\n    storage: "{folder}"\n    zonefile-load: whole\n    journal-content: none'
    ]
    lines += ["zone:"]
    for name, zone in zones.items():
        (folder / f"{name}.zone").write_text(f"$ORIGIN {name}.\n$TTL 300\n{_SOA.format(zone=name)}{zone.records}\n")
        lines.append(f'  - domain: {name}\n    file: "{name}.zone"')
        if zone.is_signed or zone.is_bogus:
            lines.append("    dnssec-signing: on\n    dnssec-policy: one\n    zonefile-sync: -1")
    config = folder / "knot.conf"
    config.write_text("\n".join(lines) + "\n")
    with _running([_program("knotd") or "knotd", "-c", str(config)], folder / "knot.log", server, next(iter(zones))):
        yield server


@contextmanager
def silent_server() -> Iterator[Server]:
    """It takes every question and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((LOOPBACK, 0))
        yield Server(LOOPBACK, udp.getsockname()[1])


@contextmanager
def resolver(
    zones: Mapping[str, FixtureZone],
    upstream: Server,
    folder: Path,
    *,
    validates: bool,
    elsewhere: Mapping[str, Server] | None = None,
) -> Iterator[Server]:
    """Unbound in front of an authority; with ``validates`` it trusts the keys of signed zones.

    ``elsewhere`` names zones that another server is asked for.
    """
    server = Server(LOOPBACK, free_port())
    modules = "validator iterator" if validates else "iterator"
    lines = [
        f'server:\n  interface: {server.host}\n  port: {server.port}\n  directory: "{folder}"\n  chroot: ""',
        f'  username: ""\n  pidfile: "{folder}/unbound.pid"\n  use-syslog: no\n  do-daemonize: no\n  do-ip6: no',
        f'  do-not-query-localhost: no\n  module-config: "{modules}"\n  num-threads: 1',
        "  outgoing-range: 64\n  num-queries-per-thread: 32",
    ]
    for name, zone in zones.items():
        lines.append(f'  local-zone: "{name}." nodefault')
        if validates and zone.is_bogus:
            lines.append(f'  trust-anchor: "{name}. IN DS {_NO_KEY}"')
        elif validates and zone.is_signed:
            lines.append(f'  trust-anchor: "{_anchor(name, upstream)}"')
    lines += ['  local-zone: "test." nodefault', "remote-control:\n  control-enable: no"]
    asked = {**dict.fromkeys(zones, upstream), **(elsewhere or {})}
    lines += [f'stub-zone:\n  name: "{name}."\n  stub-addr: {at.host}@{at.port}' for name, at in asked.items()]
    config = folder / "unbound.conf"
    config.write_text("\n".join(lines) + "\n")
    plain = next(name for name, zone in zones.items() if not zone.is_bogus)
    with _running([_program("unbound") or "unbound", "-d", "-c", str(config)], folder / "unbound.log", server, plain):
        yield server


def _anchor(zone: str, server: Server) -> str:
    """The zone's key as a trust anchor; it is there once Knot has signed."""
    ends = time.monotonic() + _READY_S
    while time.monotonic() < ends:
        answer = dns.query.udp(dns.message.make_query(f"{zone}.", "DNSKEY"), server.host, 2, port=server.port)
        for rrset in answer.answer:
            if rrset.rdtype == dns.rdatatype.DNSKEY:
                key = rrset[0]
                return f"{zone}. IN DNSKEY {key.flags} 3 {int(key.algorithm)} {base64.b64encode(key.key).decode()}"
        time.sleep(0.05)
    raise RuntimeError(f"{zone} was not signed")


@contextmanager
def _running(command: list[str], log: Path, server: Server, zone: str) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            _wait(process, log, server, zone)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], log: Path, server: Server, zone: str) -> None:
    """Until the server answers for a zone. Raises RuntimeError with what it has said."""
    ends = time.monotonic() + _READY_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            answer = dns.query.udp(dns.message.make_query(f"{zone}.", "SOA"), server.host, 0.5, port=server.port)
            if answer.rcode() == dns.rcode.NOERROR and answer.answer:
                return
        except (OSError, dns.exception.DNSException):
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{server} does not answer: {log.read_text('utf-8', 'replace')[-2_000:]}")
