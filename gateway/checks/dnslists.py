"""What DNS lists say about the client, the domains of the mail and its signers. Off unless lists are configured."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from gateway.content.psl import registrable
from gateway.dnslists.asking import UNREACHABLE, DnsLists, Listing, Subject
from gateway.dnslists.definition import REFUSED
from gateway.mailauth.results import passing_domains
from gateway.pipeline.evidence import Check, Evidence, Signal
from gateway.pipeline.facts import DataFacts

SIGNALS = {
    "client-spam": Signal("dnslist.client-spam", "The sending host is listed as a source of spam: {detail}", "spam"),
    "client-compromised": Signal(
        "dnslist.client-compromised", "The sending host is listed as taken over by malware: {detail}", "spam"
    ),
    "client-hijacked": Signal(
        "dnslist.client-hijacked", "The sending host's network is listed as run by criminals: {detail}", "spam"
    ),
    "client-dynamic": Signal(
        "dnslist.client-dynamic", "The sending host is listed as one that should not send mail itself: {detail}", "spam"
    ),
    "client-trusted": Signal("dnslist.client-trusted", "The sending host is listed as a good sender: {detail}"),
    "domain-spam": Signal("dnslist.domain-spam", "A domain of the mail is listed for spam: {detail}", "spam"),
    "domain-phish": Signal("dnslist.domain-phish", "A domain of the mail is listed for phishing: {detail}", "phish"),
    "domain-malware": Signal(
        "dnslist.domain-malware", "A domain of the mail is listed for malware: {detail}", "malware"
    ),
    "domain-abused": Signal(
        "dnslist.domain-abused", "A domain of the mail is listed as abused by strangers: {detail}", "spam"
    ),
    "domain-abused-phish": Signal(
        "dnslist.domain-abused-phish", "A domain of the mail is listed as abused for phishing: {detail}", "phish"
    ),
    "domain-new": Signal("dnslist.domain-new", "A domain of the mail was first seen today: {detail}", "spam"),
    "domain-grey": Signal(
        "dnslist.domain-grey", "A domain of the mail is listed for unasked bulk mail: {detail}", "spam"
    ),
    "signed-trusted": Signal("dnslist.signed-trusted", "The mail is signed by a domain listed as good: {detail}"),
    REFUSED: Signal("dnslist.refused", "A list refuses to answer us: {detail}"),
    UNREACHABLE: Signal("dnslist.unreachable", "A list could not be asked: {detail}"),
}

EMITS = frozenset(SIGNALS.values())

_INSIDE = tuple(  # networks of nobody in particular, which no list can know
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)
_DOMAINS = 12  #: of links that are asked about, the first ones
_MOST = 1.5  #: strength when several lists agree


def check(lists: DnsLists) -> Check[DataFacts]:
    """The check for some lists. Its budget is longer than theirs, so that a slow one is evidence, not a time-out."""

    async def ask(facts: DataFacts) -> list[Evidence]:
        return evidence_of(await lists.ask(subjects_of(facts)))

    return Check("dnslists", ask, EMITS, lists.settings.seconds_per_mail + 1.0)


def subjects_of(facts: DataFacts) -> list[Subject]:
    """What lists are asked about one mail: nothing of mail from our own people or networks nobody can list."""
    found: dict[tuple[str, str], Subject] = {}
    peer = facts.envelope.peer
    if not peer.user and not any(peer.ip in network for network in _INSIDE):
        found["client", str(peer.ip)] = Subject("client", str(peer.ip), "client")
    own = set(facts.protected.own_domains)
    for name, where in _domains(facts):
        domain = registrable(name)
        if domain and domain not in own:
            found.setdefault(("domains", domain), Subject("domains", domain, where))
    for name in passing_domains(facts.auth.dkim)[:3]:
        found.setdefault(("signed", name), Subject("signed", name, "signature"))
    return list(found.values())


def _domains(facts: DataFacts) -> Iterable[tuple[str, str]]:
    content, envelope = facts.content, facts.envelope
    yield content.from_domain, "From"
    yield (envelope.mail_from or "").rpartition("@")[2].lower(), "sender"
    for address in content.reply_to[:1]:
        yield address.email.rpartition("@")[2].lower(), "Reply-To"
    if not _is_address(envelope.peer.helo):
        yield envelope.peer.helo.lower(), "HELO"
    hosts = dict.fromkeys(url.host for url in content.urls if url.domain and url.source != "img")
    images = dict.fromkeys(url.host for url in content.urls if url.domain and url.source == "img")
    for host in [*hosts, *images][:_DOMAINS]:
        yield host, "link"


def _is_address(helo: str) -> bool:
    try:
        ip_address(helo.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True


def evidence_of(listings: Iterable[Listing]) -> list[Evidence]:
    """One evidence a meaning, naming who and what; several lists that agree weigh more, but not much more."""
    by_meaning: dict[str, list[Listing]] = {}
    for listing in listings:
        by_meaning.setdefault(listing.meaning, []).append(listing)
    found: list[Evidence] = []
    for meaning, those in by_meaning.items():
        lists = dict.fromkeys(each.list_name for each in those)
        subject = those[0].subject
        of = f"{subject.text} ({subject.where}) by " if meaning not in (REFUSED, UNREACHABLE) else ""
        strength = min(_MOST, 1.0 + 0.25 * (len(lists) - 1)) if of else 1.0
        found.append(Evidence(SIGNALS[meaning], f"{of}{', '.join(lists)}"[:200], strength))
    return found
