"""Block and allow entries made by people here."""

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

BLOCKED = Signal("lists.blocked", "The sender is on the block list", "policy")
ALLOWED = Signal("lists.allowed", "The sender is on the allow list and proved to be who it says", "")

EMITS = frozenset({BLOCKED, ALLOWED})


def look(facts: DataFacts) -> list[Evidence]:
    if facts.history.is_blocked:
        return [Evidence(BLOCKED)]
    return [Evidence(ALLOWED)] if facts.history.is_allowed else []


CHECK: PureCheck[DataFacts] = PureCheck("lists", look, EMITS)
