"""The authentication table: what SPF, DKIM, DMARC, ARC and the address look-up said, one line each, in words."""

from dataclasses import dataclass

import msgspec

from gateway.mailauth.results import AuthResults, DkimResult, DmarcResult, SpfResult


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    method: str
    result: str
    said: str  #: what it is about and why, in words
    rfc: str


def findings(recorded: bytes) -> tuple[Finding, ...]:
    """The lines for a trace row's results; none when nothing readable was recorded."""
    try:
        found = msgspec.json.decode(recorded, type=AuthResults) if recorded else None
    except msgspec.MsgspecError:
        return ()
    if found is None:
        return ()
    dkim = [Finding("DKIM", d.result, _dkim(d), "RFC 6376") for d in found.dkim]
    helo = found.spf_helo
    return (
        Finding("SPF", found.spf_mailfrom.result, _spf(found.spf_mailfrom), "RFC 7208"),
        *([Finding("SPF HELO", helo.result, _spf(helo), "RFC 7208")] if helo.domain else []),
        *(dkim or [Finding("DKIM", "none", "not signed", "RFC 6376")]),
        Finding("DMARC", found.dmarc.result, _dmarc(found.dmarc), "RFC 9989"),
        Finding("ARC", found.arc.result, _arc(found), "RFC 8617"),
        Finding("iprev", found.iprev.result, _joined(found.iprev.name, found.iprev.reason), "RFC 8601"),
    )


def notes(recorded: bytes) -> tuple[str, ...]:
    """What broke or took too long while the results were found."""
    try:
        return msgspec.json.decode(recorded, type=AuthResults).notes if recorded else ()
    except msgspec.MsgspecError:
        return ()


def _spf(found: SpfResult) -> str:
    by = f"by {found.mechanism}" if found.mechanism else ""
    return _joined(found.domain or "no domain to ask", by, found.explanation)


def _dkim(found: DkimResult) -> str:
    key = f"{found.algorithm} {found.key_bits or ''}".strip()
    weak = f"weak: {found.weakness}" if found.weakness else ""
    testing = "key is only being tested" if found.testing else ""
    return _joined(f"d={found.domain}" if found.domain else "", key, weak, testing, found.reason)


def _dmarc(found: DmarcResult) -> str:
    ways = [name for name, is_aligned in (("SPF", found.aligned_spf), ("DKIM", found.aligned_dkim)) if is_aligned]
    aligned = f"aligned by {' and '.join(ways)}" if ways else "nothing aligned" if found.result != "none" else ""
    policy = f"policy {found.policy}" if found.policy else ""
    testing = "being tested" if found.testing else ""
    return _joined(found.from_domain, aligned, policy, testing, found.reason)


def _arc(found: AuthResults) -> str:
    arc = found.arc
    if not arc.length:
        return _joined(arc.reason or "no forwarder vouches")
    return _joined(f"{arc.length} sealed by {', '.join(arc.sealers[:4])}", "trusted" if arc.trusted else "", arc.reason)


def _joined(*said: str) -> str:
    return "; ".join(part for part in said if part)
