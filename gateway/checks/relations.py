"""What people here said and wrote: answers to their own mail, their word on a sender, and the company he keeps."""

import math

from gateway.checks.sender import is_proven
from gateway.content.hosts import to_ascii
from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

REPLY = Signal("history.reply", "The mail answers one that its recipient wrote to this address", "", "5322 §3.6.4")
HAM = Signal("history.confirmed-ham", "Readers here called mail from this sender wanted: {detail}", "")
SPAM = Signal("history.confirmed-spam", "Readers here called mail from this sender spam: {detail}", "spam")
NETWORK = Signal("history.network-bad", "Mail from this network was mostly unwanted of late: {detail}", "spam")
SIGNER = Signal("history.signer-bad", "The domain that signs this mail mostly sent unwanted mail: {detail}", "spam")
FOREIGN = Signal(
    "history.foreign-reply", "Somebody answers a mail that was written to others: {detail}", "bec", "5322 §3.6.4"
)

EMITS = frozenset({REPLY, HAM, SPAM, NETWORK, SIGNER, FOREIGN})

_ONE = 0.5  #: what is left of one person's word after ``HALF_LIFE_DAYS``; below it nothing is said
_ENOUGH = 8.0  #: mails of a network or a signer before their share says anything
_MOSTLY = 0.8


def look(facts: DataFacts) -> list[Evidence]:
    history = facts.history
    found: list[Evidence] = []
    if history.is_reply:
        found.append(Evidence(REPLY))
    elif history.is_foreign_reply:
        found += _foreign(facts)
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


def _foreign(facts: DataFacts) -> list[Evidence]:
    """A thread that somebody overheard. Colleagues and lists answer honestly for others; so do people with two
    addresses, who prove theirs and are known."""
    if not facts.content.from_ or facts.message.headers.first("List-Id"):
        return []
    domain = to_ascii(facts.content.from_domain)
    proven = is_proven(facts, domain)
    if proven and (facts.history.ham or any(same_organisation(domain, own) for own in facts.protected.own_domains)):
        return []
    return [Evidence(FOREIGN, facts.content.from_[0].email[:100], 0.4 if proven else 1.0)]


def _times(count: float) -> str:
    whole = max(1, round(count))
    return "once" if whole == 1 else f"{whole} times"


def _grown(count: float) -> float:
    """A half at one person's word, one at ten, never above 1.5."""
    return min(1.5, max(0.25, 0.5 + math.log10(count) / 2))


CHECK: PureCheck[DataFacts] = PureCheck("relations", look, EMITS)
