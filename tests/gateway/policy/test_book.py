"""A verdict for each recipient: thresholds, entries, rules, and what one reply can say."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from gateway.checks.lists import ALLOWED, BLOCKED
from gateway.config import ConfigError, parse
from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.judge import LOCAL
from gateway.pipeline.rules import AT_LEAST, AT_MOST, Ruled, Share
from gateway.pipeline.verdict import Action, Policy, Reason, Thresholds, Verdict, decide, log_odds
from gateway.policy.book import Book, settled
from gateway.policy.reading import book_of
from gateway.policy.sight import Sight
from store.policy.entries import PolicyEntry

ANA, BOB = "ana@example.com", "bob@sales.example"
SEEN = Sight(author="eve@partner.example", ip=ip_address("198.51.100.7"), subject="Invoice", is_authentic=True)
EXECUTABLE = Signal("attachment.executable", "A program", "malware")
DMARC = Signal("dmarc.fail_reject", "DMARC fails", "auth")
SIGNALS = {"attachment.executable", "dmarc.fail_reject"}


def policy_at(probability: float) -> Policy:
    weights = {"lists.blocked": 8.0, "lists.allowed": -6.0}
    return Policy(log_odds(probability), weights, Thresholds(0.6, 0.85, 1.0), AT_LEAST, AT_MOST)


def rule(name: str, then: str, when: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "when": when or {"from_domain": "partner.example"},
        "then": then,
        "because": f"{name} it is",
        **more,
    }


def book(*rules: dict[str, Any], **more: Any) -> Book:
    raw = {"domain": {"example.com": {}, "sales.example": {}}, "rule": list(rules), **more}
    return book_of(parse(raw, Path("/nowhere")), SIGNALS)


def judged(
    made: Book,
    probability: float = 0.7,
    *evidence: Evidence,
    sight: Sight = SEEN,
    entries: tuple[PolicyEntry, ...] = (),
) -> Ruled:
    policy = policy_at(probability)
    seen = replace(sight, signals=frozenset(e.signal.name for e in evidence))
    return made.decide(seen, evidence, decide(evidence, policy), policy, [ANA, BOB], entries)


def got(ruled: Ruled) -> tuple[Action, Action]:
    own = {share.address: share.verdict.action for share in ruled.shares}
    return own.get(ANA, ruled.verdict.action), own.get(BOB, ruled.verdict.action)


ACCEPT, JUNK, HOLD, DEFER, REJECT = Action
FORGED = replace(SEEN, is_authentic=False)
REFUSING = {"example.com": {"refuse": 0.99}, "sales.example": {"refuse": 0.99}}
NETWORK = {"ip": "198.51.100.0/24"}
OUTCOMES: dict[str, tuple[Book, float, tuple[Evidence, ...], Sight, tuple[Action, Action]]] = {
    "no rule": (book(), 0.7, (), SEEN, (JUNK, JUNK)),
    "delivered": (book(rule("r", "deliver")), 0.99, (), SEEN, (ACCEPT, ACCEPT)),
    "not delivered without proof": (book(rule("r", "deliver")), 0.99, (), FORGED, (HOLD, HOLD)),
    "delivered by its network": (book(rule("r", "deliver", NETWORK)), 0.99, (), FORGED, (ACCEPT, ACCEPT)),
    "softened to junk": (book(rule("r", "junk")), 0.99, (), SEEN, (JUNK, JUNK)),
    "not softened to junk without proof": (book(rule("r", "junk")), 0.99, (), FORGED, (HOLD, HOLD)),
    "raised to junk without proof": (book(rule("r", "junk")), 0.1, (), FORGED, (JUNK, JUNK)),
    "held": (book(rule("r", "hold")), 0.1, (), FORGED, (HOLD, HOLD)),
    "refused": (book(rule("r", "refuse")), 0.1, (), FORGED, (REJECT, REJECT)),
    "held instead of refused": (book(rule("r", "hold"), domain=REFUSING), 0.999, (), FORGED, (HOLD, HOLD)),
    "malware stays": (book(rule("r", "deliver")), 0.1, (Evidence(EXECUTABLE),), SEEN, (HOLD, HOLD)),
    "malware stays from the network": (book(rule("r", "deliver", NETWORK)), 0.1, (Evidence(EXECUTABLE),), SEEN,
                                       (HOLD, HOLD)),
    "DMARC's wish is set aside": (book(rule("r", "deliver", NETWORK)), 0.1, (Evidence(DMARC),), FORGED,
                                  (ACCEPT, ACCEPT)),
    "the first decides": (book(rule("a", "junk"), rule("b", "refuse")), 0.1, (), SEEN, (JUNK, JUNK)),
    "one that may not is passed over": (book(rule("a", "deliver"), rule("b", "refuse")), 0.1, (), FORGED,
                                        (REJECT, REJECT)),
    "for one only": (book(rule("r", "deliver", **{"for": ANA})), 0.7, (), SEEN, (ACCEPT, JUNK)),
    "refused for one is held": (book(rule("r", "refuse", **{"for": ANA})), 0.7, (), SEEN, (HOLD, JUNK)),
    "deferred for one is held": (book(rule("r", "defer", **{"for": "@sales.example"})), 0.1, (), SEEN, (ACCEPT, HOLD)),
    "refused for one, deferred for one": (
        book(rule("a", "refuse", **{"for": ANA}), rule("b", "defer")), 0.1, (), SEEN, (DEFER, DEFER)),
    "in shadow": (book(rule("r", "refuse", shadow=True)), 0.1, (), SEEN, (ACCEPT, ACCEPT)),
    "a domain's thresholds": (book(domain={"example.com": {"junk": 0.8}, "sales.example": {}}), 0.7, (), SEEN,
                              (ACCEPT, JUNK)),
    "a recipient's before its domain's": (
        book(domain={"example.com": {"junk": 0.8}, "sales.example": {}}, recipient={ANA: {"junk": 0.2, "hold": 0.5}}),
        0.7, (), SEEN, (HOLD, JUNK)),
    "a group's": (book(group={"few": {"members": ["@sales.example"], "hold": 0.65}}), 0.7, (), SEEN, (JUNK, HOLD)),
    "a rule for a group": (book(rule("r", "hold", **{"for": "group:few"}), group={"few": {"members": [BOB]}}), 0.1, (),
                           SEEN, (ACCEPT, HOLD)),
}  # fmt: skip


@pytest.mark.parametrize(("made", "probability", "evidence", "sight", "expected"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_each_recipient_gets(
    made: Book, probability: float, evidence: tuple[Evidence, ...], sight: Sight, expected: tuple[Action, Action]
) -> None:
    assert got(judged(made, probability, *evidence, sight=sight)) == expected


def test_the_rule_is_named_and_the_sum_stays() -> None:
    ruled = judged(book(rule("r", "hold")), 0.2)
    assert (ruled.verdict.rule, ruled.verdict.category) == ("r", "policy")
    assert ruled.verdict.reasons[-1] == Reason("r", 0.0, "r it is")
    assert ruled.verdict.log_odds == pytest.approx(ruled.general.log_odds)
    assert ruled.general.action is Action.ACCEPT
    assert ruled.hits == ("rule\x00r",)


def test_a_shadow_is_counted_and_shown() -> None:
    ruled = judged(book(rule("r", "refuse", shadow=True)), 0.2)
    assert ruled.verdict.rule == ""
    assert "would refuse it" in ruled.verdict.reasons[-1].sentence
    assert ruled.hits == ("rule\x00r",)


def test_a_rule_that_delivers_waives_greylisting() -> None:
    assert judged(book(rule("r", "deliver")), 0.5).is_waved_through
    assert not judged(book(rule("r", "junk")), 0.5).is_waved_through


def entry(kind: str, scope: str = "") -> PolicyEntry:
    return PolicyEntry(kind, "@partner.example", "admin", "why", 0, 0, scope)


ENTRIES: dict[str, tuple[tuple[PolicyEntry, ...], float, tuple[Evidence, ...], tuple[Action, Action]]] = {
    "blocked for one": ((entry("block", ANA),), 0.1, (), (HOLD, ACCEPT)),
    "blocked for a domain": ((entry("block", "@sales.example"),), 0.1, (), (ACCEPT, HOLD)),
    "allowed for one": ((entry("allow", ANA),), 0.9, (), (ACCEPT, HOLD)),
    "a block wins": ((entry("allow", ANA), entry("block", "@example.com")), 0.7, (), (HOLD, JUNK)),
    "a block for everybody wins": ((entry("allow", ANA), entry("block")), 0.7, (Evidence(BLOCKED),), (HOLD, HOLD)),
    "one's block wins over everybody's allow": (
        (entry("allow"), entry("block", ANA)), 0.7, (Evidence(ALLOWED),), (HOLD, ACCEPT)),
    "malware stays": ((entry("allow", ANA),), 0.1, (Evidence(EXECUTABLE),), (HOLD, HOLD)),
}  # fmt: skip


@pytest.mark.parametrize(("entries", "probability", "evidence", "expected"), ENTRIES.values(), ids=ENTRIES)
def test_entries_for_some_recipients(
    entries: tuple[PolicyEntry, ...],
    probability: float,
    evidence: tuple[Evidence, ...],
    expected: tuple[Action, Action],
) -> None:
    assert got(judged(book(), probability, *evidence, entries=entries)) == expected


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ((ACCEPT, JUNK), (ACCEPT, JUNK)),
        ((REJECT, REJECT), (REJECT, REJECT)),
        ((DEFER, DEFER), (DEFER, DEFER)),
        ((DEFER, REJECT), (DEFER, DEFER)),
        ((ACCEPT, REJECT), (ACCEPT, HOLD)),
        ((HOLD, DEFER), (HOLD, HOLD)),
        ((JUNK, DEFER, REJECT), (JUNK, HOLD, HOLD)),
    ],
)
def test_what_one_reply_can_say(actions: tuple[Action, ...], expected: tuple[Action, ...]) -> None:
    shares = [Share(str(place), Verdict(action, "spam", 0.9, ())) for place, action in enumerate(actions)]
    assert tuple(share.verdict.action for share in settled(shares)) == expected


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"recipient": {"ana": {}}}, "no address"),
        ({"recipient": {ANA: {"junk": 0.9}}}, "rising order"),
        ({"domain": {"example.com": {"hold": 0.1}}}, "rising order"),
        ({"group": {"few": {"members": ["ana"]}}}, "group.few.members"),
        ({"recipient": {ANA: {"jnk": 0.9}}}, "did you mean"),
    ],
)
def test_bad_thresholds_are_refused_at_the_start(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        book(**more)


def test_what_one_recipient_learned_is_that_recipients_alone() -> None:
    made = book()
    policy = Policy(log_odds(0.5), {"model.local": 1.0}, Thresholds(0.6, 0.85, 1.0), AT_LEAST, AT_MOST)
    seen = (Evidence(LOCAL, "everybody", 0.1),)
    own = {BOB: Evidence(LOCAL, "bob", 1.0)}
    ruled = made.decide(SEEN, seen, decide(seen, policy), policy, [ANA, BOB], (), own)
    assert got(ruled) == (Action.ACCEPT, Action.JUNK)
    assert ruled.general.action is Action.ACCEPT
    told = {share.address: [r.nats for r in share.verdict.reasons if r.signal == LOCAL.name] for share in ruled.shares}
    assert told == {ANA: [0.1], BOB: [1.0]}, "one opinion takes the place of the other"
