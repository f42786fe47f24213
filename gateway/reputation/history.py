"""What earlier mail says about a sender, and writing down what this one adds.

Three kinds of rows under ``keys.REPUTATION``, each one counter: ``a`` by the author's address, ``d`` by the author's
domain, both only when authentication ties the mail to them (else anybody could spoil or borrow a name), and ``n`` by
the client's network (/24 or /56). A counter's key ends in what it counts.
"""

from ipaddress import IPv4Address, IPv6Address, ip_network

from gateway.content.facts import ContentFacts
from gateway.content.freemail import is_freemail
from gateway.content.hosts import to_ascii
from gateway.content.psl import registrable, same_organisation
from gateway.envelope import Envelope
from gateway.mailauth.results import AuthResults
from gateway.reputation.campaign import fingerprint, is_trap_campaign, remember_trap
from gateway.reputation.facts import SenderHistory
from models.view import MailView
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import counter
from store.policy import entries
from store.schema import keys

_ADDRESS, _DOMAIN, _NETWORK = b"a", b"d", b"n"
_HAM, _SPAM, _TRAP = b"\x00h", b"\x00s", b"\x00t"
_LONGEST = 254  #: octets of a name in a key (RFC 5321 §4.5.3.1.3)


async def sender_history(
    store: Store, envelope: Envelope, content: ContentFacts, auth: AuthResults, view: MailView | None = None
) -> SenderHistory:
    """Counts, lists and campaigns for this sender. Raises StoreUnavailable."""
    address = author(content)
    proven = is_authentic(address, envelope, auth)
    campaign = fingerprint(view) if view is not None else None
    now_ms = int(envelope.received_at.timestamp() * 1000)
    return await store.read(lambda seen: _read(seen, envelope, address, proven, campaign, now_ms))


def author(content: ContentFacts) -> str:
    """The first author's address, lower case, domain in A-labels; "" when there is none."""
    if not content.from_:
        return ""
    local, at, domain = content.from_[0].email.rpartition("@")
    return f"{local}@{to_ascii(domain)}".lower()[:_LONGEST] if at and local and domain else ""


def is_authentic(address: str, envelope: Envelope, auth: AuthResults) -> bool:
    """DMARC passes, or a passing SPF or DKIM domain is aligned with the author's, or the author signed in here."""
    domain = address.rpartition("@")[2]
    if not domain:
        return False
    if auth.dmarc.result == "pass" or envelope.peer.user.lower() == address:
        return True
    return any(same_organisation(domain, proof) for proof in auth.authenticated_domains)


def _read(
    view: StoreView, envelope: Envelope, address: str, proven: bool, campaign: bytes | None, now_ms: int
) -> SenderHistory:
    def count(kind: bytes, name: bytes, what: bytes) -> int:
        return counter(view.kv.get(_key(kind, name, what)))

    ham = spam = trap = 0
    if proven:
        name = _name(address)
        ham, spam, trap = (count(_ADDRESS, name, what) for what in (_HAM, _SPAM, _TRAP))
        if not ham and not spam and (domain := _author_domain(address)):
            # A new colleague of a known correspondent is not a stranger, but counts for less.
            ham, spam = count(_DOMAIN, domain, _HAM) // 4, count(_DOMAIN, domain, _SPAM) // 4
    network = network_of(envelope.peer.ip)
    trap = max(trap, count(_NETWORK, network, _TRAP)) if network else trap
    senders = [a for a in dict.fromkeys((address, (envelope.mail_from or "").lower())) if "@" in a]
    return SenderHistory(
        seen=ham + spam,
        ham=ham,
        spam=spam,
        is_blocked=any(entries.matching(view, "block", a, now_ms) for a in senders),
        is_allowed=proven and entries.matching(view, "allow", address, now_ms) is not None,
        trap_hits=trap,
        trap_campaign=campaign is not None and is_trap_campaign(view, campaign, now_ms),
    )


def record(
    txn: StoreTxn,
    envelope: Envelope,
    content: ContentFacts,
    auth: AuthResults,
    view: MailView,
    *,
    is_unwanted: bool,
    is_trap: bool,
) -> None:
    """Count a judged mail, in the transaction that delivers it: at most four rows.

    ``is_trap`` also remembers what was written, so that the same text is known when it comes for somebody else.
    """
    address = author(content)
    what = _SPAM if is_unwanted or is_trap else _HAM
    if is_authentic(address, envelope, auth):
        txn.kv.add(_key(_ADDRESS, _name(address), what), 1)
        if domain := _author_domain(address):
            txn.kv.add(_key(_DOMAIN, domain, what), 1)
        if is_trap:
            txn.kv.add(_key(_ADDRESS, _name(address), _TRAP), 1)
    if not is_trap:
        return
    if network := network_of(envelope.peer.ip):
        txn.kv.add(_key(_NETWORK, network, _TRAP), 1)
    campaign = fingerprint(view)
    if campaign is not None:
        remember_trap(txn, campaign, int(envelope.received_at.timestamp() * 1000))


def network_of(ip: IPv4Address | IPv6Address) -> bytes:
    """The /24 or /56 a host lies in, which is what a sender of spam rents; empty for addresses that are not global."""
    if ip.is_loopback or ip.is_link_local or ip.is_unspecified:
        return b""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip_network((ip, 24 if ip.version == 4 else 56), strict=False).network_address.packed


def _author_domain(address: str) -> bytes:
    """The author's registrable domain; empty for free mailboxes, whose users have nothing in common."""
    domain = address.rpartition("@")[2]
    return b"" if is_freemail(domain) else _name(registrable(domain) or domain)


def _name(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:_LONGEST].replace(b"\x00", b"?")


def _key(kind: bytes, name: bytes, what: bytes) -> bytes:
    return keys.REPUTATION + kind + name + what
