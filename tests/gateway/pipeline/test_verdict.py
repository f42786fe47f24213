"""From evidence to a verdict: a sum, thresholds and rules; and what would have changed it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.verdict import (
    PRIOR,
    Action,
    Policy,
    Thresholds,
    categorise,
    decide,
    score_of,
    squash,
    weigh,
)

LINK = Signal("url.bad", "A bad link: {detail}", "phish")
WORDS = Signal("model.words", "The words say: {detail}", "spam")
LIST = Signal("bulk.list", "Sent to a list", "bulk")
SPF = Signal("spf.pass", "SPF passes")
DMARC = Signal("dmarc.fail", "DMARC fails", "auth")
ALLOWED = Signal("lists.allowed", "On the allow list")
TRAP = Signal("trap.recipient", "Sent to a trap", "trap")
SIGNALS = (LINK, WORDS, LIST, SPF, DMARC, ALLOWED, TRAP)

WEIGHTS = {"url.bad": 2.0, "model.words": 1.0, "bulk.list": 0.3, "spf.pass": -1.0, "dmarc.fail": 1.5}
POLICY = Policy(-2.0, WEIGHTS)
RULED = Policy(
    -2.0, WEIGHTS, at_least={"dmarc.fail": Action.JUNK, "trap.recipient": Action.QUARANTINE},
    at_most={"lists.allowed": Action.ACCEPT, "bulk.list": Action.JUNK},
)  # fmt: skip

EVIDENCE = st.lists(
    st.builds(Evidence, st.sampled_from(SIGNALS), st.just("seen"), st.floats(-20, 20)), max_size=12
).map(tuple)
POLICIES = st.builds(
    lambda prior, weights, cuts, least, most: Policy(prior, weights, Thresholds(*sorted(cuts)), least, most),
    st.floats(-5, 5),
    st.dictionaries(st.sampled_from([s.name for s in SIGNALS]), st.floats(-5, 5)),
    st.tuples(*[st.floats(0.01, 1.0)] * 3),
    st.dictionaries(st.sampled_from([s.name for s in SIGNALS]), st.sampled_from(Action), max_size=2),
    st.dictionaries(st.sampled_from([s.name for s in SIGNALS]), st.sampled_from(Action), max_size=2),
)


def saw(*signals: Signal, strength: float = 1.0) -> list[Evidence]:
    return [Evidence(signal, "x", strength) for signal in signals]


def test_the_parts_make_the_whole() -> None:
    verdict = decide(saw(LINK, WORDS, SPF), POLICY, ("words-1",))
    assert [(r.signal, r.nats) for r in verdict.reasons] == [
        ("url.bad", 2.0), ("prior", -2.0), ("model.words", 1.0), ("spf.pass", -1.0),
    ]  # fmt: skip
    assert verdict.log_odds == 0.0
    assert (verdict.probability, verdict.action, verdict.model_ids) == (0.5, Action.ACCEPT, ("words-1",))
    assert verdict.reasons[0].sentence == "A bad link: x"


@given(EVIDENCE, POLICIES)
def test_the_probability_is_exactly_its_reasons(evidence: tuple[Evidence, ...], policy: Policy) -> None:
    verdict = decide(evidence, policy)
    assert verdict.probability == squash(math.fsum(r.nats for r in verdict.reasons))
    assert len({r.signal for r in verdict.reasons}) == len(verdict.reasons)
    assert sum(r.signal == PRIOR.name for r in verdict.reasons) == 1
    assert [abs(r.nats) for r in verdict.reasons] == sorted((abs(r.nats) for r in verdict.reasons), reverse=True)


@pytest.mark.parametrize("strength", [math.nan, math.inf, -math.inf, 1e308])
def test_a_strength_that_is_no_number_cannot_pass_a_mail(strength: float) -> None:
    """Not a number is below every threshold: it must weigh nothing, not everything."""
    policy = Policy(0.0, {"url.bad": 9.0, "model.words": 10.0})
    verdict = decide([*saw(LINK), *saw(WORDS, strength=strength)], policy)
    assert verdict.action is Action.REJECT
    assert math.isfinite(verdict.log_odds)


THRESHOLDS = {
    "below junk": (0.59, Action.ACCEPT),
    "junk": (0.60, Action.JUNK),
    "below hold": (0.849, Action.JUNK),
    "hold": (0.85, Action.QUARANTINE),
    "below refuse": (0.99, Action.QUARANTINE),
    "refuse": (0.9951, Action.REJECT),
}


@pytest.mark.parametrize(("probability", "action"), THRESHOLDS.values(), ids=THRESHOLDS)
def test_thresholds(probability: float, action: Action) -> None:
    prior = math.log(probability / (1 - probability)) + 1e-12
    assert decide([], Policy(prior, {})).action is action


def test_refusing_at_certainty_never_refuses() -> None:
    assert decide([], Policy(30.0, {}, Thresholds(0.6, 0.85, 1.0))).action is Action.QUARANTINE


@pytest.mark.parametrize("nats", [-1e9, -800.0, -1.0, 0.0, 1.0, 800.0, 1e9])
def test_squashing_never_overflows(nats: float) -> None:
    assert 0.0 <= squash(nats) <= 1.0
    assert squash(nats) == pytest.approx(1.0 - squash(-nats))


def test_five_points_are_the_junk_threshold() -> None:
    assert score_of(math.log(0.6 / 0.4)) == 5.0
    assert score_of(math.log(0.6 / 0.4) + 1) == 7.0


def test_a_signal_counts_once_at_its_strongest() -> None:
    evidence = [*saw(LINK, strength=0.5), *saw(LINK, strength=-2.0), *saw(LINK, strength=1.5)]
    assert {r.signal: r.nats for r in weigh(evidence, POLICY)}["url.bad"] == -4.0


def test_a_signal_without_a_weight_is_named_and_weighs_nothing() -> None:
    assert {r.signal: r.nats for r in weigh(saw(ALLOWED), POLICY)} == {"prior": -2.0, "lists.allowed": 0.0}


RULES = {
    "a floor raises": (saw(DMARC, strength=0.5), Action.JUNK, "dmarc.fail"),
    "a floor below the thresholds' action does nothing": (saw(DMARC, LINK, LINK, WORDS), Action.QUARANTINE, ""),
    "a ceiling lowers": (saw(LINK, WORDS, strength=2.0) + saw(ALLOWED), Action.ACCEPT, "lists.allowed"),
    "a ceiling above does nothing": (saw(ALLOWED), Action.ACCEPT, ""),
    "the lowest ceiling holds": (saw(LINK, WORDS, strength=2.0) + saw(LIST, ALLOWED), Action.ACCEPT, "lists.allowed"),
    "the highest floor holds": (saw(DMARC, TRAP), Action.QUARANTINE, "trap.recipient"),
    "a floor wins over a ceiling": (saw(ALLOWED, TRAP), Action.QUARANTINE, "trap.recipient"),
    "order does not matter": (saw(TRAP, ALLOWED), Action.QUARANTINE, "trap.recipient"),
}


@pytest.mark.parametrize(("evidence", "action", "rule"), RULES.values(), ids=RULES)
def test_rules_move_the_action_and_are_named(evidence: list[Evidence], action: Action, rule: str) -> None:
    verdict = decide(evidence, Policy(-1.0, WEIGHTS, at_least=RULED.at_least, at_most=RULED.at_most))
    assert (verdict.action, verdict.rule) == (action, rule)


CATEGORIES = {
    "nothing against it": (Action.ACCEPT, saw(SPF), "", "ham"),
    "a list": (Action.ACCEPT, saw(LIST, WORDS), "", "bulk"),
    "words": (Action.JUNK, saw(WORDS), "", "spam"),
    "a list that is unwanted": (Action.JUNK, saw(LIST), "", "spam"),
    "an accusation with weight": (Action.JUNK, saw(LINK, WORDS), "", "phish"),
    "an accusation without weight": (Action.JUNK, saw(LINK, strength=0.2) + saw(WORDS), "", "spam"),
    "authentication alone": (Action.JUNK, saw(DMARC), "", "spam"),
    "a rule with a category": (Action.QUARANTINE, saw(LINK, TRAP), "trap.recipient", "trap"),
    "a rule without one": (Action.QUARANTINE, saw(ALLOWED), "lists.allowed", "policy"),
}


@pytest.mark.parametrize(("action", "evidence", "rule", "category"), CATEGORIES.values(), ids=CATEGORIES)
def test_categories(action: Action, evidence: list[Evidence], rule: str, category: str) -> None:
    assert categorise(action, evidence, POLICY, rule) == category
