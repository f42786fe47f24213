"""Authentication as evidence."""

from dataclasses import replace
from typing import cast

import pytest

from gateway.checks.auth import CHECK, EMITS, check_auth
from gateway.mailauth.results import ArcResult, AuthResults, DkimResult, DmarcResult, IprevResult, SpfResult
from gateway.pipeline.facts import DataFacts
from tests.gateway.mailauth.mailroom import envelope

GOOD = AuthResults(
    SpfResult("pass", "mail.example.test", "helo"),
    SpfResult("pass", "example.test"),
    (DkimResult("pass", "example.test"),),
    ArcResult(),
    DmarcResult("pass", "reject", "none", "example.test"),
    IprevResult("pass", "mail.example.test"),
)


class _Facts:
    """As much of the facts as this check reads."""

    def __init__(self, auth: AuthResults, user: str = "") -> None:
        self.auth = auth
        self.envelope = envelope(user=user)


def seen(auth: AuthResults, user: str = "") -> dict[str, str]:
    found = check_auth(cast(DataFacts, _Facts(auth, user)))
    assert {one.signal for one in found} <= EMITS
    assert all(len(one.detail) <= 200 and "{" not in one.sentence for one in found)
    return {one.signal.name: one.detail for one in found}


def test_a_true_mail() -> None:
    assert seen(GOOD) == {
        "dkim.pass": "example.test",
        "spf.pass": "example.test",
        "spf.helo_pass": "mail.example.test",
        "iprev.pass": "mail.example.test",
        "dmarc.pass": "example.test",
    }


@pytest.mark.parametrize("outcome", ["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"])
def test_every_spf_result_is_a_signal(outcome: str) -> None:
    auth = replace(GOOD, spf_mailfrom=SpfResult(outcome, "example.test"))  # type: ignore[arg-type]
    assert f"spf.{outcome}" in seen(auth)


@pytest.mark.parametrize(
    ("results", "signals"),
    [
        pytest.param((), {"dkim.none"}, id="unsigned"),
        pytest.param((DkimResult("fail", "a.test"),), {"dkim.fail"}, id="fail"),
        pytest.param((DkimResult("fail", "a.test"), DkimResult("pass", "b.test")), {"dkim.pass"}, id="one-passes"),
        pytest.param((DkimResult("fail"), DkimResult("temperror")), {"dkim.temperror"}, id="unknown-before-failed"),
        pytest.param((DkimResult("permerror", "a.test"),), {"dkim.permerror"}, id="permerror"),
        pytest.param((DkimResult("policy", "a.test", weakness="length"),), {"dkim.fail", "dkim.weak"}, id="length"),
        pytest.param((DkimResult("pass", "a.test", weakness="weak-key"),), {"dkim.pass", "dkim.weak"}, id="weak-key"),
        pytest.param((DkimResult("permerror", weakness="sha1"),), {"dkim.permerror", "dkim.weak"}, id="sha1"),
    ],
)
def test_signatures(results: tuple[DkimResult, ...], signals: set[str]) -> None:
    assert {name for name in seen(replace(GOOD, dkim=results)) if name.startswith("dkim.")} == signals


@pytest.mark.parametrize(
    ("dmarc", "signal"),
    [
        (DmarcResult("fail", "reject", "reject", "a.test"), "dmarc.fail_reject"),
        (DmarcResult("fail", "reject", "quarantine", "a.test", testing=True), "dmarc.fail_quarantine"),
        (DmarcResult("fail", "quarantine", "quarantine", "a.test"), "dmarc.fail_quarantine"),
        (DmarcResult("fail", "none", "none", "a.test"), "dmarc.fail_none"),
        (DmarcResult("none", from_domain="a.test"), "dmarc.none"),
        (DmarcResult("temperror"), "dmarc.temperror"),
        (DmarcResult("permerror"), "dmarc.permerror"),
    ],
)
def test_dmarc(dmarc: DmarcResult, signal: str) -> None:
    assert [name for name in seen(replace(GOOD, dmarc=dmarc)) if name.startswith("dmarc.")] == [signal]


@pytest.mark.parametrize(
    ("arc", "signals"),
    [
        (ArcResult(), []),
        (ArcResult("pass", 1, ("a.test",)), ["arc.pass"]),
        (ArcResult("pass", 1, ("a.test",), trusted=True), ["arc.trusted"]),
        (ArcResult("fail", 1), ["arc.fail"]),
        (ArcResult("permerror", 1), ["arc.fail"]),
        (ArcResult("temperror", 1), ["arc.temperror"]),
    ],
)
def test_arc(arc: ArcResult, signals: list[str]) -> None:
    assert [name for name in seen(replace(GOOD, arc=arc)) if name.startswith("arc.")] == signals


@pytest.mark.parametrize(
    ("outcome", "signal"),
    [("pass", "iprev.pass"), ("fail", "iprev.fail"), ("permerror", "iprev.none"), ("temperror", "iprev.temperror")],
)
def test_iprev(outcome: str, signal: str) -> None:
    assert signal in seen(replace(GOOD, iprev=IprevResult(outcome, "a.test")))  # type: ignore[arg-type]


@pytest.mark.parametrize(("iprev", "user"), [("none", ""), ("permerror", "ann")])
def test_mail_from_inside_is_not_held_against_its_missing_records(iprev: str, user: str) -> None:
    inside = AuthResults(
        dmarc=DmarcResult("fail", "reject", "reject", "example.test"),
        iprev=IprevResult(iprev),  # type: ignore[arg-type]
    )
    assert set(seen(inside, user)) == {"dkim.none"}


def test_every_sentence_can_be_read() -> None:
    assert CHECK.emits == EMITS
    for signal in EMITS:
        assert signal.about[0].isupper() and signal.rfc and signal.category in ("", "auth")
