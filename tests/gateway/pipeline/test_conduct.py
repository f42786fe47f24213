"""What how an account sends adds to the sum, what counts against it, and when it is stopped."""

from dataclasses import replace

import pytest

from gateway.checks import outbound
from gateway.checks.dlp import FLOORS, HELD
from gateway.pipeline.conduct import CHARACTER, consider, is_unwanted, suspicion
from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Policy, Thresholds, decide
from gateway.reputation.sending import Sending, Sums
from tests.support.facts import facts, mail

BAD = Signal("url.bad", "A link is bad", "phish")
WEIGHTS = {"url.bad": 1.0, "outbound.rise": 1.2, "outbound.many-networks": 1.5, CHARACTER.name: 0.8, "dlp.held": 0.0}
POLICY = Policy(-2.5, WEIGHTS, Thresholds(0.9, 0.9, 0.995), FLOORS)
KNOWN = Sending(1, recipients=1, active_days=3, mails=20)


def judged(*evidence: Evidence) -> Judgement:
    return Judgement(decide(evidence, POLICY), evidence, False)


@pytest.mark.parametrize(
    ("sending", "nats", "seen"),
    [
        pytest.param(KNOWN, 3.0, True, id="known-and-likely-spam"),
        pytest.param(KNOWN, 2.8, False, id="known-and-perhaps-spam"),
        pytest.param(replace(KNOWN, mails=19), 3.0, False, id="too-few-mails"),
        pytest.param(replace(KNOWN, active_days=2), 3.0, False, id="too-few-days"),
        pytest.param(replace(KNOWN, unwanted=1), 3.0, False, id="was-like-that-before"),
        pytest.param(replace(KNOWN, mails=50, unwanted=1), 3.0, True, id="one-mistake-long-ago"),
        pytest.param(None, 3.0, False, id="incoming"),
    ],
)
def test_mail_out_of_character_is_noticed(sending: Sending | None, nats: float, seen: bool) -> None:
    before = judged(Evidence(BAD, strength=nats))
    after = consider(facts(mail(), sending=sending), before, POLICY)
    assert (CHARACTER in {item.signal for item in after.evidence}) is seen
    assert after.verdict.log_odds == pytest.approx(before.verdict.log_odds + (0.8 if seen else 0.0))


def test_how_it_is_sent_is_no_content() -> None:
    before = judged(Evidence(outbound.RISE, strength=2.0), Evidence(outbound.NETWORKS, strength=2.0))
    assert consider(facts(mail(), sending=KNOWN), before, POLICY) is before


@pytest.mark.parametrize(
    ("evidence", "counts"),
    [
        pytest.param([Evidence(BAD, strength=5.0)], True, id="held-by-its-sum"),
        pytest.param([Evidence(BAD, strength=9.0)], True, id="refused-by-its-sum"),
        pytest.param([Evidence(BAD, strength=4.0)], False, id="goes"),
        pytest.param([Evidence(HELD)], False, id="held-by-a-rule"),
    ],
)
def test_what_counts_against_an_account(evidence: list[Evidence], counts: bool) -> None:
    assert is_unwanted(judged(*evidence), POLICY) is counts


@pytest.mark.parametrize(
    ("before", "evidence", "after", "why"),
    [
        pytest.param(3, [Evidence(BAD, strength=6.0)], 5, "", id="not-yet"),
        pytest.param(4, [Evidence(BAD, strength=6.0)], 5, "5 mails were held or refused today", id="too-many"),
        pytest.param(0, [Evidence(outbound.NETWORKS, "9", 2.0)], 5, "", id="clear-alone"),
        pytest.param(
            0,
            [Evidence(outbound.NETWORKS, "9", 2.0), Evidence(outbound.RISE, "80", 1.0)],
            5,
            "The account is signed in from many networks at once: 9; The account sends far more than it ever did: 80",
            id="near-proof-at-once",
        ),
        pytest.param(99, [Evidence(outbound.NETWORKS, "9", 2.0), Evidence(outbound.RISE, "80", 2.0)], 0, "", id="off"),
    ],
)
def test_when_an_account_is_stopped(before: int, evidence: list[Evidence], after: int, why: str) -> None:
    sending = replace(KNOWN, today=Sums(1, unwanted=before))
    assert suspicion(sending, judged(*evidence), after) == why
