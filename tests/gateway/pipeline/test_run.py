"""Checks that fail become evidence: silence never passes a mail."""

import asyncio
import math
from collections.abc import Sequence

import pytest

from gateway.pipeline.evidence import Check, Evidence, PureCheck, Signal
from gateway.pipeline.run import ask, ask_all, ask_pure

SEEN = Signal("test.seen", "Seen: {detail}")
OTHER = Signal("test.other", "Other")


def broken(facts: str) -> Sequence[Evidence]:
    raise ValueError(facts)


def endless(facts: str) -> Sequence[Evidence]:
    raise RecursionError


PURE = {
    "sees": (lambda facts: [Evidence(SEEN, facts)], [("test.seen", "mail")]),
    "sees nothing": (lambda facts: [], []),
    "breaks": (broken, [("check.failed", "it")]),
    "goes too deep": (endless, [("check.failed", "it")]),
    "says what it did not declare": (
        lambda facts: [Evidence(OTHER), Evidence(SEEN, facts)],
        [("test.seen", "mail"), ("check.failed", "it: undeclared signal or strength")],
    ),
    "gives a strength that is no number": (
        lambda facts: [Evidence(SEEN, facts, math.nan)],
        [("check.failed", "it: undeclared signal or strength")],
    ),
    "gives no sequence": (lambda facts: None, [("check.failed", "it")]),
}


def told(evidence: Sequence[Evidence]) -> list[tuple[str, str]]:
    return [(e.signal.name, e.detail) for e in evidence]


@pytest.mark.parametrize(("run", "expected"), PURE.values(), ids=PURE)
def test_a_computing_check(run: object, expected: list[tuple[str, str]]) -> None:
    check = PureCheck("it", run, frozenset({SEEN}))  # type: ignore[arg-type]
    assert told(ask_pure([check], "mail")) == expected


@pytest.mark.parametrize(("run", "expected"), PURE.values(), ids=PURE)
async def test_an_awaiting_check(run: object, expected: list[tuple[str, str]]) -> None:
    async def awaiting(facts: str) -> Sequence[Evidence]:
        await asyncio.sleep(0)
        return run(facts)  # type: ignore[operator, no-any-return]

    assert told(await ask(Check("it", awaiting, frozenset({SEEN})), "mail")) == expected


async def test_a_check_that_takes_too_long_is_stopped() -> None:
    stopped = asyncio.Event()

    async def slow(facts: str) -> Sequence[Evidence]:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return []

    assert told(await ask(Check("slow", slow, frozenset(), 0.01), "mail")) == [("check.timeout", "slow")]
    assert stopped.is_set()


async def test_one_broken_check_does_not_silence_the_others() -> None:
    async def fine(facts: str) -> Sequence[Evidence]:
        return [Evidence(SEEN, "awaited")]

    async def breaks(facts: str) -> Sequence[Evidence]:
        raise OSError

    pure = [
        PureCheck("a", broken, frozenset()),
        PureCheck("b", lambda facts: [Evidence(SEEN, "computed")], frozenset({SEEN})),
    ]
    awaiting = [Check("c", breaks, frozenset()), Check("d", fine, frozenset({SEEN}))]
    assert told(await ask_all(pure, awaiting, "mail")) == [
        ("check.failed", "a"), ("test.seen", "computed"), ("check.failed", "c"), ("test.seen", "awaited"),
    ]  # fmt: skip


def test_a_sentence_holds_the_detail_and_nothing_is_read_into_it() -> None:
    assert Evidence(SEEN, "{detail} {0}").sentence == "Seen: {detail} {0}"
