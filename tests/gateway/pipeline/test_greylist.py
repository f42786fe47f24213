"""Greylisting: who is asked to come again, who never is, and what counts as having come."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from gateway.mailauth.results import AuthResults, SpfResult
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.greylist import FIRST, Greylist, GreylistSettings
from gateway.pipeline.judge import Judgement
from gateway.pipeline.rules import Ruled
from gateway.pipeline.verdict import Action, Reason, Verdict
from gateway.reputation.facts import SenderHistory
from store.changes.engine import Store
from tests.support.facts import NOW, authenticated, envelope, facts, mail
from tests.support.mail_store import new_store

SETTINGS = GreylistSettings(from_probability=0.4, wait_s=240)


def judged(probability: float = 0.5, action: Action = Action.ACCEPT) -> Judgement:
    return Judgement(Verdict(action, "ham", probability, (Reason("prior", 0.0, "What mail looks like"),)), (), False)


def stranger(**overrides: object) -> DataFacts:
    return facts(mail(), **overrides)


def later(of: DataFacts, seconds: float, ip: str = "") -> DataFacts:
    peer = replace(of.envelope.peer, ip=ip_address(ip)) if ip else of.envelope.peer
    return replace(of, envelope=replace(of.envelope, received_at=NOW + timedelta(seconds=seconds), peer=peer))


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = new_store()
    yield store
    await store.close()


async def is_deferred(greylist: Greylist, of: DataFacts, judgement: Judgement | None = None) -> bool:
    after = await greylist.consider(of, judgement or judged())
    assert (after.verdict.rule == FIRST.name) == (after.verdict.action is Action.DEFER)
    return after.verdict.action is Action.DEFER


@pytest.mark.parametrize(
    ("tries", "deferred"),
    [
        ([0], [True]),
        ([0, 10, 239], [True, True, True]),
        ([0, 240], [True, False]),
        ([0, 10, 300, 310], [True, True, False, False]),
        ([0, 300, 35 * 86_400], [True, False, False]),
        ([0, 300, 30 * 86_400, 60 * 86_400], [True, False, False, False]),
        ([0, 300, 40 * 86_400], [True, False, True]),
        ([0, 3 * 86_400, 3 * 86_400 + 300], [True, True, False]),
    ],
    ids=str,
)
async def test_a_stranger_comes_again(store: Store, tries: list[int], deferred: list[bool]) -> None:
    greylist = Greylist(store, SETTINGS)
    assert [await is_deferred(greylist, later(stranger(), at)) for at in tries] == deferred


async def test_another_host_of_the_network_may_come_again_and_another_network_may_not(store: Store) -> None:
    greylist = Greylist(store, SETTINGS)
    assert await is_deferred(greylist, stranger())
    assert await is_deferred(greylist, later(stranger(), 300, "198.51.100.1"))
    assert not await is_deferred(greylist, later(stranger(), 300, "192.0.2.200"))


async def test_a_proven_domain_may_come_again_from_anywhere(store: Store) -> None:
    greylist = Greylist(store, SETTINGS)
    proven = stranger(auth=AuthResults(spf_mailfrom=SpfResult("pass", "shop.example")))
    assert await is_deferred(greylist, proven)
    assert not await is_deferred(greylist, later(proven, 300, "198.51.100.1"))


async def test_other_recipients_are_another_mail_until_one_was_tried_again(store: Store) -> None:
    greylist = Greylist(store, SETTINGS)
    other = stranger(envelope=envelope("ana@shop.example", "tom@example.com"))
    assert await is_deferred(greylist, stranger())
    assert await is_deferred(greylist, later(other, 300))
    assert not await is_deferred(greylist, later(stranger(), 301))
    assert not await is_deferred(greylist, later(other, 302)), "the sender has shown that it tries again"


NEVER = {
    "ordinary": (stranger(), judged(0.3)),
    "held anyway": (stranger(), judged(0.99, Action.QUARANTINE)),
    "refused anyway": (stranger(), judged(0.999, Action.REJECT)),
    "wrote before": (stranger(history=SenderHistory(seen=1, ham=1)), judged()),
    "allowed": (stranger(history=SenderHistory(is_allowed=True)), judged()),
    "signed in": (
        stranger(envelope=replace(envelope(), peer=replace(envelope().peer, user="maria@example.com"))),
        judged(),
    ),
    "this machine": (
        stranger(envelope=replace(envelope(), peer=replace(envelope().peer, ip=ip_address("127.0.0.1")))),
        judged(),
    ),
    "only a trap": (stranger(envelope=envelope("ana@shop.example", "trap@example.com", trap=True)), judged()),
}


@pytest.mark.parametrize(("of", "judgement"), NEVER.values(), ids=NEVER.keys())
async def test_who_is_never_asked(store: Store, of: DataFacts, judgement: Judgement) -> None:
    greylist = Greylist(store, SETTINGS)
    assert await greylist.consider(of, judgement) is judgement


async def test_junk_is_asked_and_a_proven_stranger_too(store: Store) -> None:
    greylist = Greylist(store, SETTINGS)
    proven = stranger(auth=authenticated("shop.example"))
    assert await is_deferred(greylist, proven, judged(0.7, Action.JUNK))


async def test_the_reason_adds_nothing_to_the_sum(store: Store) -> None:
    before = judged()
    after = (await Greylist(store, SETTINGS).consider(stranger(), before)).verdict
    assert after.log_odds == before.verdict.log_odds
    assert after.reasons[-1].sentence.endswith("not before 240 seconds from now")


async def test_mail_that_a_rule_delivers_is_not_asked(store: Store) -> None:
    judgement = judged()
    ruled = Ruled(judgement.verdict, judgement.verdict, is_waved_through=True)
    assert not await is_deferred(Greylist(store, SETTINGS), stranger(), replace(judgement, ruled=ruled))
