"""What SMTP said about a mail: who sent it here, from whom, for whom. RFC 5321."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import NewType

#: "01jd3k8s7qx7m2wz": in every reply, header, log line, row and URL about one mail; sorts by time
ReceptionId = NewType("ReceptionId", str)


@dataclass(frozen=True, slots=True)
class Peer:
    """The host at the other end of the connection."""

    ip: IPv4Address | IPv6Address
    port: int
    helo: str  #: as given in EHLO or HELO, "" before it
    tls: str = ""  #: "TLSv1.3", or "" for plaintext
    user: str = ""  #: the authenticated login, "" for none


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """The host that a relayed domain's mail is handed to."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted RCPT. Exactly one of the ways to deliver holds."""

    address: str  #: as accepted, domain lower-cased
    account: int | None = None  #: local account id
    relay: RelayTarget | None = None
    is_trap: bool = False  #: a spam trap: learned from, never delivered
    trap: str = ""  #: by which name it is one: an address, a pattern, or "@domain"
    members: tuple["Recipient", ...] = ()  #: an alias or a group: who gets the mail, each once
    is_restricted: bool = False  #: reached through a group that asks who the sender is
    is_outside: bool = False  #: goes through the way out (``outbound.relay``), not to a domain that we relay for
    return_path: str = ""  #: of a report's recipient whose domain signs return paths: "signed", "unsigned" or "strict"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One SMTP transaction."""

    id: ReceptionId
    peer: Peer
    mail_from: str | None  #: None is the null sender <>
    rcpt_to: tuple[Recipient, ...]
    received_at: datetime  #: UTC
    smtputf8: bool = False


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u


def reception_id(now: datetime, chance: int) -> ReceptionId:
    """Sixteen characters: 45 bits of time in milliseconds, 35 bits of chance. Sorts by time."""
    number = (int(now.timestamp() * 1000) & (1 << 45) - 1) << 35 | chance & (1 << 35) - 1
    return ReceptionId("".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5)))
