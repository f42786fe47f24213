"""From evidence to a verdict: a sum of log-odds, thresholds, rules. Pure and total.

A verdict is exactly its parts: ``probability = squash(sum of reasons' nats)``, the prior being one of the
reasons, so the waterfall, the counterfactual and the sentence are computed from it, never narrated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from gateway.pipeline.evidence import Evidence, Signal

if TYPE_CHECKING:
    from gateway.pipeline.rules import ByRecipient

PRIOR = Signal("prior", "What mail from strangers looks like on average")


AUTHENTIC = "dmarc.pass"  #: the signal that says whose mail it is, for sure
HARMFUL = frozenset({"phish", "bec", "malware", "trap"})
WORDING = ("model.", "opinion.")  #: signals that judge what a mail says
HABITS = 0.7  #: nats of small oddities that honest bulk senders show, too


class Action(IntEnum):
    """What happens to a mail, from mildest to hardest."""

    ACCEPT = 0
    JUNK = 1
    QUARANTINE = 2
    DEFER = 3
    REJECT = 4


@dataclass(frozen=True, slots=True)
class Reason:
    """One bar of the waterfall."""

    signal: str
    nats: float  #: added to the log-odds of "unwanted"; negative speaks for the mail
    sentence: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities at which mail is filed, held and refused."""

    junk: float = 0.60
    hold: float = 0.85
    refuse: float = 0.995


@dataclass(frozen=True, slots=True)
class Policy:
    """How evidence becomes an action: weights, thresholds, and signals that decide by themselves."""

    prior: float
    weights: Mapping[str, float]
    thresholds: Thresholds = field(default_factory=Thresholds)
    at_least: Mapping[str, Action] = field(default_factory=dict)  #: signal name -> the mildest action it allows
    at_most: Mapping[str, Action] = field(default_factory=dict)  #: signal name -> the hardest action it allows
    policy_id: str = "default"
    sentences: Mapping[str, str] = field(default_factory=dict)  #: signal name -> its sentence in another language
    by_recipient: "ByRecipient | None" = None  #: rules, thresholds and entries that people wrote for some mail

    def sentence(self, item: Evidence) -> str:
        """What an evidence says, in the policy's language."""
        return self.sentences.get(item.signal.name, item.signal.about).replace("{detail}", item.detail)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one mail."""

    action: Action
    category: str  #: ham, bulk, spam, phish, bec, malware, auth, trap or policy
    probability: float  #: that the mail is unwanted
    reasons: tuple[Reason, ...]  #: largest first; their nats sum to the log-odds of ``probability``
    rule: str = ""  #: the signal, or the rule of the configuration, that decided; "" when the thresholds did
    policy_id: str = "default"
    model_ids: tuple[str, ...] = ()

    @property
    def log_odds(self) -> float:
        return math.fsum(r.nats for r in self.reasons)

    @property
    def score(self) -> float:
        """On SpamAssassin's scale, 5 = spam, for headers only: a fixed map of the probability."""
        return score_of(self.log_odds)


def squash(nats: float) -> float:
    """Log-odds to probability, without overflow."""
    if nats >= 0:
        return 1.0 / (1.0 + math.exp(-nats))
    return math.exp(nats) / (1.0 + math.exp(nats))


def log_odds(probability: float) -> float:
    """The inverse of ``squash``; finite also for 0 and 1."""
    clipped = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(clipped / (1 - clipped))


def score_of(log_odds: float) -> float:
    """5.0 at the default junk threshold (0.60, that is 0.405 nats), two points a nat beyond it."""
    return round(5.0 + 2.0 * (log_odds - math.log(0.60 / 0.40)), 1)


def decide(evidence: Sequence[Evidence], policy: Policy, model_ids: tuple[str, ...] = ()) -> Verdict:
    """Weigh the evidence and choose the action."""
    reasons = weigh(evidence, policy)
    probability = squash(math.fsum(r.nats for r in reasons))
    action, rule = act(probability, evidence, policy)
    category = categorise(action, evidence, policy, rule)
    return Verdict(action, category, probability, reasons, rule, policy.policy_id, model_ids)


def weigh(evidence: Sequence[Evidence], policy: Policy) -> tuple[Reason, ...]:
    """One reason a signal, the prior included, largest effect first. A signal counts once, at its strongest."""
    strongest: dict[str, Evidence] = {}
    for item in evidence:
        known = strongest.get(item.signal.name)
        if known is None or abs(item.strength) > abs(known.strength):
            strongest[item.signal.name] = item
    reasons = [
        Reason(name, _finite(policy.weights.get(name, 0.0) * item.strength), policy.sentence(item))
        for name, item in strongest.items()
    ]
    reasons.append(Reason(PRIOR.name, policy.prior, policy.sentence(Evidence(PRIOR))))
    reasons.sort(key=lambda r: -abs(r.nats))
    return tuple(reasons)


def _finite(nats: float) -> float:
    """No single reason may turn the sum into "not a number", which is below every threshold. The pipeline reports
    a check or model that gives such a strength as failed; here it weighs nothing."""
    return nats if math.isfinite(nats) else 0.0


def act(probability: float, evidence: Sequence[Evidence], policy: Policy) -> tuple[Action, str]:
    """The thresholds' action, moved by the signals that have a rule. ``at_least`` wins over ``at_most``."""
    action = by_threshold(probability, policy.thresholds)
    rule = ""
    if action >= Action.QUARANTINE and only_words_speak_against(evidence, policy):
        action, rule = Action.JUNK, AUTHENTIC
    names = [e.signal.name for e in evidence]
    for name in names:
        ceiling = policy.at_most.get(name)
        if ceiling is not None and action > ceiling:
            action, rule = ceiling, name
    for name in names:
        floor = policy.at_least.get(name)
        if floor is not None and action < floor:
            action, rule = floor, name
    return action, rule


def only_words_speak_against(evidence: Sequence[Evidence], policy: Policy) -> bool:
    """Does a mail with an authentic author offend by its wording alone? Then Junk is enough, where its reader can look.

    Wording is what the models judge; anything that smells of fraud or malware, theirs included, is more than wording.
    """
    if all(e.signal.name != AUTHENTIC for e in evidence):
        return False
    against = [(e, nats) for e in evidence if (nats := policy.weights.get(e.signal.name, 0.0) * e.strength) > 0]
    if any(e.signal.category in HARMFUL for e, _ in against):
        return False
    return math.fsum(nats for e, nats in against if not e.signal.name.startswith(WORDING)) < HABITS


def by_threshold(probability: float, thresholds: Thresholds) -> Action:
    if probability >= thresholds.refuse:
        return Action.REJECT
    if probability >= thresholds.hold:
        return Action.QUARANTINE
    if probability >= thresholds.junk:
        return Action.JUNK
    return Action.ACCEPT


def categorise(action: Action, evidence: Sequence[Evidence], policy: Policy, rule: str) -> str:
    """The category that the evidence against the mail speaks for most, in nats; ham or bulk below junk."""
    forced = next((e.signal.category for e in evidence if rule and e.signal.name == rule), "")
    if forced:
        return forced
    pull: dict[str, float] = {}
    for item in evidence:
        nats = policy.weights.get(item.signal.name, 0.0) * item.strength
        if item.signal.category and (nats > 0 or item.signal.category == "bulk"):
            pull[item.signal.category] = pull.get(item.signal.category, 0.0) + max(nats, 0.01)
    if action is Action.ACCEPT:
        return "bulk" if "bulk" in pull else "ham"
    pull.pop("bulk", None)
    specific = {c: n for c, n in pull.items() if c not in {"spam", "auth"}}
    # A particular accusation with real weight behind it says more than "spam", which every family adds to.
    if specific and max(specific.values()) >= 0.7:
        return max(specific, key=lambda c: specific[c])
    return "spam" if rule in {"", AUTHENTIC} else "policy"
