"""What may not leave the house unseen: by rules of the configuration, on outgoing mail only.

These signals say nothing about spam and weigh nothing; they decide by themselves (``FLOORS``). Findings are counted and
never repeated in a detail: a trace must not become the leak.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.content import secrets
from gateway.content.written import text_of
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.verdict import Action
from gateway.settings import patterns
from gateway.settings.outbound import DlpRule

NOTED = Signal("dlp.noted", "The mail holds something that a rule watches for: {detail}", "policy")
HELD = Signal("dlp.held", "The mail holds something that may not leave unseen: {detail}", "policy")
REFUSED = Signal("dlp.refused", "The mail holds something that may not leave: {detail}", "policy")
UNREAD = Signal("dlp.unread", "The mail holds more text than its rules could read in time: {detail}", "policy")

EMITS = frozenset({NOTED, HELD, REFUSED, UNREAD})
#: The mildest action each allows.
FLOORS: Mapping[str, Action] = {
    HELD.name: Action.QUARANTINE,
    UNREAD.name: Action.QUARANTINE,
    REFUSED.name: Action.REJECT,
}
_BY_ACTION = {"note": NOTED, "hold": HELD, "refuse": REFUSED}

SECONDS = 0.5  #: for one pattern over one mail


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to run."""

    name: str
    signal: Signal
    find: str = ""
    pattern: re.Pattern[str] | None = None
    at_least: int = 1
    internal: bool = False

    def count(self, text: str) -> int:
        """How many different findings. Raises patterns.Overrun."""
        if self.pattern is None:
            return secrets.count(self.find, text)
        found: set[str] = set()
        for each in patterns.findings(self.pattern, text, SECONDS):
            found.add(each.casefold())
            if len(found) >= self.at_least:
                break
        return len(found)


def rule_of(settings: DlpRule) -> Rule:
    """Raises patterns.BadPattern."""
    pattern: re.Pattern[str] | None = None
    if settings.words:
        marks = "|".join(r"[ \t_-]{1,4}".join(map(re.escape, mark.split())) for mark in settings.words)
        pattern = re.compile(rf"(?<!\w)(?:{marks})(?!\w)", re.IGNORECASE)
    elif settings.pattern:
        pattern = patterns.bounded(settings.pattern)
    return Rule(settings.name, _BY_ACTION[settings.then], settings.find, pattern, settings.at_least, settings.internal)


def check(rules: Sequence[Rule]) -> PureCheck[DataFacts]:
    return PureCheck("dlp", lambda facts: list(_look(facts, rules)), EMITS)


def _look(facts: DataFacts, rules: Sequence[Rule]) -> Iterator[Evidence]:
    if facts.sending is None:
        return
    due = [rule for rule in rules if rule.internal or facts.sending.outside]
    if not due:
        return
    text = text_of(facts.message, facts.view)
    for rule in due:
        try:
            count = rule.count(text)
        except patterns.Overrun:
            yield Evidence(UNREAD, rule.name)
            continue
        if count >= rule.at_least:
            yield Evidence(rule.signal, f"{rule.name} ({count})")
