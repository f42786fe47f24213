"""A small fixed DNS world in memory: the demo's, and every test's. The same zone can be served by ``zone_server``.

As TOML::

    fail = ["TXT broken.example"]        # answered SERVFAIL
    slow = ["TXT silent.example"]        # never answered
    ["example.test"]
    MX = ["10 mx.example.test"]
    TXT = ["v=spf1 mx -all"]
"""

import asyncio
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.dns.resolver import Answer, Mx, Record, Status, Tlsa, Txt, failed, impossible, normal_name

_MAX_CHAIN = 10  #: CNAMEs followed

Question = tuple[str, str]  #: (type, name)


class BadZone(ValueError):
    """The zone's text cannot be read; the message says where."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Names, types and record texts. Text is that of a zone file, but TXT is taken as it stands."""

    names: Mapping[str, Mapping[str, tuple[str, ...]]]
    fail: frozenset[Question] = frozenset()
    slow: frozenset[Question] = frozenset()
    ttl_s: int = 300

    @classmethod
    def of(
        cls,
        names: Mapping[str, Mapping[str, Iterable[str]]],
        fail: Iterable[str] = (),
        slow: Iterable[str] = (),
        ttl_s: int = 300,
    ) -> "Zone":
        """From plain dicts. ``fail`` and ``slow`` hold "TYPE name". Raises BadZone."""
        read = {_name(n): {t.upper(): tuple(_texts(n, v)) for t, v in types.items()} for n, types in names.items()}
        zone = cls(read, frozenset(map(_question, fail)), frozenset(map(_question, slow)), ttl_s)
        for name, types in read.items():
            for rdtype, texts in types.items():
                for text in texts:
                    read_text(rdtype, text, name)
        return zone

    @classmethod
    def parse(cls, text: str) -> "Zone":
        """From TOML, as drawn above. Raises BadZone."""
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadZone(str(error)) from error
        names = {name: value for name, value in tree.items() if isinstance(value, dict)}
        return cls.of(names, tree.get("fail", ()), tree.get("slow", ()), int(tree.get("ttl_s", 300)))

    def lookup(self, name: str, rdtype: str) -> tuple[Status, tuple[Record, ...]]:
        """Records of exactly this name and type, wildcards applied (RFC 1034 §4.3.3); no CNAME is followed."""
        types = self.names.get(name) or self._wildcard(name)
        if types is None:
            below = "." + name
            exists = any(known.endswith(below) for known in self.names)  # empty non-terminal, RFC 8020 §3.1
            return (Status.NODATA if exists else Status.NXDOMAIN), ()
        records = tuple(read_text(rdtype, text, name) for text in types.get(rdtype, ()))
        return (Status.OK if records else Status.NODATA), records

    def _wildcard(self, name: str) -> Mapping[str, tuple[str, ...]] | None:
        """The "*" of the closest encloser, None when there is none."""
        parent = name
        while "." in parent:
            parent = parent.partition(".")[2]
            if found := self.names.get("*." + parent):
                return found
            if parent in self.names:
                return None
        return None


@dataclass(slots=True)
class ZoneResolver:
    """Answers from a zone, and counts what it was asked."""

    zone: Zone
    asked: Counter[Question] = field(default_factory=Counter)

    async def query(self, name: str, rdtype: str) -> Answer:
        normal = normal_name(name)
        if normal is None:
            return impossible(name, rdtype)
        kind = rdtype.upper()
        self.asked[kind, normal] += 1
        if (kind, normal) in self.zone.slow:
            await asyncio.Event().wait()  # as long as the caller has patience
        if (kind, normal) in self.zone.fail:
            return failed(normal, kind, Status.SERVFAIL)
        status, records = follow(self.zone, normal, kind)
        return Answer(normal, kind, records, status, self.zone.ttl_s)


def follow(zone: Zone, name: str, rdtype: str) -> tuple[Status, tuple[Record, ...]]:
    """Like ``Zone.lookup``, along CNAMEs. A loop or a chain over ten long is SERVFAIL."""
    for _ in range(_MAX_CHAIN):
        if (rdtype, name) in zone.fail:
            return Status.SERVFAIL, ()
        status, records = zone.lookup(name, rdtype)
        if records or rdtype == "CNAME":
            return status, records
        aliases = zone.lookup(name, "CNAME")[1]
        if not aliases:
            return status, ()
        name = str(aliases[0])
    return Status.SERVFAIL, ()


def read_text(rdtype: str, text: str, where: str = "") -> Record:
    """One record from its zone-file text. Raises BadZone."""
    try:
        match rdtype:
            case "TXT":
                return Txt(_strings(text))
            case "MX":
                preference, host = text.split()
                return Mx(int(preference), host.lower().rstrip("."))
            case "TLSA":
                usage, selector, matching, data = text.split()
                return Tlsa(int(usage), int(selector), int(matching), bytes.fromhex(data))
            case "A" | "AAAA" | "PTR" | "CNAME" | "NS":
                return text.lower().rstrip(".")
            case _:
                raise BadZone(f"{where}: records of type {rdtype} are not known")
    except ValueError as error:
        raise BadZone(f"{where}: cannot read {rdtype} {text!r}") from error


def _strings(text: str) -> tuple[bytes, ...]:
    """Character strings of at most 255 octets. RFC 1035 §3.3.14."""
    octets = text.encode("utf-8", "surrogateescape")
    return tuple(octets[i : i + 255] for i in range(0, len(octets), 255)) or (b"",)


def _name(text: str) -> str:
    normal = normal_name(text)
    if normal is None:
        raise BadZone(f"{text!r} is not a domain name")
    return normal


def _question(text: str) -> Question:
    rdtype, _, name = text.partition(" ")
    return rdtype.upper(), _name(name)


def _texts(name: str, value: Iterable[str]) -> list[str]:
    if isinstance(value, str):
        raise BadZone(f"{name}: records are a list, not one string")
    return list(value)
