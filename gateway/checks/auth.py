"""What authentication says for and against a mail: SPF, DKIM, ARC, DMARC and the client's name."""

from collections.abc import Iterator, Sequence

from gateway.mailauth.results import ArcResult, DkimResult, DmarcResult, IprevResult, SpfResult, passing_domains
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

SPF_PASS = Signal("spf.pass", "The sending host may send for {detail}", rfc="7208 §8.3")
SPF_FAIL = Signal("spf.fail", "The sending host may not send for {detail}", "auth", "7208 §8.4")
SPF_SOFTFAIL = Signal("spf.softfail", "The sending host probably may not send for {detail}", "auth", "7208 §8.5")
SPF_NEUTRAL = Signal("spf.neutral", "The domain {detail} does not say which hosts may send for it", rfc="7208 §8.2")
SPF_NONE = Signal("spf.none", "The sender's domain has no SPF record: {detail}", rfc="7208 §8.1")
SPF_TEMPERROR = Signal("spf.temperror", "The SPF record could not be looked up: {detail}", rfc="7208 §8.6")
SPF_PERMERROR = Signal("spf.permerror", "The SPF record is broken: {detail}", rfc="7208 §8.7")
SPF_HELO_PASS = Signal("spf.helo_pass", "The sending host may call itself {detail}", rfc="7208 §2.3")
SPF_HELO_FAIL = Signal("spf.helo_fail", "The sending host may not call itself {detail}", "auth", "7208 §2.3")

DKIM_PASS = Signal("dkim.pass", "The mail is signed by {detail}", rfc="6376 §6.1")
DKIM_FAIL = Signal("dkim.fail", "No signature is valid: {detail}", "auth", "6376 §6.1")
DKIM_WEAK = Signal("dkim.weak", "A signature is weak: {detail}", "auth", "8301 §3")
DKIM_TEMPERROR = Signal("dkim.temperror", "A signing key could not be looked up: {detail}", rfc="6376 §6.1.2")
DKIM_PERMERROR = Signal("dkim.permerror", "No signature can be verified: {detail}", rfc="6376 §6.1.1")
DKIM_NONE = Signal("dkim.none", "The mail is not signed", rfc="6376 §6.1")

ARC_PASS = Signal("arc.pass", "Forwarders vouch for the mail in an unbroken chain: {detail}", rfc="8617 §5.2")
ARC_TRUSTED = Signal("arc.trusted", "A forwarder that you trust vouches for the mail: {detail}", rfc="8617 §7.2")
ARC_FAIL = Signal("arc.fail", "The chain of forwarders is broken: {detail}", "auth", "8617 §5.2")
ARC_TEMPERROR = Signal("arc.temperror", "The chain of forwarders could not be checked: {detail}", rfc="8617 §5.2")

DMARC_PASS = Signal("dmarc.pass", "The author's domain {detail} is authentic", rfc="9989 §5.3")
DMARC_FAIL_NONE = Signal(
    "dmarc.fail_none", "The author's domain {detail} is not authentic; it asks for nothing", "auth", "9989 §5.3"
)
DMARC_FAIL_QUARANTINE = Signal(
    "dmarc.fail_quarantine",
    "The author's domain {detail} is not authentic; it asks for quarantine",
    "auth",
    "9989 §5.3",
)
DMARC_FAIL_REJECT = Signal(
    "dmarc.fail_reject", "The author's domain {detail} is not authentic; it asks to reject", "auth", "9989 §5.3"
)
DMARC_NONE = Signal("dmarc.none", "The author's domain {detail} has no DMARC record", rfc="9989 §5.3")
DMARC_TEMPERROR = Signal("dmarc.temperror", "DMARC could not be checked: {detail}", rfc="9989 §5.3")
DMARC_PERMERROR = Signal("dmarc.permerror", "The mail has no single author domain: {detail}", "auth", "9989 §5.3.1")

IPREV_PASS = Signal("iprev.pass", "The sending host's name leads back to it: {detail}", rfc="8601 §2.7.3")
IPREV_FAIL = Signal("iprev.fail", "The sending host's name belongs to another address: {detail}", "auth", "8601 §2.7.3")
IPREV_NONE = Signal("iprev.none", "The sending host has no name", "auth", "8601 §2.7.3")
IPREV_TEMPERROR = Signal("iprev.temperror", "The sending host's name could not be looked up", rfc="8601 §2.7.3")

_SPF = {
    "pass": SPF_PASS,
    "fail": SPF_FAIL,
    "softfail": SPF_SOFTFAIL,
    "neutral": SPF_NEUTRAL,
    "none": SPF_NONE,
    "temperror": SPF_TEMPERROR,
    "permerror": SPF_PERMERROR,
}
_SPF_HELO = {"pass": SPF_HELO_PASS, "fail": SPF_HELO_FAIL}
_DMARC_FAIL = {"reject": DMARC_FAIL_REJECT, "quarantine": DMARC_FAIL_QUARANTINE}
_DMARC = {
    "pass": DMARC_PASS,
    "none": DMARC_NONE,
    "temperror": DMARC_TEMPERROR,
    "permerror": DMARC_PERMERROR,
}
_IPREV = {"pass": IPREV_PASS, "fail": IPREV_FAIL, "permerror": IPREV_NONE, "temperror": IPREV_TEMPERROR}
_DKIM_WORST = (("temperror", DKIM_TEMPERROR), ("fail", DKIM_FAIL), ("policy", DKIM_FAIL), ("permerror", DKIM_PERMERROR))


def check_auth(facts: DataFacts) -> Sequence[Evidence]:
    """Evidence from the authentication results. Mail from inside is not held against its missing records."""
    auth = facts.auth
    found = [*_dkim(auth.dkim), *_arc(auth.arc)]
    is_inside = bool(facts.envelope.peer.user) or auth.iprev.result == "none"
    if not is_inside:
        found += [*_spf(auth.spf_mailfrom, auth.spf_helo), *_iprev(auth.iprev)]
    if not is_inside or auth.dmarc.result != "fail":
        found += _dmarc(auth.dmarc)
    return found


def _spf(mailfrom: SpfResult, helo: SpfResult) -> Iterator[Evidence]:
    detail = mailfrom.domain or "no domain"
    if mailfrom.result in ("temperror", "permerror") and mailfrom.explanation:
        detail = f"{detail}: {mailfrom.explanation}"
    yield Evidence(_SPF[mailfrom.result], detail[:200])
    if helo.result in _SPF_HELO:
        yield Evidence(_SPF_HELO[helo.result], helo.domain[:200])


def _dkim(results: Sequence[DkimResult]) -> Iterator[Evidence]:
    if not results:
        yield Evidence(DKIM_NONE)
    passed = passing_domains(results)
    if passed:
        yield Evidence(DKIM_PASS, ", ".join(passed)[:200])
    elif results:
        yield _worst(results)
    weak = [f"{one.domain}: {one.weakness}" for one in results if one.weakness in ("length", "sha1", "short-key")]
    weak += [f"{one.domain}: {one.weakness}" for one in results if one.weakness == "weak-key"]
    if weak:
        yield Evidence(DKIM_WEAK, ", ".join(weak)[:200])


def _worst(results: Sequence[DkimResult]) -> Evidence:
    """Of signatures none of which passes: unknown before failed, so that a broken server is not held against them."""
    for outcome, signal in _DKIM_WORST:
        said = [f"{one.domain}: {one.reason}" for one in results if one.result == outcome]
        if said:
            return Evidence(signal, ", ".join(said)[:200])
    return Evidence(DKIM_NONE)


def _arc(arc: ArcResult) -> Iterator[Evidence]:
    sealers = ", ".join(arc.sealers)[:200]
    if arc.result == "pass":
        yield Evidence(ARC_TRUSTED if arc.trusted else ARC_PASS, sealers)
    elif arc.result in ("fail", "permerror"):
        yield Evidence(ARC_FAIL, arc.reason[:200])
    elif arc.result == "temperror":
        yield Evidence(ARC_TEMPERROR, arc.reason[:200])


def _dmarc(dmarc: DmarcResult) -> Iterator[Evidence]:
    if dmarc.result == "fail":
        yield Evidence(_DMARC_FAIL.get(dmarc.disposition, DMARC_FAIL_NONE), dmarc.from_domain[:200])
    else:
        detail = dmarc.reason if dmarc.result in ("temperror", "permerror") else dmarc.from_domain
        yield Evidence(_DMARC[dmarc.result], detail[:200])


def _iprev(iprev: IprevResult) -> Iterator[Evidence]:
    if iprev.result in _IPREV:
        yield Evidence(_IPREV[iprev.result], iprev.name[:200])


EMITS = frozenset(
    {
        *_SPF.values(),
        *_SPF_HELO.values(),
        DKIM_PASS,
        DKIM_WEAK,
        DKIM_NONE,
        *(signal for _, signal in _DKIM_WORST),
        ARC_PASS,
        ARC_TRUSTED,
        ARC_FAIL,
        ARC_TEMPERROR,
        *_DMARC.values(),
        DMARC_FAIL_NONE,
        DMARC_FAIL_QUARANTINE,
        DMARC_FAIL_REJECT,
        *_IPREV.values(),
    }
)

CHECK: PureCheck[DataFacts] = PureCheck("auth", check_auth, EMITS)
