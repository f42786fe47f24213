"""The string that every spam filter agrees to call spam, so that people can see theirs work."""

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

GTUBE = Signal("gtube", "The mail holds the test string for spam filters", "spam")
EMITS = frozenset({GTUBE})

_STRING = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def look(facts: DataFacts) -> list[Evidence]:
    view = facts.view
    return [Evidence(GTUBE)] if any(_STRING in text for text in (view.text, view.plain_text, view.subject)) else []


CHECK: PureCheck[DataFacts] = PureCheck("gtube", look, EMITS)
