"""The one question the gateway asks the DNS, and what an answer is. RFC 1035, RFC 2308.

``Status`` keeps "there is none" apart from "could not tell": a time-out, a broken server and a spent
budget are temporary, and no caller may read them as "no".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Protocol


class Status(Enum):
    """How a question ended."""

    OK = "ok"  #: there are records
    NXDOMAIN = "nxdomain"  #: neither the name nor anything below it exists (RFC 8020)
    NODATA = "nodata"  #: the name exists, but has no record of this type
    TIMEOUT = "timeout"  #: no server answered in time
    SERVFAIL = "servfail"  #: servers answered, but could or would not tell
    BUDGET = "budget"  #: the mail that asks has used up its questions or its time

    @property
    def is_temporary(self) -> bool:
        """True when the answer is unknown rather than negative."""
        return self in _TEMPORARY


_TEMPORARY = frozenset({Status.TIMEOUT, Status.SERVFAIL, Status.BUDGET})


@dataclass(frozen=True, slots=True, order=True)
class Mx:
    """A mail exchanger. ``host`` is "" for the null MX of RFC 7505."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Txt:
    """A TXT record as its character strings, which most readers join without a space."""

    strings: tuple[bytes, ...]

    @property
    def joined(self) -> bytes:
        return b"".join(self.strings)


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A DANE association. RFC 6698 §2.1."""

    usage: int
    selector: int
    matching: int
    data: bytes


Record = str | Mx | Txt | Tlsa  #: str: an address (A, AAAA) or a host name, lower case without final dot


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS said to one question; CNAMEs are already followed."""

    name: str  #: as asked, normalised
    rdtype: str
    records: tuple[Record, ...]
    status: Status
    ttl_s: int = 0  #: of the answer, or of the denial (RFC 2308 §5)
    authenticated: bool = False  #: the server says that DNSSEC proved it (AD bit); worth what the way to the server is

    @property
    def is_temporary(self) -> bool:
        return self.status.is_temporary

    def txt(self) -> tuple[bytes, ...]:
        """Each TXT record, its strings joined."""
        return tuple(r.joined for r in self.records if isinstance(r, Txt))

    def mx(self) -> tuple[Mx, ...]:
        """Mail exchangers, the preferred one first."""
        return tuple(sorted(r for r in self.records if isinstance(r, Mx)))

    def hosts(self) -> tuple[str, ...]:
        """Addresses of A and AAAA, names of PTR, CNAME and NS."""
        return tuple(r for r in self.records if isinstance(r, str))

    def tlsa(self) -> tuple[Tlsa, ...]:
        return tuple(r for r in self.records if isinstance(r, Tlsa))


class Resolver(Protocol):
    """Answers questions. Never raises for anything the network or a name does."""

    async def query(self, name: str, rdtype: str) -> Answer: ...


def normal_name(name: str) -> str | None:
    """The name in A-labels, lower case, no final dot; None when it cannot be one. RFC 1035 §2.3.4."""
    stripped = name[:-1] if name.endswith(".") else name
    if not stripped.isascii():
        stripped = _a_labels(stripped)
    lower = stripped.lower()
    if not lower or len(lower) > 253 or any(not 0 < len(label) < 64 for label in lower.split(".")):
        return None
    return lower


def _a_labels(name: str) -> str:
    """Punycode of an internationalised name, "" when it has none. RFC 5891."""
    import idna

    if len(name) > 253:
        return ""
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def impossible(name: str, rdtype: str) -> Answer:
    """The answer for a string that cannot be a name: it does not exist, and nobody need be asked."""
    return Answer(name[:253], rdtype, (), Status.NXDOMAIN, ttl_s=0)


def reverse_name(ip: str) -> str:
    """Where the PTR records of an address are. Raises ValueError. RFC 1035 §3.5, RFC 3596 §2.5."""
    return ip_address(ip).reverse_pointer


def failed(name: str, rdtype: str, status: Status) -> Answer:
    return Answer(name, rdtype, (), status)


def first_temporary(answers: Sequence[Answer]) -> Answer | None:
    """The first answer that could not be had, None when all are known."""
    return next((a for a in answers if a.is_temporary), None)
