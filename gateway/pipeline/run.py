"""Ask every check, and turn a check that fails into evidence: silence never passes a mail."""

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

import structlog

from gateway.pipeline.evidence import Check, Evidence, PureCheck, Signal

F = TypeVar("F")
T = TypeVar("T")
Given = TypeVarTuple("Given")
log = structlog.get_logger()

CHECK_FAILED = Signal("check.failed", "A check broke down and could not give its opinion: {detail}")
CHECK_TIMEOUT = Signal("check.timeout", "A check took too long and was stopped: {detail}")

EMITS = frozenset({CHECK_FAILED, CHECK_TIMEOUT})


async def beside(threads: Executor | None, work: Callable[[Unpack[Given]], T], *given: *Given) -> T:
    """Compute beside the event loop; without threads, at once: where one mail is judged at a time nobody waits."""
    if threads is None:
        return work(*given)
    return await asyncio.get_running_loop().run_in_executor(threads, work, *given)


def ask_pure(checks: Sequence[PureCheck[F]], facts: F) -> list[Evidence]:
    """Run computing checks one after another in this thread; each failure becomes evidence."""
    found: list[Evidence] = []
    for check in checks:
        found += _guarded(check.name, check.emits, lambda c=check: c.run(facts))  # type: ignore[misc]
    return found


def _guarded(name: str, emits: frozenset[Signal], run: Callable[[], Sequence[Evidence]]) -> Sequence[Evidence]:
    try:
        return declared(name, emits, run())
    except Exception as error:  # the one boundary where a broken check becomes evidence
        log.error("check.failed", check=name, error=repr(error), exc_info=error)
        return [Evidence(CHECK_FAILED, name)]


def declared(name: str, emits: frozenset[Signal], found: Sequence[Evidence]) -> Sequence[Evidence]:
    """Refuse evidence of signals that the check did not declare, and strengths that are no numbers: none may vanish."""
    bad = [e for e in found if e.signal not in emits or not math.isfinite(e.strength)]
    if not bad:
        return found
    log.error("check.undeclared", check=name, signals=[e.signal.name for e in bad])
    return [e for e in found if e not in bad] + [Evidence(CHECK_FAILED, f"{name}: undeclared signal or strength")]


async def ask(check: Check[F], facts: F) -> Sequence[Evidence]:
    """One awaiting check, within its budget."""
    try:
        async with asyncio.timeout(check.budget_s):
            return declared(check.name, check.emits, await check.run(facts))
    except TimeoutError:
        log.warning("check.timeout", check=check.name, budget_s=check.budget_s)
        return [Evidence(CHECK_TIMEOUT, check.name)]
    except Exception as error:  # the one boundary where a broken check becomes evidence
        log.error("check.failed", check=check.name, error=repr(error), exc_info=error)
        return [Evidence(CHECK_FAILED, check.name)]


async def ask_all(
    pure: Sequence[PureCheck[F]], awaiting: Sequence[Check[F]], facts: F, threads: Executor | None = None
) -> tuple[Evidence, ...]:
    """All checks: the computing ones in one worker thread, the awaiting ones concurrently beside it."""
    loop = asyncio.get_running_loop()
    computed = loop.run_in_executor(threads, ask_pure, pure, facts)
    others: list[Any] = [ask(check, facts) for check in awaiting]
    results = await asyncio.gather(computed, *others)
    return tuple(e for result in results for e in result)
