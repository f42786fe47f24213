"""Judging one mail: the cheap evidence first, the language model in doubt, and what breaks is evidence."""

import asyncio
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from gateway.envelope import Recipient
from gateway.observe.stages import Stages
from gateway.pipeline.evidence import Check, Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judge, Judgement, Opinion
from gateway.pipeline.verdict import Action, Policy
from models.view import MailView
from tests.support.facts import facts, mail

LURE = Signal("lure.gift", "Offers a gift", "phish")
SOURCE = Signal("source.known", "Known elsewhere")
WEIGHTS = {"model.words": 1.0, "model.local": 1.0, "model.language": 1.0, "lure.gift": 0.1, "source.known": 1.0}
POLICY = Policy(0.0, WEIGHTS, at_least={"check.failed": Action.QUARANTINE})


@dataclass(slots=True)
class FakeScorer:
    """Opinions as the test says; an exception is raised."""

    says_words: float | Exception = 0.0
    says_local: float | Exception | None = None
    says_language: Opinion | Exception | None = field(default_factory=lambda: Opinion(3.0, "phish (97%)", "phish"))
    hangs: threading.Event | None = None
    says_own: dict[str, Opinion] | Exception = field(default_factory=dict)
    model_ids: tuple[str, ...] = ("fake-1",)
    has_language: bool = True
    asked: list[str] = field(default_factory=list)

    def words(self, view: MailView) -> Opinion:
        self.asked.append("words")
        if isinstance(self.says_words, Exception):
            raise self.says_words
        return Opinion(self.says_words, "gift, now")

    def local(self, view: MailView) -> Opinion | None:
        if isinstance(self.says_local, Exception):
            raise self.says_local
        return Opinion(self.says_local, "like another") if self.says_local is not None else None

    async def prepare(self, to: Sequence[Recipient]) -> None:
        self.asked.append("prepare")

    def own(self, view: MailView, to: Sequence[Recipient]) -> Mapping[str, Opinion]:
        if isinstance(self.says_own, Exception):
            raise self.says_own
        return self.says_own

    def language(self, view: MailView, words: Opinion) -> Opinion | None:
        self.asked.append("language")
        if self.hangs is not None:
            self.hangs.wait(20)
        if isinstance(self.says_language, Exception):
            raise self.says_language
        return self.says_language


async def judged(
    scorer: FakeScorer,
    *,
    pure: Sequence[PureCheck[DataFacts]] = (),
    awaiting: Sequence[Check[DataFacts]] = (),
    budget_s: float = 20.0,
) -> Judgement:
    judge = Judge(pure, awaiting, scorer, POLICY, doubt=(0.02, 0.98), language_budget_s=budget_s)
    return await judge.judge(facts(mail()), Stages())


def nats(judgement: Judgement) -> dict[str, float]:
    return {r.signal: r.nats for r in judgement.verdict.reasons if r.signal != "prior"}


async def test_every_opinion_is_a_reason() -> None:
    found = await judged(FakeScorer(1.0, 0.5))
    assert nats(found) == {"model.words": 1.0, "model.local": 0.5, "model.language": 3.0}
    assert found.verdict.log_odds == 4.5
    assert found.verdict.model_ids == ("fake-1",)
    assert {e.signal.name: e.detail for e in found.evidence}["model.words"] == "gift, now"


IN_DOUBT = {-5.0: False, -3.9: False, -3.8: True, 0.0: True, 3.8: True, 3.9: False, 5.0: False}


@pytest.mark.parametrize(("log_odds", "expected"), IN_DOUBT.items(), ids=str)
async def test_the_language_model_is_asked_only_in_doubt(log_odds: float, expected: bool) -> None:
    """Between 2 % and 98 %, that is 3.89 nats to either side."""
    scorer = FakeScorer(log_odds)
    found = await judged(scorer)
    assert ("language" in scorer.asked) == expected == found.asked_language_model


async def test_the_category_follows_what_the_language_model_says() -> None:
    assert (await judged(FakeScorer(0.5))).verdict.category == "phish"
    other = FakeScorer(0.5, says_language=Opinion(3.0, "spam", "spam"))
    assert (await judged(other)).verdict.category == "spam"


async def test_a_lure_in_a_harmless_mail_is_read_whatever_the_odds() -> None:
    lure = PureCheck("lure", lambda facts: [Evidence(LURE)], frozenset({LURE}))
    scorer = FakeScorer(-9.0)
    assert (await judged(scorer, pure=[lure])).asked_language_model
    assert not (await judged(FakeScorer(-9.0))).asked_language_model
    assert nats(await judged(scorer, pure=[lure]))["model.language"] == 3.0


async def test_a_lure_in_a_mail_that_is_lost_anyway_is_not_read() -> None:
    lure = PureCheck("lure", lambda facts: [Evidence(LURE)], frozenset({LURE}))
    assert not (await judged(FakeScorer(9.0), pure=[lure])).asked_language_model


async def test_without_a_language_model_the_cheap_verdict_stands() -> None:
    found = await judged(FakeScorer(1.0, says_language=None))
    assert nats(found) == {"model.words": 1.0}


async def test_a_language_model_that_takes_too_long_leaves_the_cheap_verdict() -> None:
    hangs = threading.Event()
    try:
        found = await judged(FakeScorer(1.0, hangs=hangs), budget_s=0.02)
    finally:
        hangs.set()
    assert nats(found) == {"model.words": 1.0, "model.unread": 0.0}
    assert (found.verdict.action, found.asked_language_model) == (Action.JUNK, True)


BROKEN = {
    "words raise": FakeScorer(ValueError("bad")),
    "words give no number": FakeScorer(math.nan),
    "words are sure beyond measure": FakeScorer(-math.inf),
    "likeness raises": FakeScorer(-9.0, KeyError("bad")),
    "likeness gives no number": FakeScorer(-9.0, math.nan),
    "own opinions raise": FakeScorer(-9.0, says_own=KeyError("bad")),
    "own opinions give no number": FakeScorer(-9.0, says_own={"maria@example.com": Opinion(math.nan, "?")}),
    "language raises": FakeScorer(0.0, says_language=RuntimeError("bad")),
    "language gives no number": FakeScorer(0.0, says_language=Opinion(math.nan, "?")),
}


@pytest.mark.parametrize("scorer", BROKEN.values(), ids=BROKEN)
async def test_a_model_that_breaks_down_is_evidence(scorer: FakeScorer) -> None:
    found = await judged(scorer)
    assert "check.failed" in nats(found)
    assert (found.verdict.action, found.verdict.rule) == (Action.QUARANTINE, "check.failed")
    assert math.isfinite(found.verdict.probability)


async def test_sources_are_asked_beside_the_checks() -> None:
    async def source(facts: DataFacts) -> Sequence[Evidence]:
        return [Evidence(SOURCE, strength=2.0)]

    stages = Stages()
    judge = Judge((), [Check("source", source, frozenset({SOURCE}))], FakeScorer(5.0), POLICY)
    found = await judge.judge(facts(mail()), stages)
    assert nats(found)["source.known"] == 2.0
    assert set(stages.ms) == {"checks", "words", "sources"}


async def test_when_nobody_waits_for_the_verdict_the_sources_are_let_go() -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def source(facts: DataFacts) -> Sequence[Evidence]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()
        return []

    task = asyncio.create_task(judged(FakeScorer(), awaiting=[Check("source", source, frozenset(), 60.0)]))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        await let_go.wait()
