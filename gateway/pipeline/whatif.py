"""What would have had to be different: the fewest signals without which a verdict would not be the one it is.

Computed from the parts of the verdict, everything else being equal. The words and the language model judge the same
text, the second as a correction of the first, so they are one thing here: without the text neither would have spoken.
Whether a change of the mail itself does it is another question, answered by judging that mail (``trial``).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.pipeline.rules import AT_LEAST, AT_MOST
from gateway.pipeline.verdict import AUTHENTIC, PRIOR, Action, Reason, Thresholds, by_threshold, log_odds, squash

WORDS = "model.words"
LANGUAGE = "model.language"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What decided beside the sum."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    at_least: Mapping[str, Action] = field(default_factory=lambda: AT_LEAST)
    at_most: Mapping[str, Action] = field(default_factory=lambda: AT_MOST)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The counterfactual of one verdict. One of the four says something."""

    without: tuple[str, ...] = ()  #: signals: without all of them the mail would (not) have been delivered
    rule: str = ""  #: the rule of the configuration that decided, whatever was seen
    missing: float = 0.0  #: nats more against a delivered mail that would have sent it to Junk
    is_hopeless: bool = False  #: without everything that speaks against it, it would still not have been delivered


def what_if(reasons: Sequence[Reason], action: Action, rule: str, bounds: Bounds) -> WhatIf:
    """The counterfactual of a verdict, from its own parts. Pure; the square of its reasons at worst."""
    names = {reason.signal for reason in reasons}
    if rule and not (rule == AUTHENTIC or rule in bounds.at_least or rule in bounds.at_most):
        return WhatIf(rule=rule)
    units = _units(reasons)
    if action is Action.ACCEPT:
        ceilings = [name for name in units if bounds.at_most.get(name) is Action.ACCEPT]
        helping = sorted(
            (name for name, nats in units.items() if nats < 0 and name not in ceilings), key=units.__getitem__
        )
        found = _fewest([*ceilings, *helping], lambda out: not is_delivered(reasons, bounds, out))
        missing = log_odds(bounds.thresholds.junk) - math.fsum(reason.nats for reason in reasons)
        return WhatIf(without=_spelt(found, names)) if found else WhatIf(missing=missing)
    floors = [name for name in units if bounds.at_least.get(name, Action.ACCEPT) > Action.ACCEPT]
    against = [n for n, _ in sorted(units.items(), key=lambda u: -u[1]) if units[n] > 0 and n not in floors]
    found = _fewest([*floors, *against], lambda out: is_delivered(reasons, bounds, out))
    return WhatIf(without=_spelt(found, names)) if found else WhatIf(is_hopeless=True)


def is_delivered(reasons: Sequence[Reason], bounds: Bounds, without: frozenset[str] = frozenset()) -> bool:
    """Whether the mail reaches the inbox when some signals had not been seen: the policy's own rules, on the sum."""
    left = [reason for reason in reasons if reason.signal not in without]
    names = {reason.signal for reason in left}
    if any(bounds.at_least.get(name, Action.ACCEPT) > Action.ACCEPT for name in names):
        return False
    if any(bounds.at_most.get(name) is Action.ACCEPT for name in names):
        return True
    return by_threshold(squash(math.fsum(reason.nats for reason in left)), bounds.thresholds) is Action.ACCEPT


def _units(reasons: Sequence[Reason]) -> dict[str, float]:
    """Nats of what can be absent by itself: each signal, both models of the text as one, and never the prior."""
    units = {reason.signal: reason.nats for reason in reasons if reason.signal != PRIOR.name}
    if WORDS in units and LANGUAGE in units:
        units[WORDS] += units.pop(LANGUAGE)
    return units


def _fewest(order: Sequence[str], is_enough: Callable[[frozenset[str]], bool]) -> tuple[str, ...]:
    """As many of ``order``, from its start, as are enough; none when all are not. What must go and the largest come
    first, so no fewer would do."""
    for count in range(1, len(order) + 1):
        if is_enough(_whole(order[:count])):
            return tuple(order[:count])
    return ()


def _whole(names: Sequence[str]) -> frozenset[str]:
    return frozenset(names) | ({LANGUAGE} if WORDS in names else frozenset())


def _spelt(found: Sequence[str], names: set[str]) -> tuple[str, ...]:
    """With the language model's correction where it spoke."""
    return tuple(
        spelt for name in found for spelt in ((name, LANGUAGE) if name == WORDS and LANGUAGE in names else (name,))
    )
