"""Spam traps: addresses nobody ever gave away. Who writes to one, and what is written, is unwanted elsewhere, too."""

import math

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

RECIPIENT = Signal("trap.recipient", "The mail is also addressed to a spam trap", "trap")
CAMPAIGN = Signal("trap.campaign", "A spam trap received the same text not long ago", "spam")
SENDER = Signal("trap.sender", "This sender or network has written to spam traps: {detail}", "spam")

EMITS = frozenset({RECIPIENT, CAMPAIGN, SENDER})


def look(facts: DataFacts) -> list[Evidence]:
    found: list[Evidence] = []
    if any(r.is_trap for r in facts.envelope.rcpt_to):
        found.append(Evidence(RECIPIENT))  # without the trap's address: recipients read the reasons, too
    if facts.history.trap_campaign:
        found.append(Evidence(CAMPAIGN))
    hits = facts.history.trap_hits
    if hits > 0:
        times = math.ceil(hits)
        strength = min(2.0, max(0.2, 0.6 + math.log10(hits)))  # it fades with the hits
        found.append(Evidence(SENDER, "once" if times == 1 else f"{times} times", strength))
    return found


CHECK: PureCheck[DataFacts] = PureCheck("trap", look, EMITS)
