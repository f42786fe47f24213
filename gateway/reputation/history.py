"""What earlier mail says about a sender, and writing down what this one adds.

Standing is kept by the author's address and domain, both only when authentication ties the mail to them (else anybody
could spoil or borrow a name); by the client's network (/24 or /56); and by the domain that signs, when it is not the
author's own. A delivery reads as many rows, and moves them in its own transaction.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from gateway.content.facts import ContentFacts
from gateway.content.freemail import is_freemail
from gateway.content.hosts import to_ascii
from gateway.content.psl import registrable, same_organisation
from gateway.envelope import Envelope
from gateway.mailauth.results import AuthResults, passing_domains
from gateway.reputation import bombing, nearness, relations, standing
from gateway.reputation.campaign import fingerprint_of, is_trap_campaign, remember_trap, stable_text
from gateway.reputation.facts import SenderHistory
from gateway.reputation.standing import NOTHING, Of, name_of
from models.view import MailView
from store.changes.engine import Store, StoreTxn, StoreView
from store.message.model import Message
from store.policy import entries
from store.policy.entries import PolicyEntry

_LONGEST = 254  #: octets of an author's address (RFC 5321 §4.5.3.1.3)
_SHARED = 0.25  #: what a mail of a colleague counts


async def sender_history(
    store: Store,
    envelope: Envelope,
    content: ContentFacts,
    auth: AuthResults,
    view: MailView | None = None,
    message: Message | None = None,
) -> SenderHistory:
    """Counts, lists, campaigns and answers for this sender. Raises StoreUnavailable."""
    who = names_of(author(content), envelope, auth)
    automatic = message is not None and view is not None and bombing.is_by_program(message, view)
    texts = _texts(view, is_automatic=automatic) if view is not None else Texts()
    return await store.read(lambda seen: _read(seen, envelope, who, texts, message))


@dataclass(frozen=True, slots=True)
class Texts:
    """By what a mail's text is known again."""

    exact: bytes | None = None
    near: tuple[bytes, ...] = ()
    is_automatic: bool = False


def _texts(view: MailView, *, is_automatic: bool = False) -> Texts:
    stable = stable_text(view)
    return Texts(fingerprint_of(stable), nearness.bands(stable), is_automatic)


def author(content: ContentFacts) -> str:
    """The first author's address, lower case, domain in A-labels; "" when there is none."""
    if not content.from_:
        return ""
    return normal(content.from_[0].email)


def normal(email: str) -> str:
    """An address as its standing is kept under; "" for what is none."""
    local, at, domain = email.rpartition("@")
    return f"{local}@{to_ascii(domain)}".lower()[:_LONGEST] if at and local and domain else ""


def is_authentic(address: str, envelope: Envelope, auth: AuthResults) -> bool:
    """DMARC passes, or a passing SPF or DKIM domain is aligned with the author's, or the author signed in here."""
    domain = address.rpartition("@")[2]
    if not domain:
        return False
    if auth.dmarc.result == "pass" or envelope.peer.user.lower() == address:
        return True
    return any(same_organisation(domain, proof) for proof in auth.authenticated_domains)


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a mail is remembered; empty where nothing proves the name."""

    author: str  #: as written, proven or not
    is_proven: bool
    address: bytes = b""
    domain: bytes = b""
    signer: bytes = b""  #: who signs, when that is not the author's own domain
    network: bytes = b""

    def each(self) -> Iterator[tuple[Of, bytes]]:
        named = ((Of.ADDRESS, self.address), (Of.DOMAIN, self.domain), (Of.SIGNER, self.signer))
        yield from ((of, name) for of, name in (*named, (Of.NETWORK, self.network)) if name)


def names_of(address: str, envelope: Envelope, auth: AuthResults) -> Names:
    """Whose mail this is, as far as it is proven."""
    proven = is_authentic(address, envelope, auth)
    domain = _author_domain(address) if proven else b""
    signers = (name_of(registrable(each) or each) for each in passing_domains(auth.dkim))
    return Names(
        address,
        proven,
        name_of(address) if proven else b"",
        domain,
        next((each for each in signers if each != domain), b""),
        network_of(envelope.peer.ip),
    )


def _read(view: StoreView, envelope: Envelope, who: Names, texts: Texts, message: Message | None) -> SenderHistory:
    now_ms = int(envelope.received_at.timestamp() * 1000)
    found = {of: standing.get(view, of, name, now_ms) for of, name in who.each()}
    address = found.get(Of.ADDRESS, NOTHING)
    network, signer = found.get(Of.NETWORK, NOTHING), found.get(Of.SIGNER, NOTHING)
    # A new colleague of a known correspondent is not a stranger, but counts for less.
    share = 1.0 if address.seen else _SHARED
    nearest = address if address.seen else found.get(Of.DOMAIN, NOTHING)
    ham, spam = round(nearest.ham * share), round(nearest.spam * share)
    listed = _entries(view, envelope, who, now_ms)
    answer = relations.answer(view, message, who.author, envelope, now_ms) if message is not None else ""
    return SenderHistory(
        seen=max(ham + spam, math.ceil(address.seen)),
        ham=ham,
        spam=spam,
        is_blocked=any(entry.kind == "block" and not entry.scope for entry in listed),
        is_allowed=any(entry.kind == "allow" and not entry.scope for entry in listed),
        entries=listed,
        trap_hits=max(address.trap, network.trap),
        trap_campaign=texts.exact is not None and is_trap_campaign(view, texts.exact, now_ms),
        near_trap=nearness.is_near_trap(view, texts.near, now_ms),
        strangers=0 if who.is_proven else nearness.strangers(view, texts.near, now_ms),
        flood=bombing.flood(view, envelope, now_ms) if texts.is_automatic else 0,
        confirmed_ham=nearest.good * share,
        confirmed_spam=nearest.bad * share,
        network_ham=network.ham,
        network_spam=network.spam,
        signer_ham=signer.ham,
        signer_spam=signer.spam,
        is_automatic=texts.is_automatic,
        near=texts.near,
        is_reply=answer == "expected" and who.is_proven,
        is_foreign_reply=answer == "other",
    )


def _entries(view: StoreView, envelope: Envelope, who: Names, now_ms: int) -> tuple[PolicyEntry, ...]:
    """Block and allow entries that count for this mail. Anybody can write an author's address, so an allow entry
    wants proof of it, or a client that the entry itself trusts."""
    senders = [a for a in dict.fromkeys((who.author, (envelope.mail_from or "").lower())) if "@" in a]
    found = [entry for sender in senders for entry in entries.about(view, "block", sender, now_ms)]
    if who.author:
        allowed = entries.about(view, "allow", who.author, now_ms)
        found += [entry for entry in allowed if who.is_proven or _is_within(envelope.peer.ip, entry.networks)]
    to = [recipient.address for recipient in envelope.rcpt_to if not recipient.is_trap]
    return tuple(dict.fromkeys(e for e in found if not e.scope or any(e.concerns(name) for name in to)))


def _is_within(ip: IPv4Address | IPv6Address, networks: tuple[str, ...]) -> bool:
    plain = (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
    return any(plain in ip_network(network) for network in networks)


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
    now_ms = int(envelope.received_at.timestamp() * 1000)
    for of, name in names_of(author(content), envelope, auth).each():
        if is_trap:
            standing.add(txn, of, name, now_ms, spam=1.0, trap=1.0)
        else:
            standing.add(txn, of, name, now_ms, **{"spam" if is_unwanted else "ham": 1.0})
    if not is_trap:
        return
    texts = _texts(view)
    if texts.exact is not None:
        remember_trap(txn, texts.exact, now_ms)
    nearness.remember_trap(txn, texts.near, now_ms)


def record_stranger(
    txn: StoreTxn,
    envelope: Envelope,
    content: ContentFacts,
    auth: AuthResults,
    near: tuple[bytes, ...],
    *,
    is_automatic: bool,
) -> None:
    """Remember what an unknown sender wrote, in the transaction that keeps it: two rows, and one a recipient for what
    programs send. Correspondents' mail is not remembered. ``near`` is ``SenderHistory.near``: it was computed once."""
    now_ms = int(envelope.received_at.timestamp() * 1000)
    who = names_of(author(content), envelope, auth)
    if not who.is_proven and (domain := who.author.rpartition("@")[2]):
        nearness.remember_stranger(txn, near, registrable(domain) or domain, now_ms)
    if is_automatic:
        bombing.count(txn, envelope, now_ms)


def confirm(txn: StoreTxn, who: Names, now_ms: int, *, is_spam: bool, before: bool | None) -> None:
    """Count what a person said about a mail: at most four rows. ``before`` is what was said about it earlier."""
    if before is is_spam:
        return
    more = {"bad" if is_spam else "good": 1.0}
    if before is not None:
        more["good" if is_spam else "bad"] = -1.0
    for of, name in who.each():
        standing.add(txn, of, name, now_ms, **more)


def retract(txn: StoreTxn, who: Names, now_ms: int, *, is_spam: bool) -> None:
    """Take back what a person said about a mail of this sender: at most four rows."""
    for of, name in who.each():
        standing.add(txn, of, name, now_ms, **{"bad" if is_spam else "good": -1.0})


@lru_cache(maxsize=4_096)
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
    return b"" if is_freemail(domain) else name_of(registrable(domain) or domain)
