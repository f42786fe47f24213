"""Explanations on 200 real mails, with the models that are shipped: the parts are the whole, and what is said to
change a verdict does."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from gateway.checks import PURE
from gateway.learning.closer import Closer, CloserLook
from gateway.learning.scorer import ModelScorer
from gateway.main.offline import Judged, NoNetwork, Told, envelope_of
from gateway.main.services import build_judging, load_model, protected_of
from gateway.main.storage import open_store
from gateway.observe.stages import Stages
from gateway.pipeline.changes import applied
from gateway.pipeline.evidence import Evidence, PureCheck
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judge, Opinion
from gateway.pipeline.verdict import Action, Verdict, squash
from gateway.pipeline.whatif import Bounds, WhatIf, is_delivered, what_if
from gateway.settings import Config
from models.artefact import load
from models.bayes import CLIP
from models.explain import words
from models.features import extract
from models.view import MailView
from tests.support.corpus import mails

pytestmark = pytest.mark.timeout(300)  # whichever test comes first pays for all 200 mails

MAILS = 200
EXACT = 1e-6


class Muted(ModelScorer):
    """The shipped models, some of which hold their tongue."""

    muted: frozenset[str] = frozenset()

    def words(self, view: MailView) -> Opinion:
        found = super().words(view)
        return replace(found, log_odds=0.0) if "model.words" in self.muted else found

    def language(self, view: MailView, words: Opinion) -> Opinion | None:
        return None if "model.language" in self.muted else super().language(view, words)


def muted(judge: Judge, signals: frozenset[str], *, asks: bool) -> Judge:
    """The same judge, to whom some signals do not exist; the language model is asked as it was the first time."""

    def quiet(check: PureCheck[DataFacts]) -> PureCheck[DataFacts]:
        def run(facts: DataFacts) -> Sequence[Evidence]:
            return [item for item in check.run(facts) if item.signal.name not in signals]

        return PureCheck(check.name, run, check.emits)

    scorer = Muted(load(), None)
    scorer.muted = signals
    reads = asks and "model.words" not in signals
    doubt = (-1.0, 2.0) if reads else (2.0, -1.0)
    return Judge([quiet(check) for check in PURE], (), scorer, judge.policy, doubt=doubt)


@dataclass
class Explained:
    """One mail, its verdict, and what was said about it."""

    facts: DataFacts
    verdict: Verdict
    asked: bool
    what_if: WhatIf
    flipped: Verdict | None  #: of the mail without the signals of ``what_if``, judged anew
    closer: Closer | None  #: of mail that was not delivered
    changed: tuple[Verdict | None, ...]  #: of the mail with each alternative's changes, judged anew


async def _explained(judged: Judged, judge: Judge, look: CloserLook) -> Explained:
    assert judged.judgement is not None and judged.facts is not None, judged.error
    verdict, facts, policy = judged.judgement.verdict, judged.facts, judge.policy
    told = what_if(
        verdict.reasons, verdict.action, verdict.rule, Bounds(policy.thresholds, policy.at_least, policy.at_most)
    )
    asked = judged.judgement.asked_language_model
    flipped = None
    if told.without:
        without = muted(judge, frozenset(told.without), asks=asked)
        flipped = (await without.judge(facts, Stages())).verdict
    closer = await look.of_facts(facts, ()) if verdict.action is not Action.ACCEPT else None
    changed: list[Verdict | None] = []
    for found in closer.alternatives if closer is not None else ():
        mail = applied(facts, found.changes)
        changed.append((await judge.judge(mail, Stages())).verdict if mail is not None else None)
    return Explained(facts, verdict, asked, told, flipped, closer, tuple(changed))


@pytest.fixture(scope="module")
def explained() -> list[Explained]:
    corpus = mails(MAILS)

    async def run() -> list[Explained]:
        config = Config()
        with ThreadPoolExecutor(1) as threads:
            store = await open_store(None)
            judging = build_judging(config, load_model(config), store, None, threads, NoNetwork())
            look = CloserLook(judging.judge, judging.scorer, protected_of(config))
            found = []
            for octets in corpus:
                facts = await judging.gatherer.facts(envelope_of(octets, Told()), octets, Stages())
                judgement = await judging.judge.judge(facts, Stages())
                found.append(await _explained(Judged("", judgement, facts, {}), judging.judge, look))
            await judging.close()
            await store.close()
        return found

    return asyncio.run(run())


def test_the_parts_sum_to_the_log_odds(explained: list[Explained]) -> None:
    assert len(explained) == MAILS
    for each in explained:
        assert sum(reason.nats for reason in each.verdict.reasons) == pytest.approx(each.verdict.log_odds, abs=EXACT)
        assert squash(each.verdict.log_odds) == pytest.approx(each.verdict.probability, abs=EXACT)
    assert sum(each.asked for each in explained) >= 5, "some of them were read by the language model"


def test_without_the_signals_that_are_named_the_verdict_is_the_other_one(explained: list[Explained]) -> None:
    """Through the judge: the checks and models are asked again, and these hold their tongue."""
    told = [each for each in explained if each.what_if.without]
    stuck = [each for each in told if each.flipped is not None]
    assert len(stuck) == len(told)
    wrong = [
        (each.what_if.without, each.verdict.probability, each.flipped.probability)
        for each in stuck
        if each.flipped is not None and (each.flipped.action is Action.ACCEPT) == (each.verdict.action is Action.ACCEPT)
    ]
    assert wrong == []
    withheld = [each for each in explained if each.verdict.action is not Action.ACCEPT]
    assert all(each.what_if.without for each in withheld)
    assert len(withheld) >= 40
    delivered = [each for each in told if each.verdict.action is Action.ACCEPT]
    assert len(delivered) >= 5, "for delivered mail, too"


def test_what_is_missing_to_a_delivered_mail_is_exactly_that_much(explained: list[Explained]) -> None:
    bounds = Bounds()
    for each in explained:
        if each.what_if.missing:
            missing = each.verdict.reasons[0]
            for more, is_in in ((each.what_if.missing + EXACT, False), (each.what_if.missing - EXACT, True)):
                reasons = (replace(missing, nats=missing.nats + more), *each.verdict.reasons[1:])
                assert is_delivered(reasons, bounds) is is_in


def test_the_mail_with_the_changes_that_are_named_is_delivered(explained: list[Explained]) -> None:
    """Links, fields and sentences are taken out of the mail itself, and what is left goes through everything again."""
    looked = [each for each in explained if each.closer is not None]
    named = [each for each in looked if each.changed]
    for each in named:
        assert each.closer is not None
        for found, verdict in zip(each.closer.alternatives, each.changed, strict=True):
            assert verdict is not None, found.changes
            assert verdict.action is Action.ACCEPT, found.changes
            assert verdict.log_odds == pytest.approx(found.verdict.log_odds, abs=EXACT)
    assert len(named) * 3 >= len(looked) * 2, "for two of three of them a change is known"


def test_a_closer_look_judges_as_the_first_one_did(explained: list[Explained]) -> None:
    for each in explained:
        if each.closer is not None:
            assert each.closer.verdict.log_odds == pytest.approx(each.verdict.log_odds, abs=EXACT)


def test_the_words_sum_to_what_the_word_model_says(explained: list[Explained]) -> None:
    bayes = load().bayes
    for each in explained:
        features = extract(each.facts.view)
        raw = bayes.raw(features)
        told = words(bayes, each.facts.view, features)
        assert told.unclipped == pytest.approx(bayes.calibration(raw.complement, raw.linear, raw.window), abs=EXACT)
        assert told.nats == pytest.approx(min(CLIP, max(-CLIP, told.unclipped)), abs=EXACT)
        reason = next(r for r in each.verdict.reasons if r.signal == "model.words")
        assert reason.nats == pytest.approx(told.nats, abs=EXACT), "its weight is one"
