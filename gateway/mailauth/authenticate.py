"""Everything that can be known about who sent a mail, found out at once and in bounded time.

A part that breaks or takes too long becomes ``temperror`` with a note. Nothing is raised but cancellation.
"""

import asyncio
from collections.abc import Awaitable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TypeVar

import structlog

from gateway.dns.budget import Budget
from gateway.dns.resolver import Resolver
from gateway.envelope import Envelope
from gateway.mailauth import dmarc_record
from gateway.mailauth.arc import ARC_FIELDS, check_arc
from gateway.mailauth.dkim import check_dkim
from gateway.mailauth.dmarc import check_dmarc
from gateway.mailauth.iprev import check_iprev
from gateway.mailauth.psl import load_suffixes
from gateway.mailauth.results import ArcResult, AuthResults, DkimResult, DmarcResult, IprevResult, SpfResult
from gateway.mailauth.settings import AuthSettings
from gateway.mailauth.spf import SpfIdentity, check_spf, load_pyspf
from store.message.model import Message

log = structlog.get_logger()
T = TypeVar("T")

_SIGNED = "dkim-signature"

_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))


class _Watch:
    """Runs parts within their times and keeps notes of those that did not end well."""

    def __init__(self, mail_id: str) -> None:
        self._mail_id = mail_id
        self.notes: list[str] = []

    async def bounded(self, name: str, work: Awaitable[T], limit_s: float, otherwise: T) -> T:
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except TimeoutError:
            self.notes.append(f"{name}: took longer than {limit_s:g} s")
            log.warning("auth.timeout", part=name, limit_s=limit_s, id=self._mail_id)
        except Exception as error:  # boundary: whatever breaks in here, the mail is judged without it
            self.notes.append(f"{name}: {type(error).__name__}")
            log.error("auth.failed", part=name, error=repr(error), id=self._mail_id, exc_info=error)
        return otherwise


async def authenticate(envelope: Envelope, message: Message, resolver: Resolver, settings: AuthSettings) -> AuthResults:
    """SPF, DKIM, ARC and iprev beside one another, then DMARC over what they found."""
    asked = Budget(resolver, settings.max_queries, settings.deadline_s)
    watch = _Watch(envelope.id)
    peer, has = envelope.peer, message.headers.names
    async with asyncio.TaskGroup() as group:  # a task only for what there is: most mail lacks some of them
        is_inside = _is_local(peer.ip)
        spf = group.create_task(_check_spf(envelope, asked, settings, watch)) if not (is_inside or peer.user) else None
        dkim = group.create_task(_check_dkim(envelope, message, asked, settings, watch)) if _SIGNED in has else None
        arc = group.create_task(_check_arc(envelope, message, asked, settings, watch)) if has & ARC_FIELDS else None
        iprev = group.create_task(_check_iprev(peer.ip, asked, settings, watch)) if not is_inside else None
    spf_helo, spf_mailfrom = spf.result() if spf else (SpfResult(scope="helo"), SpfResult(scope="mfrom"))
    signatures = dkim.result() if dkim else ()
    dmarc = await watch.bounded(
        "dmarc",
        check_dmarc(message, spf_mailfrom, signatures, asked, settings),
        settings.dmarc_s,
        DmarcResult("temperror", reason="could not be evaluated"),
    )
    return AuthResults(
        spf_helo,
        spf_mailfrom,
        signatures,
        arc.result() if arc else ArcResult(),
        dmarc,
        iprev.result() if iprev else IprevResult(),
        notes=tuple(watch.notes),
    )


async def warm_up() -> None:
    """Import and load what the first mail would otherwise wait for: about two seconds in a thread."""
    for load in (load_pyspf, load_suffixes, dmarc_record.warm_up):
        await asyncio.to_thread(load)


async def _check_spf(
    envelope: Envelope, resolver: Resolver, settings: AuthSettings, watch: _Watch
) -> tuple[SpfResult, SpfResult]:
    """HELO and MAIL FROM (RFC 7208 §2.3, §2.4); not asked for mail from inside or of a user who has logged in."""
    peer = envelope.peer
    helo = SpfIdentity(peer.ip, peer.helo, "", "helo")
    sender = SpfIdentity(peer.ip, peer.helo, envelope.mail_from or "", "mfrom")
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                watch.bounded(
                    f"spf {one.scope}",
                    check_spf(one, resolver, settings.authserv_id),
                    settings.spf_s,
                    SpfResult("temperror", one.domain, one.scope, "could not be evaluated"),
                )
            )
            for one in (helo, sender)
        ]
    return tasks[0].result(), tasks[1].result()


async def _check_dkim(
    envelope: Envelope, message: Message, resolver: Resolver, settings: AuthSettings, watch: _Watch
) -> tuple[DkimResult, ...]:
    otherwise = tuple(
        DkimResult("temperror", reason="could not be verified")
        for _ in message.headers.all("DKIM-Signature")[: settings.max_signatures]
    )
    work = check_dkim(message, resolver, envelope.received_at, settings)
    return await watch.bounded("dkim", work, settings.dkim_s, otherwise)


async def _check_arc(
    envelope: Envelope, message: Message, resolver: Resolver, settings: AuthSettings, watch: _Watch
) -> ArcResult:
    work = check_arc(message, resolver, settings, envelope.received_at)
    return await watch.bounded("arc", work, settings.arc_s, ArcResult("temperror"))


async def _check_iprev(
    ip: IPv4Address | IPv6Address, resolver: Resolver, settings: AuthSettings, watch: _Watch
) -> IprevResult:
    return await watch.bounded(
        "iprev", check_iprev(ip, resolver), settings.iprev_s, IprevResult("temperror", reason="took too long")
    )


@lru_cache(maxsize=4_096)
def _is_local(ip: IPv4Address | IPv6Address) -> bool:
    """Loopback, link-local and private networks, whose names and SPF records the DNS does not hold.

    The documentation networks of RFC 5737 and RFC 3849 count as public: examples and demos live there.
    """
    plain = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
    return (
        plain.is_loopback
        or plain.is_link_local
        or any(plain in net for net in _PRIVATE if net.version == plain.version)
    )
