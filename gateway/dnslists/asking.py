"""Asks every list about one mail, all at once, within a budget of questions and time."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import structlog

from gateway.dns.budget import Budget
from gateway.dns.resolver import Resolver, Status, reverse_name
from gateway.dnslists.definition import REFUSED, Asks, DnsList
from gateway.dnslists.zonefile import BadZoneFile, ZoneFile, read_file

log = structlog.get_logger()

UNREACHABLE = "unreachable"
_LOOK_AGAIN_S = 60.0  #: for a newer copy of an offline list
_WARN_AGAIN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Subject:
    """Something a list can be asked about."""

    kind: Asks
    text: str  #: an address, or a name in A-labels
    where: str  #: in the mail, for people: "link", "From", ...


@dataclass(frozen=True, slots=True)
class Listing:
    """What one list says about one subject."""

    list_name: str
    subject: Subject
    meaning: str  #: a ``Meaning``, ``REFUSED`` or ``UNREACHABLE``


@dataclass(frozen=True, slots=True)
class AskSettings:
    queries_per_mail: int = 40
    seconds_per_mail: float = 4.0


@dataclass(slots=True)
class _Copy:
    """An offline list, read again when its file changes; a copy that turns unreadable leaves the last good one."""

    path: Path
    zone: ZoneFile
    stamp: tuple[int, int]
    looked_at: float


@dataclass(slots=True)
class DnsLists:
    """The lists in use."""

    resolver: Resolver
    lists: Sequence[DnsList]
    key: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)  #: list name -> its offline copy
    settings: AskSettings = field(default_factory=AskSettings)
    clock: Callable[[], float] = time.monotonic
    _copies: dict[str, _Copy] = field(default_factory=dict)
    _warned: dict[str, float] = field(default_factory=dict)

    def load(self) -> None:
        """Read the offline copies, at start: it may take seconds. Raises BadZoneFile, OSError."""
        for name, path in self.files.items():
            self._copies[name] = _Copy(path, read_file(path), _stamp(path), self.clock())

    async def ask(self, subjects: Sequence[Subject]) -> list[Listing]:
        """Everything the lists say; offline copies are asked first, they cost no question."""
        budget = Budget(self.resolver, self.settings.queries_per_mail, self.settings.seconds_per_mail, self.clock)
        pairs = [(each, subject) for each in self.lists for subject in subjects if subject.kind in each.asks]
        answered = await asyncio.gather(*(self._ask(each, subject, budget) for each, subject in pairs))
        return [
            Listing(each.name, subject, meaning)
            for (each, subject), meanings in zip(pairs, answered, strict=True)
            for meaning in sorted(meanings)
        ]

    async def _ask(self, dns_list: DnsList, subject: Subject, budget: Budget) -> frozenset[str]:
        if dns_list.name in self._copies:
            zone = await self._copy(dns_list.name)
            return dns_list.meanings(_of(zone, subject))
        name = _question(dns_list, subject, self.key)
        if not name:
            return frozenset()
        answer = await budget.query(name, "A")
        if answer.status is Status.BUDGET and budget.left <= 0:
            return frozenset()  # a mail that names more domains than we ask about: that is a signal of its own
        if answer.is_temporary:
            self._warn(dns_list.name, "could not be asked: its servers do not answer")
            return frozenset({UNREACHABLE})
        meanings = dns_list.meanings(answer.hosts())
        if REFUSED in meanings:
            self._warn(dns_list.name, "refuses to answer: ask it through a resolver of your own, or get a key")
        return meanings

    async def _copy(self, name: str) -> ZoneFile:
        copy = self._copies[name]
        if self.clock() - copy.looked_at > _LOOK_AGAIN_S:
            copy.looked_at = self.clock()
            try:
                stamp = _stamp(copy.path)
                if stamp != copy.stamp:
                    copy.zone, copy.stamp = await asyncio.to_thread(read_file, copy.path), stamp
            except (OSError, BadZoneFile) as error:
                self._warn(name, f"its copy cannot be read, the last one is used: {error}")
        return copy.zone

    def _warn(self, name: str, why: str) -> None:
        """Once an hour a list: whoever runs this must know that a list is silent."""
        last = self._warned.get(name)
        if last is None or self.clock() - last > _WARN_AGAIN_S:
            self._warned[name] = self.clock()
            log.warning("dnslist.silent", list=name, why=why)


def _question(dns_list: DnsList, subject: Subject, key: str) -> str:
    """The name to look up; "" when this list cannot be asked. RFC 5782 §2.1, §2.4, §3."""
    zone = f"{key}.{dns_list.keyed}" if key and dns_list.keyed else dns_list.zone
    if not zone:
        return ""
    if subject.kind != "client":
        return f"{subject.text}.{zone}"
    reverse = reverse_name(subject.text)
    return f"{reverse.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def _of(zone: ZoneFile, subject: Subject) -> tuple[str, ...]:
    if subject.kind != "client":
        return zone.of_name(subject.text)
    address = IPv6Address(subject.text) if ":" in subject.text else IPv4Address(subject.text)
    return zone.of_address(address)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
