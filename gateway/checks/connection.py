"""The host at the other end: what it calls itself, and what its network calls it. RFC 5321 §4.1.1.1."""

import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from gateway.content.hosts import ip_literal
from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

BARE_IP = Signal(
    "connection.helo-bare-ip",
    "The sending host greets with a bare address instead of its name: {detail}",
    "spam",
    "5321 §4.1.3",
)
UNQUALIFIED = Signal(
    "connection.helo-unqualified", "The sending host gives no full name: {detail}", "spam", "5321 §2.3.5"
)
MALFORMED = Signal(
    "connection.helo-malformed", "The sending host gives a name that cannot be one: {detail}", "spam", "5321 §4.1.2"
)
OURS = Signal("connection.helo-claimed", "The sending host claims a name that we protect: {detail}", "phish")
GENERIC = Signal("connection.generic-name", "The sending host's name is one that nobody chose: {detail}", "spam")

EMITS = frozenset({BARE_IP, UNQUALIFIED, MALFORMED, OURS, GENERIC})

_INTERNAL = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"))
) + tuple(map(ip_network, ("::1/128", "fc00::/7", "fe80::/10")))
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?\.?\Z")
_PRIVATE_ENDINGS = (".local", ".localdomain", ".lan", ".internal", ".home", ".intranet", ".corp")
_CHOSEN = re.compile(r"(?:^|[.\-])(?:mail|smtp|mx|mta|out|outbound|relay|mailer|post|email|send)[0-9]{0,4}(?:[.\-]|$)")
_POOLS = re.compile(
    r"(?:^|[.\-0-9])(?:dyn|dynamic|dynamicip|dhcp|pool|pools|dsl|adsl|vdsl|xdsl|cable|ppp|pppoe|dial|dialup|dial-up|"
    r"broadband|customer|cust|res|residential|client|user|cpe|hsd|fiber|ftth|wireless|mobile)[0-9]{0,4}(?:[.\-0-9]|$)"
)


@lru_cache(maxsize=4_096)
def is_internal(ip: IPv4Address | IPv6Address) -> bool:
    """A network of one's own, whose hosts need no public names."""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in _INTERNAL)


def look(facts: DataFacts) -> list[Evidence]:
    peer = facts.envelope.peer
    if peer.user or is_internal(peer.ip):
        return []
    return [*_greeting(facts), *_network_name(facts)]


def _greeting(facts: DataFacts) -> Iterator[Evidence]:
    helo = facts.envelope.peer.helo.strip()
    if not helo or (helo[0] == "[" and helo[-1] == "]"):
        return
    shown = "".join(c if c.isprintable() else "\ufffd" for c in helo)[:100]
    name = helo.rstrip(".").lower()
    if ip_literal(helo):
        yield Evidence(BARE_IP, shown)
    elif helo.isascii() and not _NAME.match(helo):
        yield Evidence(MALFORMED, shown)
    elif "." not in name or name.endswith(_PRIVATE_ENDINGS):
        yield Evidence(UNQUALIFIED, shown)
    elif _claims_ours(name, facts):
        yield Evidence(OURS, shown)


def _claims_ours(helo: str, facts: DataFacts) -> bool:
    """A name of ours or of a partner, which neither SPF, DNS nor a signature supports."""
    auth = facts.auth
    claimed = [d for d in (*facts.protected.own_domains, *facts.protected.domains) if same_organisation(helo, d)]
    if not claimed or auth.spf_helo.result in ("pass", "temperror") or auth.iprev.result == "temperror":
        return False
    if auth.iprev.result == "pass" and same_organisation(auth.iprev.name, helo):
        return False
    return not any(same_organisation(helo, d) for d in auth.authenticated_domains)


def _network_name(facts: DataFacts) -> Iterator[Evidence]:
    """A name made of the host's own address: a line or machine that nobody set up to send mail."""
    name = facts.auth.iprev.name.lower()
    if not name or _CHOSEN.search(name) or not _holds_address(name, facts.envelope.peer.ip):
        return
    yield Evidence(GENERIC, name[:120], 1.0 if _POOLS.search(name) else 0.5)


def _holds_address(name: str, ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return ip.exploded.replace(":", "")[:16] in re.sub(r"[^0-9a-f]", "", name)
        ip = ip.ipv4_mapped
    octets = [int(o) for o in str(ip).split(".")]
    numbers = [int(n) for n in re.findall(r"\d{1,3}", name)]
    runs = {tuple(numbers[i : i + 4]) for i in range(max(0, len(numbers) - 3))}
    if tuple(octets) in runs or tuple(reversed(octets)) in runs:
        return True
    return f"{int(ip):08x}" in name or "".join(f"{o:03d}" for o in octets) in name


CHECK: PureCheck[DataFacts] = PureCheck("connection", look, EMITS)
