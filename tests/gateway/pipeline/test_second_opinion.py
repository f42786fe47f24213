"""The judge and a second opinion: asked in doubt alone, at the end, and able to raise suspicion only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.checks.opinion import NOTHING, SUSPICIOUS, UNAVAILABLE
from gateway.observe.stages import Stages
from gateway.pipeline.evidence import Evidence
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judge, Judgement
from gateway.pipeline.verdict import Action, Policy
from tests.gateway.pipeline.test_judge import WEIGHTS, FakeScorer
from tests.support.facts import authenticated, facts, mail


@dataclass(slots=True)
class FakeSecond:
    """Says what the test says, and counts."""

    says: Sequence[Evidence]
    asked: list[DataFacts] = field(default_factory=list)

    def wants(self, probability: float) -> bool:
        return 0.3 < probability < 0.85

    async def about(self, facts: DataFacts) -> Sequence[Evidence]:
        self.asked.append(facts)
        return self.says


async def judged(second: FakeSecond, words: float, weight: float = 1.2, **known: object) -> Judgement:
    scorer = FakeScorer(says_words=words, has_language=False)
    judge = Judge((), (), scorer, Policy(0.0, {**WEIGHTS, SUSPICIOUS.name: weight}))
    judge.second = second
    stages = Stages()
    judgement = await judge.judge(facts(mail(), **known), stages)
    assert ("opinion" in stages.ms) is bool(second.asked)
    return judgement


async def test_suspicion_can_send_a_doubtful_mail_to_junk() -> None:
    second = FakeSecond([Evidence(SUSPICIOUS, "phish (100%)", 1.0)])
    judgement = await judged(second, 0.2)
    assert judgement.verdict.action is Action.JUNK
    assert judgement.verdict.log_odds == pytest.approx(1.4)
    assert len(second.asked) == 1


@pytest.mark.parametrize("words", [-4.0, -1.0, 3.0, 6.0])
async def test_nobody_is_asked_about_what_is_clear(words: float) -> None:
    second = FakeSecond([Evidence(SUSPICIOUS)])
    await judged(second, words)
    assert second.asked == []


@pytest.mark.parametrize("signal", [NOTHING, UNAVAILABLE], ids=["nothing to add", "not to be had"])
async def test_an_opinion_worth_nothing_changes_nothing(signal: object) -> None:
    judgement = await judged(FakeSecond([Evidence(signal, "x")]), 0.2)  # type: ignore[arg-type]
    assert judgement.verdict.log_odds == pytest.approx(0.2)
    assert any(e.signal is signal for e in judgement.evidence)


@pytest.mark.parametrize(("strength", "weight"), [(-1.0, 1.2), (1.0, -3.0)], ids=["strength", "weight"])
async def test_an_opinion_can_never_clear_a_mail(strength: float, weight: float) -> None:
    judgement = await judged(FakeSecond([Evidence(SUSPICIOUS, "", strength)]), 0.6, weight)
    assert judgement.verdict.action is Action.JUNK
    assert judgement.verdict.log_odds == pytest.approx(0.6)
    assert SUSPICIOUS not in {e.signal for e in judgement.evidence}


async def test_an_opinion_about_wording_does_not_hold_mail_of_an_authentic_author() -> None:
    from gateway.checks.auth import CHECK

    scorer = FakeScorer(says_words=1.6, has_language=False)
    judge = Judge((CHECK,), (), scorer, Policy(0.0, {**WEIGHTS, SUSPICIOUS.name: 1.2}))
    judge.second = FakeSecond([Evidence(SUSPICIOUS, "spam (100%)", 1.0)])
    verdict = (await judge.judge(facts(mail(), auth=authenticated("shop.example")), Stages())).verdict
    assert verdict.probability > 0.85 and verdict.action is Action.JUNK


async def test_other_looks_at_a_mail_ask_nobody() -> None:
    second = FakeSecond([Evidence(SUSPICIOUS)])
    judge = Judge((), (), FakeScorer(says_words=0.2, has_language=False), Policy(0.0, WEIGHTS))
    judge.second = second
    await judge.beside(()).judge(facts(mail()), Stages())
    assert second.asked == []
