"""Everything people wrote about whose mail is treated how, as one verdict for each recipient.

Thresholds are the recipient's own, else its group's, its domain's, or everybody's. Block and allow entries for some
recipients are evidence for these alone. Then the first rule that holds decides. SMTP has one reply for all
recipients: ``settled`` says what becomes of verdicts that it cannot tell apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.checks.lists import ALLOWED, BLOCKED
from gateway.pipeline.evidence import Evidence
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import LOCAL
from gateway.pipeline.rules import NEVER_MILDER, SET_ASIDE, Ruled, Share
from gateway.pipeline.verdict import Action, Policy, Reason, Thresholds, Verdict, decide
from gateway.policy.rule import SAID, Rule
from gateway.policy.sight import Asked, Sight, sight_of
from store.policy.entries import PolicyEntry, counter_name

COUNTED_AS = "rule\x00"  #: before a rule's name where its hits are counted
QUICK_RULES = 20  #: so many are asked in a tenth of a millisecond
NOTHING: Mapping[str, Evidence] = {}
NOT_TAKEN = frozenset({Action.DEFER, Action.REJECT})


def hits_of(rule: Rule) -> str:
    """What the mails are counted under that a rule decided, or in shadow would have."""
    return COUNTED_AS + rule.name


@dataclass(frozen=True, slots=True)
class ThresholdsFor:
    """Thresholds of some recipients: by address or "@domain", lower case."""

    own: Mapping[str, Thresholds] = field(default_factory=dict)

    def of(self, recipient: str) -> Thresholds | None:
        """None is everybody's."""
        name = recipient.lower()
        return self.own.get(name) or self.own.get("@" + name.rpartition("@")[2])


@dataclass(frozen=True, slots=True)
class Standing:
    """What tells recipients apart before any rule: their thresholds, and entries for them."""

    thresholds: Thresholds | None = None
    is_blocked: bool = False
    is_allowed: bool = False
    own: Evidence | None = None  #: what this recipient's labels say, in place of everybody's


@dataclass(slots=True)
class _Case:
    """One mail while it is decided: what is the same for several recipients is found out once."""

    sight: Sight
    evidence: Sequence[Evidence]
    policy: Policy
    verdicts: dict[Standing, Verdict]
    holding: dict[Standing, tuple[Rule, ...]] = field(default_factory=dict)  #: rules that hold, whoever gets the mail
    hits: dict[str, None] = field(default_factory=dict)
    is_waved_through: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """The rules in order, and thresholds."""

    rules: tuple[Rule, ...] = ()
    thresholds: ThresholdsFor = field(default_factory=ThresholdsFor)
    asked: Asked = field(init=False, default=Asked(), compare=False)  #: what any rule wants to know

    def __post_init__(self) -> None:
        headers = frozenset(name for rule in self.rules for name in rule.asked.headers)
        object.__setattr__(self, "asked", Asked(headers, any(rule.asked.language for rule in self.rules)))

    @property
    def is_quick(self) -> bool:
        return len(self.rules) <= QUICK_RULES and not self.asked.language

    def judge(
        self,
        facts: DataFacts,
        evidence: Sequence[Evidence],
        general: Verdict,
        policy: Policy,
        own: Mapping[str, Evidence] = NOTHING,
    ) -> Ruled:
        """A verdict for each recipient. Pure; bounded by rules times recipients."""
        entries = facts.history.entries
        if not (entries or self.rules or self.thresholds.own or own):
            return Ruled(general, general)
        to = [r.address for r in facts.envelope.rcpt_to if not r.is_trap] or [""]
        return self.decide(sight_of(facts, evidence, self.asked), evidence, general, policy, to, entries, own)

    def decide(
        self,
        sight: Sight,
        evidence: Sequence[Evidence],
        general: Verdict,
        policy: Policy,
        to: Sequence[str],
        entries: Sequence[PolicyEntry] = (),
        own: Mapping[str, Evidence] = NOTHING,
    ) -> Ruled:
        """The same for a mail that may only be told."""
        case = _Case(sight, evidence, policy, {Standing(): general})
        found: dict[str, tuple[Verdict, Thresholds | None]] = {}
        for address in to:
            mine = [entry for entry in entries if entry.concerns(address)]
            case.hits.update(dict.fromkeys(counter_name(e.kind, e.subject, e.scope) for e in mine))
            standing = self._standing(address, mine, own.get(address))
            found[address] = self._ruled(case, address, standing), standing.thresholds
        shares = settled([Share(address, verdict) for address, (verdict, _) in found.items()])
        hardest = max(shares, key=lambda share: share.verdict.action)
        is_alike = all(share.verdict == hardest.verdict for share in shares)
        return Ruled(
            general,
            hardest.verdict,
            () if is_alike else shares,
            tuple(case.hits),
            found[hardest.address][1],
            case.is_waved_through,
        )

    def _standing(self, address: str, mine: Sequence[PolicyEntry], learned: Evidence | None) -> Standing:
        """Entries for everybody are in the evidence already. A block entry wins over any allow entry."""
        is_blocked = any(e.kind == "block" for e in mine)
        own = self.thresholds.of(address)
        return Standing(
            own,
            any(e.kind == "block" and e.scope for e in mine),
            not is_blocked and any(e.kind == "allow" and e.scope for e in mine),
            learned,
        )

    def _ruled(self, case: _Case, address: str, standing: Standing) -> Verdict:
        verdict = case.verdicts.get(standing)
        if verdict is None:
            verdict = case.verdicts[standing] = _decided(case, standing)
        holding = case.holding.get(standing)
        if holding is None:
            holding = tuple(rule for rule in self.rules if rule.holds(case.sight, verdict))
            case.holding[standing] = holding
        shadows: list[Reason] = []
        for rule in holding:
            action = outcome(rule, case.sight, verdict, case.policy) if rule.is_for(address) else None
            if action is None:
                continue
            case.hits[hits_of(rule)] = None
            if rule.is_shadow:
                sentence = f"A rule on trial would {SAID[action]} it: {rule.because}"
                shadows.append(Reason(rule.name, 0.0, sentence))
                continue
            case.is_waved_through |= action is Action.ACCEPT
            return by_rule(verdict, rule, action, shadows)
        return replace(verdict, reasons=(*verdict.reasons, *shadows)) if shadows else verdict


def _decided(case: _Case, standing: Standing) -> Verdict:
    """The verdict by the evidence and thresholds of some recipients."""
    evidence = list(case.evidence)
    if standing.own is not None:
        evidence = [*(item for item in evidence if item.signal is not LOCAL), standing.own]
    if standing.is_blocked:
        evidence = [item for item in evidence if item.signal is not ALLOWED]
        evidence.append(Evidence(BLOCKED))
    elif standing.is_allowed:
        evidence.append(Evidence(ALLOWED))
    policy = case.policy
    if standing.thresholds is not None:
        policy = replace(policy, thresholds=standing.thresholds)
    model_ids = case.verdicts[Standing()].model_ids
    return decide(evidence, policy, model_ids)


def outcome(rule: Rule, sight: Sight, verdict: Verdict, policy: Policy) -> Action | None:
    """What a rule that holds does, None when it may not: then the next one is asked."""
    trusted = rule.may_soften(sight) and verdict.category not in NEVER_MILDER
    is_softer = rule.action <= Action.JUNK and (rule.action < verdict.action or rule.action is Action.ACCEPT)
    if is_softer and not trusted:
        return None
    seen = {reason.signal for reason in verdict.reasons}
    floors = [action for name, action in policy.at_least.items() if name in seen and name not in SET_ASIDE]
    return rule.action if rule.action >= max(floors, default=Action.ACCEPT) else None


def by_rule(verdict: Verdict, rule: Rule, action: Action, shadows: Sequence[Reason]) -> Verdict:
    """The verdict as a rule changes it: the sum stays, the rule is a reason that weighs nothing."""
    reasons = (*verdict.reasons, Reason(rule.name, 0.0, rule.because), *shadows)
    category = verdict.category
    if action is Action.ACCEPT and category not in {"ham", "bulk"}:
        category = "ham"
    elif action is not Action.ACCEPT and category in {"ham", "bulk"}:
        category = "policy"
    return replace(verdict, action=action, category=category, rule=rule.name, reasons=reasons)


def settled(shares: Sequence[Share]) -> tuple[Share, ...]:
    """What one reply can say. A mail is refused or deferred when that is so for all; when all are one or the other,
    it is deferred, for a refusal is final. Where others get it, who would not is held it for instead."""
    actions = {share.verdict.action for share in shares}
    if len(actions) == 1:
        return tuple(shares)
    instead = Action.DEFER if actions <= NOT_TAKEN else Action.QUARANTINE
    return tuple(
        Share(s.address, replace(s.verdict, action=instead)) if s.verdict.action in NOT_TAKEN else s for s in shares
    )
