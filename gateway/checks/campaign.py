"""The same text elsewhere, and too much of it at once: what one mail alone cannot tell."""

import math

from gateway.checks.sender import is_proven
from gateway.content.hosts import to_ascii
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

NEAR_TRAP = Signal("campaign.near-trap", "A spam trap received nearly the same text not long ago", "spam")
WIDESPREAD = Signal("campaign.widespread", "Many strangers wrote nearly the same text today: {detail}", "spam")
BOMBING = Signal("flood.sign-ups", "Strangers' programs flood the recipient with mail: {detail}", "spam")

EMITS = frozenset({NEAR_TRAP, WIDESPREAD, BOMBING})

_STRANGERS = 4  #: domains that wrote the same before this mail
_FLOOD = 20  #: automatic mails by strangers in an hour or two


def look(facts: DataFacts) -> list[Evidence]:
    history = facts.history
    found: list[Evidence] = []
    if history.near_trap and not history.trap_campaign:  # the exact copy is said by itself
        found.append(Evidence(NEAR_TRAP))
    if history.strangers >= _STRANGERS and not is_proven(facts, to_ascii(facts.content.from_domain)):
        found.append(Evidence(WIDESPREAD, f"{history.strangers} domains", min(1.5, history.strangers / 8 + 0.5)))
    if history.flood >= _FLOOD and history.is_first_contact:
        detail = f"{history.flood} in two hours"
        found.append(Evidence(BOMBING, detail, min(2.0, math.log10(history.flood) / math.log10(_FLOOD))))
    return found


CHECK: PureCheck[DataFacts] = PureCheck("campaign", look, EMITS)
