"""What would have had to be different: exact, fewest, and nothing claimed that judging anew would not do."""

from itertools import combinations

import pytest
from hypothesis import given

from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.verdict import PRIOR, Action, Policy, Thresholds, decide
from gateway.pipeline.whatif import Bounds, WhatIf, is_delivered, what_if
from tests.gateway.pipeline.test_verdict import ALLOWED, DMARC, EVIDENCE, LINK, LIST, POLICIES, POLICY, SPF, WORDS, saw

LANGUAGE = Signal("model.language", "The language model reads it as {detail}", "spam")
FLOORED = Policy(-2.0, POLICY.weights, at_least={"dmarc.fail": Action.QUARANTINE})
CAPPED = Policy(-2.0, POLICY.weights, at_most={"lists.allowed": Action.ACCEPT})


def found(evidence: list[Evidence], policy: Policy) -> WhatIf:
    verdict = decide(evidence, policy)
    bounds = Bounds(policy.thresholds, policy.at_least, policy.at_most)
    return what_if(verdict.reasons, verdict.action, verdict.rule, bounds)


@given(EVIDENCE, POLICIES)
def test_the_mail_without_it_judged_anew_has_the_other_verdict(evidence: tuple[Evidence, ...], policy: Policy) -> None:
    verdict = decide(evidence, policy)
    told = found(list(evidence), policy)
    left = [e for e in evidence if e.signal.name not in told.without]
    flips = (decide(left, policy).action is Action.ACCEPT) != (verdict.action is Action.ACCEPT)
    assert flips == bool(told.without)
    assert PRIOR.name not in told.without


@given(EVIDENCE, POLICIES)
def test_no_fewer_would_do(evidence: tuple[Evidence, ...], policy: Policy) -> None:
    verdict = decide(evidence, policy)
    told = found(list(evidence), policy)
    names = sorted({e.signal.name for e in evidence})
    for fewer in combinations(names, len(told.without) - 1) if told.without else ():
        left = [e for e in evidence if e.signal.name not in fewer]
        assert (decide(left, policy).action is Action.ACCEPT) == (verdict.action is Action.ACCEPT)


@given(EVIDENCE, POLICIES)
def test_it_knows_what_is_delivered(evidence: tuple[Evidence, ...], policy: Policy) -> None:
    verdict = decide(evidence, policy)
    bounds = Bounds(policy.thresholds, policy.at_least, policy.at_most)
    assert is_delivered(verdict.reasons, bounds) == (verdict.action is Action.ACCEPT)


CASES = {
    "the largest": (saw(LINK, LIST) + saw(DMARC, strength=0.9), POLICY, WhatIf(("url.bad",))),
    "two together": (saw(LINK, DMARC) + saw(WORDS, strength=2.0), POLICY, WhatIf(("url.bad", "model.words"))),
    "a floor whatever the sum": (saw(DMARC, SPF), FLOORED, WhatIf(("dmarc.fail",))),
    "an entry that lets it in": (saw(ALLOWED, LINK, DMARC), CAPPED, WhatIf(("lists.allowed",))),
    "what speaks for it": (saw(LINK, DMARC, SPF), Policy(-2.4, POLICY.weights), WhatIf(("spf.pass",))),
    "the prior alone": ([], Policy(3.0, {}), WhatIf(is_hopeless=True)),
}  # fmt: skip


@pytest.mark.parametrize(("evidence", "policy", "expected"), CASES.values(), ids=CASES)
def test_cases(evidence: list[Evidence], policy: Policy, expected: WhatIf) -> None:
    assert found(evidence, policy) == expected


def test_both_models_of_the_text_are_one_thing() -> None:
    policy = Policy(-2.0, {"model.words": 1.0, "model.language": 1.0, "url.bad": 2.0})
    evidence = [*saw(WORDS, strength=2.5), *saw(LANGUAGE, strength=1.5), *saw(LINK, strength=0.5)]
    assert found(evidence, policy).without == ("model.words", "model.language")


def test_a_delivered_mail_tells_how_much_is_missing() -> None:
    told = found(saw(LIST), POLICY)
    assert told.without == ()
    assert told.missing == pytest.approx(0.405465 + 2.0 - 0.3, abs=1e-5)


def test_a_rule_of_the_configuration_decides_whatever_was_seen() -> None:
    reasons = decide(saw(LINK), POLICY).reasons
    assert what_if(reasons, Action.REJECT, "no-invoices", Bounds(Thresholds())) == WhatIf(rule="no-invoices")
