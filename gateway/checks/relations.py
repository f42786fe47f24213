"""What people here said and wrote: answers to their own mail, their word on a sender, and the company he keeps."""

import math

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

REPLY = Signal("history.reply", "The mail answers one that its recipient wrote to this address", "", "5322 §3.6.4")
HAM = Signal("history.confirmed-ham", "Readers here called mail from this sender wanted: {detail}", "")
SPAM = Signal("history.confirmed-spam", "Readers here called mail from this sender spam: {detail}", "spam")
NETWORK = Signal("history.network-bad", "Mail from this network was mostly unwanted of late: {detail}", "spam")
SIGNER = Signal("history.signer-bad", "The domain that signs this mail mostly sent unwanted mail: {detail}", "spam")

EMITS = frozenset({REPLY, HAM, SPAM, NETWORK, SIGNER})

_ONE = 0.5  #: what is left of one person's word after ``HALF_LIFE_DAYS``; below it nothing is said
_ENOUGH = 8.0  #: mails of a network or a signer before their share says anything
_MOSTLY = 0.8


def look(facts: DataFacts) -> list[Evidence]:
    history = facts.history
    found: list[Evidence] = []
    if history.is_reply:
        found.append(Evidence(REPLY))
    good, bad = history.confirmed_ham, history.confirmed_spam
    if bad >= _ONE and bad > good:
        found.append(Evidence(SPAM, _times(bad), _grown(bad)))
    elif good >= _ONE and good >= bad * 10:
        found.append(Evidence(HAM, _times(good), _grown(good)))
    for signal, ham, spam in (
        (NETWORK, history.network_ham, history.network_spam),
        (SIGNER, history.signer_ham, history.signer_spam),
    ):
        if ham + spam >= _ENOUGH and spam >= _MOSTLY * (ham + spam):
            found.append(Evidence(signal, f"{spam / (ham + spam):.0%}"))
    return found


def _times(count: float) -> str:
    whole = max(1, round(count))
    return "once" if whole == 1 else f"{whole} times"


def _grown(count: float) -> float:
    """A half at one person's word, one at ten, never above 1.5."""
    return min(1.5, max(0.25, 0.5 + math.log10(count) / 2))


CHECK: PureCheck[DataFacts] = PureCheck("relations", look, EMITS)
