"""What authentication found out about one mail. Plain data: it is stored, shown and read by checks.

Results are spelled as in RFC 8601 §2.7. ``temperror`` means "could not tell" and is never a ``fail``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SpfOutcome = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
DkimOutcome = Literal["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]
ArcOutcome = Literal["none", "pass", "fail", "temperror", "permerror"]
DmarcOutcome = Literal["none", "pass", "fail", "temperror", "permerror"]
IprevOutcome = Literal["none", "pass", "fail", "temperror", "permerror"]
Policy = Literal["", "none", "quarantine", "reject"]
Scope = Literal["helo", "mfrom"]


@dataclass(frozen=True, slots=True)
class SpfResult:
    """May this host send for this domain? RFC 7208 §2.6."""

    result: SpfOutcome = "none"
    domain: str = ""  #: that was asked, "" when there was none to ask
    scope: Scope = "mfrom"
    explanation: str = ""  #: the domain's own words on a fail, or what went wrong; at most 200 characters
    mechanism: str = ""  #: that decided, such as "ip4:192.0.2.0/24"; "" for the default


@dataclass(frozen=True, slots=True)
class DkimResult:
    """One signature. RFC 6376 §3.9, RFC 8601 §2.7.1."""

    result: DkimOutcome
    domain: str = ""  #: d=, in A-labels
    selector: str = ""
    algorithm: str = ""  #: a=, such as "rsa-sha256"
    key_bits: int = 0
    identity: str = ""  #: i=, as written
    weakness: str = ""  #: "length", "sha1", "short-key", "expired", "future", "weak-key" or ""
    reason: str = ""  #: for people, at most 200 characters
    testing: bool = False  #: the key says t=y: the domain is only trying (RFC 6376 §3.6.1)
    signature_start: str = ""  #: first characters of b=, which tell signatures apart (RFC 6008)


def passing_domains(results: Sequence[DkimResult]) -> tuple[str, ...]:
    """Domains with a passing signature, each once, in the order of the mail."""
    return tuple(dict.fromkeys(r.domain for r in results if r.result == "pass" and r.domain))


@dataclass(frozen=True, slots=True)
class ArcResult:
    """The chain of forwarders that vouch for what they saw. RFC 8617."""

    result: ArcOutcome = "none"
    length: int = 0  #: sets in the chain
    sealers: tuple[str, ...] = ()  #: d= of each seal, the first forwarder's first
    trusted: bool = False  #: the chain passes, and those we trust at its end found the author authentic
    oldest_results: str = ""  #: the first set's ARC-Authentication-Results, at most 1,000 characters
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """Does an authenticated domain match the author's? RFC 9989."""

    result: DmarcOutcome = "none"
    policy: Policy = ""  #: that the record asks for this author's domain, before t= and before the result
    disposition: Policy = ""  #: what the record wants done with this mail; "none" on a pass
    from_domain: str = ""  #: the author's
    domain: str = ""  #: organisational domain of the author's
    record_domain: str = ""  #: where the record was found
    aligned_spf: bool = False
    aligned_dkim: bool = False
    testing: bool = False  #: the record says t=y (or pct=0): apply one level less
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IprevResult:
    """Does the client's address have a name that leads back to it? RFC 8601 §2.7.3."""

    result: IprevOutcome = "none"
    name: str = ""  #: the name that leads back, or the first one that did not
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuthResults:
    """All of it, for one mail."""

    spf_helo: SpfResult = SpfResult(scope="helo")
    spf_mailfrom: SpfResult = SpfResult(scope="mfrom")
    dkim: tuple[DkimResult, ...] = ()
    arc: ArcResult = ArcResult()
    dmarc: DmarcResult = DmarcResult()
    iprev: IprevResult = IprevResult()
    notes: tuple[str, ...] = ()  #: what broke or took too long while this was found out

    @property
    def authenticated_domains(self) -> frozenset[str]:
        """Domains that vouch for this mail by a passing DKIM signature or MAIL FROM."""
        signed = set(passing_domains(self.dkim))
        sent = {self.spf_mailfrom.domain} if self.spf_mailfrom.result == "pass" else set()
        return frozenset(signed | sent)
