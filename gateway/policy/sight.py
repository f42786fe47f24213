"""A mail as rules see it: plain values, so that a test can tell one without writing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from gateway.pipeline.evidence import Evidence
from gateway.pipeline.facts import DataFacts
from gateway.policy.language import language_of
from gateway.reputation.history import author, is_authentic

NOWHERE = ip_address("192.0.2.1")
MOST = 200  #: attachments, hosts, and fields of one name that are looked at


@dataclass(frozen=True, slots=True)
class Asked:
    """What the rules want to know beyond what costs nothing."""

    headers: frozenset[str] = frozenset()  #: names in lower case
    language: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """One mail. What differs between its recipients is not in here."""

    author: str = ""  #: address of the first author, lower case, domain in A-labels; "" for none
    ip: IPv4Address | IPv6Address = NOWHERE
    helo: str = ""
    subject: str = ""
    attachments: tuple[str, ...] = ()
    url_hosts: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  #: (name in lower case, text)
    signals: frozenset[str] = frozenset()
    size: int = 0
    is_authentic: bool = False  #: the author proves who it is
    is_first_contact: bool = False
    language: str = ""

    @property
    def author_domain(self) -> str:
        return self.author.rpartition("@")[2]


def sight_of(facts: DataFacts, evidence: Sequence[Evidence], asked: Asked) -> Sight:
    """A judged mail as rules see it. Bounded."""
    content, envelope = facts.content, facts.envelope
    name = author(content)
    named = [file for each in content.attachments[:MOST] for file in (each.filename, *each.members[:MOST])]
    fields = [(header, field) for header in sorted(asked.headers) for field in facts.message.headers.all(header)[:MOST]]
    return Sight(
        author=name,
        ip=plain_ip(envelope.peer.ip),
        helo=envelope.peer.helo,
        subject=facts.view.subject,
        attachments=tuple(named[:MOST]),
        url_hosts=tuple(dict.fromkeys(url.host for url in content.urls[: MOST * 5]))[:MOST],
        headers=tuple((header, field.text()) for header, field in fields),
        signals=frozenset(item.signal.name for item in evidence),
        size=len(facts.message.octets),
        # One author only: of several, in one field or more, a reader may be shown another than the one who is proven.
        is_authentic=len(content.from_) == 1 and is_authentic(name, envelope, facts.auth),
        is_first_contact=facts.history.is_first_contact,
        language=language_of(facts.view.text) if asked.language else "",
    )


def plain_ip(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address as such, also where a socket for both shows it as "::ffff:192.0.2.1"."""
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
