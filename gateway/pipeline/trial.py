"""Judging a mail that was changed, to say what would have become of it. Nothing is claimed that was not judged."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.pipeline.changes import Change, applied
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.verdict import Action, Verdict

READINGS = 48  #: mails judged for one answer, at most
SECONDS = 10.0  #: after which no further mail is judged; a large one takes long to read
ALONE = 16  #: changes that are tried alone
ALTERNATIVES = 3  #: single changes that would each do, which are named

Rejudge = Callable[[DataFacts], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Alternative:
    """Changes that, made together, let a mail be delivered, and its verdict then."""

    changes: tuple[Change, ...]
    verdict: Verdict


@dataclass(slots=True)
class _Trial:
    """The readings that are left."""

    rejudge: Rejudge
    facts: DataFacts
    left: int = READINGS
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    async def of(self, changes: Sequence[Change]) -> Verdict | None:
        """The verdict of the changed mail; None when it cannot be made, or no reading is left."""
        if self.left <= 0 or time.monotonic() > self.until:
            return None
        changed = await asyncio.to_thread(applied, self.facts, changes)
        if changed is None:
            return None
        self.left -= 1
        return await self.rejudge(changed)


async def alternatives(
    rejudge: Rejudge, facts: DataFacts, thinkable: Sequence[Change], readings: int = READINGS
) -> tuple[Alternative, ...]:
    """What would have let a mail be delivered: single changes where one does, else a few that do together.

    ``thinkable`` is in the order of promise. Nothing when even all of them would not do.
    """
    trial = _Trial(rejudge, facts, readings)
    alone = [(change, verdict) for change in thinkable[:ALONE] if (verdict := await trial.of((change,))) is not None]
    enough = [Alternative((change,), verdict) for change, verdict in alone if verdict.action is Action.ACCEPT]
    if enough:
        return tuple(sorted(enough, key=lambda each: each.verdict.log_odds)[:ALTERNATIVES])
    alone.sort(key=lambda pair: (pair[1].action, pair[1].log_odds))
    order = [change for change, _ in alone] + list(thinkable[ALONE:])
    found = await _shortest(trial, order)
    return (await _thinned(trial, found),) if found is not None else ()


async def _shortest(trial: _Trial, order: Sequence[Change]) -> Alternative | None:
    """A start of ``order`` that does, two changes more at a time: near the end, less text is not always better."""
    for count in range(2, len(order) + 2, 2):
        verdict = await trial.of(order[:count])
        if verdict is not None and verdict.action is Action.ACCEPT:
            return Alternative(tuple(order[:count]), verdict)
    return None


async def _thinned(trial: _Trial, found: Alternative) -> Alternative:
    """Without the changes that turn out not to be needed."""
    for change in found.changes[:-1]:
        fewer = tuple(each for each in found.changes if each != change)
        verdict = await trial.of(fewer)
        if verdict is not None and verdict.action is Action.ACCEPT:
            found = Alternative(fewer, verdict)
    return found
