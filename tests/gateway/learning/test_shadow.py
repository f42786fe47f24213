"""A model on trial judges what was judged, changes nothing, and its differences are counted."""

import pytest

from gateway.learning.shadow import WAITING, Shadow, Trial
from gateway.observe.stages import Stages
from gateway.pipeline.evidence import Evidence
from gateway.pipeline.judge import WORDS, Judge, Judgement
from gateway.pipeline.verdict import Action, Policy, decide
from models import artefact
from models.features import extract
from store.artefacts import rows
from store.artefacts.rows import Shelved
from store.changes.engine import Store
from tests.gateway.pipeline.test_judge import FakeScorer
from tests.support.facts import facts, mail
from tests.support.mail_store import START_MS as NOW

WEIGHTS = {"model.words": 1.0}
POLICY = Policy(0.0, WEIGHTS)
LETTER = facts(mail())


def judged(nats: float) -> Judgement:
    evidence = (Evidence(WORDS, "", nats),)
    return Judgement(decide(evidence, POLICY, ("one",)), evidence, False)


def trial(prior: float) -> Trial:
    return Trial(artefact.load(), Policy(prior, WEIGHTS))


async def on_trial(store: Store, prior: float) -> Shadow:
    model = artefact.load().id
    await store.write(lambda txn: rows.put(txn, Shelved(model, "s", NOW, "ann", {}), {}))
    await store.write(lambda txn: rows.shadow(txn, model))
    shadow = Shadow(store)
    shadow.use(trial(prior))
    return shadow


async def counted(store: Store) -> dict[tuple[str, str], int]:
    model = artefact.load().id
    return await store.read(lambda view: rows.counted(view, model))


async def test_the_words_of_the_trial_take_the_place_of_the_others() -> None:
    words = artefact.load().bayes.score(extract(LETTER.view))
    assert trial(0.0).judge(LETTER, judged(30.0)).log_odds == pytest.approx(words)
    assert trial(2.0).judge(LETTER, judged(30.0)).log_odds == pytest.approx(words + 2.0)


async def test_what_differs_is_counted_and_remembered(store: Store) -> None:
    shadow = await on_trial(store, -40.0)
    for nats in (3.0, -30.0, 0.9):
        shadow(LETTER, judged(nats))
    await shadow.compare()
    assert await counted(store) == {("quarantine", "accept"): 1, ("accept", "accept"): 1, ("junk", "accept"): 1}
    seen = await store.read(lambda view: list(rows.differences(view, artefact.load().id, NOW)))
    assert {(each.reception, each.would) for each in seen} == {(LETTER.envelope.id, "accept")}


async def test_without_a_trial_nothing_is_kept_and_a_full_queue_waits_for_nobody(store: Store) -> None:
    shadow = Shadow(store)
    shadow(LETTER, judged(0.0))
    await shadow.compare()
    shadow = await on_trial(store, 0.0)
    for _ in range(WAITING + 5):
        shadow(LETTER, judged(-30.0))
    await shadow.compare()
    assert sum((await counted(store)).values()) == WAITING


async def test_a_trial_that_breaks_down_is_passed_over(store: Store) -> None:
    shadow = await on_trial(store, 0.0)
    broken = Judgement(judged(0.0).verdict, None, False)  # type: ignore[arg-type]
    shadow(LETTER, broken)
    shadow(LETTER, judged(-30.0))
    await shadow.compare()
    assert sum((await counted(store)).values()) == 1


async def test_the_judge_tells_of_every_mail_and_its_verdict_stays() -> None:
    told: list[Judgement] = []
    judge = Judge((), (), FakeScorer(-9.0), POLICY)
    judge.watch = lambda _, judgement: told.append(judgement)
    found = await judge.judge(LETTER, Stages())
    assert told == [found]
    assert found.verdict.action is Action.ACCEPT
