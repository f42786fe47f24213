"""DMARC: does a domain that authenticated belong to the author's? RFC 9989.

"Could not tell" stays that: where the record, or an identifier that would align, was not to be had, the result is
``temperror``, and no mail fails for a server of the sender's that was down.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.dns.resolver import Resolver, Status, normal_name
from gateway.mailauth import psl
from gateway.mailauth.dmarc_walk import Found, Walk, walk
from gateway.mailauth.results import DkimResult, DmarcOutcome, DmarcResult, Policy, SpfResult
from gateway.mailauth.settings import AuthSettings
from store.message.model import Message

_LESS: dict[Policy, Policy] = {"reject": "quarantine", "quarantine": "none", "none": "none", "": ""}
_STRENGTH: tuple[Policy, ...] = ("", "none", "quarantine", "reject")


class NoAuthor(Exception):
    """From names no one domain; the message says why. RFC 9989 §5.3.1 leaves such mail to the receiver."""


@dataclass(slots=True)
class _Domains:
    """Organisational domains of this mail's identifiers, each walked to once."""

    author: Walk
    resolver: Resolver
    use_suffixes: bool
    walks: dict[str, Walk] = field(default_factory=dict)

    async def aligned(self, identifier: str, strict: bool) -> bool | None:
        """RFC 9989 §4.10.2; None when the DNS could not tell."""
        author = self.author.start
        if identifier == author:
            return True
        if strict or not identifier or identifier.rpartition(".")[2] != author.rpartition(".")[2]:
            return False
        if self.author.is_unknown and not self.author.has_record:
            return None
        organisation = await self.organisation(self.author)
        if identifier == organisation:
            return True
        if not identifier.endswith("." + organisation):
            return None if self.author.is_unknown else False
        other = self.walks.get(identifier) or await walk(identifier, self.resolver)
        self.walks[identifier] = other
        if await self.organisation(other) == organisation:
            return True
        return None if other.is_unknown or self.author.is_unknown else False

    async def organisation(self, walked: Walk) -> str:
        if self.use_suffixes and not walked.has_record:
            if psl.is_loaded():
                return psl.registered_domain(walked.start)
            return await asyncio.to_thread(psl.registered_domain, walked.start)
        return walked.organisational_domain


async def check_dmarc(
    message: Message,
    spf: SpfResult,
    dkim: Sequence[DkimResult],
    resolver: Resolver,
    settings: AuthSettings,
) -> DmarcResult:
    """Evaluate. ``spf`` is that of MAIL FROM, or of HELO for the null sender. Never raises for mail or DNS."""
    try:
        author = author_domain(message)
    except NoAuthor as error:
        return DmarcResult("permerror", reason=str(error))
    walked = await walk(author, resolver)
    domains = _Domains(walked, resolver, settings.suffix_fallback)
    found = walked.policy_record()
    is_own = found is not None and found.domain == author
    if walked.start_is_unknown or (walked.is_unknown and not is_own):  # RFC 9989 §5.3.6
        return DmarcResult(
            "temperror", from_domain=author, domain=author, reason="the policy record could not be looked up"
        )
    record = found.record if found else None
    by_spf = await _any_aligned(domains, [(spf.domain, spf.result)], record is not None and record.strict_spf)
    signed = [(one.domain, one.result) for one in dkim]
    by_dkim = await _any_aligned(domains, signed, record is not None and record.strict_dkim)
    aligned = DmarcResult(
        "none",
        from_domain=author,
        domain=await domains.organisation(walked),
        aligned_spf=by_spf == "pass",
        aligned_dkim=by_dkim == "pass",
    )
    if found is None:
        return replace(aligned, reason="the record asks for nothing") if walked.start_is_unusable else aligned
    return _judged(aligned, found, _outcome(by_spf, by_dkim), await _policy(found, walked, resolver))


def _judged(aligned: DmarcResult, found: Found, outcome: DmarcOutcome, policy: Policy) -> DmarcResult:
    """What the record wants done with a mail that ended so."""
    wanted = _LESS[policy] if found.record.testing else policy
    return replace(
        aligned,
        result=outcome,
        policy=policy,
        disposition=wanted if outcome == "fail" else "none",
        record_domain=found.domain,
        testing=found.record.testing,
        reason="an aligned identifier could not be checked" if outcome == "temperror" else "",
    )


def author_domain(message: Message) -> str:
    """The one domain in From. Raises NoAuthor."""
    fields = message.headers.all("From")
    if len(fields) != 1:
        raise NoAuthor("no From field" if not fields else f"{len(fields)} From fields")
    names = {address.email.rpartition("@")[2] for address in fields[0].addresses() if "@" in address.email}
    domains = {normal_name(name) for name in names}
    if not domains:
        raise NoAuthor("no address in From")
    if len(domains) > 1:
        raise NoAuthor("addresses of several domains in From")
    domain = domains.pop()
    if domain is None or domain.startswith("["):
        raise NoAuthor("no domain name in From")
    return domain


async def _any_aligned(domains: _Domains, identifiers: Sequence[tuple[str, str]], strict: bool) -> DmarcOutcome:
    """``pass``, ``temperror`` when one that would align is unknown, else ``fail``."""
    unknown = False
    seen: set[tuple[str, str]] = set()
    for domain, result in sorted(identifiers, key=lambda one: one[1] != "pass"):
        if result not in ("pass", "temperror") or (domain, result) in seen:
            continue
        seen.add((domain, result))
        aligned = await domains.aligned(domain, strict)
        if aligned and result == "pass":
            return "pass"
        unknown = unknown or aligned is None or (aligned and result == "temperror")
    return "temperror" if unknown else "fail"


def _outcome(by_spf: DmarcOutcome, by_dkim: DmarcOutcome) -> DmarcOutcome:
    if "pass" in (by_spf, by_dkim):
        return "pass"
    return "temperror" if "temperror" in (by_spf, by_dkim) else "fail"


async def _policy(found: Found, walked: Walk, resolver: Resolver) -> Policy:
    """p at the record's own domain, sp below it, np below it where nothing exists. RFC 9989 §4.10.1."""
    record = found.record
    if found.domain == walked.start:
        return record.p
    if record.np == record.sp or walked.start_exists:
        return record.sp
    answer = await resolver.query(walked.start, "A")  # NXDOMAIN alone says that it does not exist (RFC 9989 A.4)
    if answer.is_temporary:
        return min(record.np, record.sp, key=_STRENGTH.index)
    return record.np if answer.status is Status.NXDOMAIN else record.sp
