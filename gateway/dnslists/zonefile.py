"""Offline copies of lists in rbldnsd's formats, so that a list can be used without asking anybody.

``ip4set``: addresses and networks, one a line; ``dnset``: names, ".example.com" also for everything below it.
``:127.0.0.2:why`` sets the answer of the lines that follow, one after an entry that of the entry, ``!`` takes an
entry out again, ``#`` and ``;`` begin comments, ``$`` lines are for the name server. The longest match decides.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

DEFAULT_ANSWER = "127.0.0.2"
MAX_LINES = 20_000_000

Network = IPv4Network | IPv6Network
_TAKEN_OUT = ""
_NAME = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class BadZoneFile(ValueError):
    """The file is not such a copy; the message says which line."""


@dataclass(slots=True)
class ZoneFile:
    """A copy in memory: one dictionary a prefix length, so that looking up costs no more for a larger list."""

    names: dict[str, str] = field(default_factory=dict)  #: name -> answer; ".name" for what is below it
    networks: dict[tuple[int, int], dict[int, str]] = field(default_factory=dict)  #: (version, length) -> prefix

    def of_address(self, ip: IPv4Address | IPv6Address) -> tuple[str, ...]:
        width, number = ip.max_prefixlen, int(ip)
        for length in range(width, -1, -1):
            known = self.networks.get((ip.version, length))
            answer = known.get(number >> (width - length)) if known else None
            if answer is not None:
                return (answer,) if answer else ()
        return ()

    def of_name(self, name: str) -> tuple[str, ...]:
        below = name
        for each in (name, "." + name):
            if each in self.names:
                return (self.names[each],) if self.names[each] else ()
        while "." in below:
            below = below.partition(".")[2]
            answer = self.names.get("." + below)
            if answer is not None:
                return (answer,) if answer else ()
        return ()


def read_file(path: Path) -> ZoneFile:
    """Raises BadZoneFile, OSError."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return read_lines(file)


def read_lines(lines: Iterable[str]) -> ZoneFile:
    """Raises BadZoneFile for a line that is no entry."""
    zone, answer = ZoneFile(), DEFAULT_ANSWER
    for number, line in enumerate(lines, 1):
        if number > MAX_LINES:
            raise BadZoneFile(f"more than {MAX_LINES:,} lines")
        text = line.strip()
        if not text or text[0] in "#;$":
            continue
        if text[0] == ":":
            answer = _answer(text[1:].partition(":")[0], answer)
            continue
        _enter(zone, text, answer, number)
    return zone


def _enter(zone: ZoneFile, text: str, answer: str, number: int) -> None:
    is_out = text[0] == "!"
    words = text.removeprefix("!").split(maxsplit=1)
    if not words:
        raise BadZoneFile(f"line {number}: nothing to take out")
    entry, comment = words[0], words[1] if len(words) > 1 else ""
    if comment.startswith(":"):
        answer = _answer(comment[1:].partition(":")[0], answer)
    value = _TAKEN_OUT if is_out else answer
    network = _network(entry)
    if network is not None:
        length = network.prefixlen
        prefix = int(network.network_address) >> (network.max_prefixlen - length)
        zone.networks.setdefault((network.version, length), {})[prefix] = value
        return
    name = entry.lower().rstrip(".")
    if name.startswith("*."):
        name = name[1:]
    if not _NAME.fullmatch(name) or name.replace(".", "").isdigit():
        raise BadZoneFile(f"line {number}: {entry[:60]!r} is neither an address nor a name")
    zone.names[name] = value


def _network(entry: str) -> Network | None:
    if not entry[:1].isdigit() and ":" not in entry:
        return None
    address, slash, length = entry.partition("/")
    octets = address.count(".") + 1
    if ":" not in address and octets < 4:  # rbldnsd: "192.0.2" is 192.0.2.0/24
        if not all(part.isdigit() for part in address.split(".")):
            return None
        length = length or str(8 * octets)
        address, slash = address + ".0" * (4 - octets), "/"
    try:
        return ip_network(f"{address}{slash}{length}", strict=False)
    except ValueError:
        return None


def _answer(text: str, otherwise: str) -> str:
    """rbldnsd lets "2" stand for 127.0.0.2."""
    written = text.strip()
    if written.isascii() and written.isdigit() and int(written) < 256:
        return f"127.0.0.{int(written)}"
    try:
        return str(IPv4Address(written))
    except ValueError:
        return otherwise
