"""What earlier mail from this sender tells."""

import math

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

FIRST = Signal("history.first-contact", "This sender has never written here before", "")
GOOD = Signal("history.good", "This sender's earlier mail was wanted: {detail}", "")
BAD = Signal("history.bad", "This sender's earlier mail was unwanted: {detail}", "spam")

EMITS = frozenset({FIRST, GOOD, BAD})
_ENOUGH = 3  #: mails of one kind before history says anything


def look(facts: DataFacts) -> list[Evidence]:
    history = facts.history
    if history.is_first_contact:
        return [Evidence(FIRST)]
    total = history.ham + history.spam
    if history.spam >= _ENOUGH and history.spam * 2 >= total:
        return [Evidence(BAD, f"{history.spam} of {total}", _grown(history.spam))]
    if history.ham >= _ENOUGH and history.spam * 10 <= history.ham:
        return [Evidence(GOOD, f"{history.ham} of {total}", _grown(history.ham))]
    return []


def _grown(count: int) -> float:
    """A third at three mails, one at thirty, never above 1.5: trust grows slowly and has an end."""
    return min(1.5, math.log10(count) / math.log10(30))


CHECK: PureCheck[DataFacts] = PureCheck("first_contact", look, EMITS)
