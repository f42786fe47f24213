"""What was said here is asked by everybody whom it concerns, and by nobody else."""

from dataclasses import replace

import pytest

from gateway.envelope import Recipient
from gateway.learning import local
from gateway.learning.labels import label_of_octets
from gateway.learning.local import LocalOpinions
from gateway.learning.opinions import give, take_back
from gateway.pipeline.judge import Opinion
from models import artefact
from models.counters import Commonness
from models.features import Features, extract
from models.view import view_of
from store.accounts import account as accounts
from store.changes.engine import Store
from store.labels import rows as labels
from store.message.mime import parse_message
from tests.gateway.learning.test_opinions import house, label, octets
from tests.support.mail_store import START_MS as NOW

COMMON = Commonness(artefact.load().bayes.weights)
ANN, BOB = Recipient("ann@b.example", account=1), Recipient("bob@b.example", account=2)
STRANGER = Recipient("joe@c.example", account=9)


def features(raw: bytes) -> Features:
    return extract(view_of(parse_message(raw)))


async def own(opinions: LocalOpinions, *to: Recipient) -> dict[str, Opinion]:
    await opinions.catch_up()
    await opinions.prepare(to)
    return opinions.own(features(octets(name="Zoe")), COMMON, to)


async def test_a_persons_label_turns_that_persons_copies_alone() -> None:
    store, _ = await house("ann", "bob")
    opinions = LocalOpinions(store)
    assert await own(opinions, ANN, BOB) == {}
    await store.write(lambda txn: give(txn, label("1", "ann@b.example")))
    found = await own(opinions, ANN, BOB, STRANGER)
    assert list(found) == ["ann@b.example"]
    assert found["ann@b.example"].log_odds == pytest.approx(4.0)
    assert "ann@b.example called unwanted" in found["ann@b.example"].detail
    assert opinions.everybody(features(octets()), COMMON) is None


async def test_two_who_agree_turn_them_for_their_domain() -> None:
    store, _ = await house("ann", "bob", "cid")
    opinions = LocalOpinions(store)
    for number, name in enumerate(("ann", "bob")):
        await store.write(lambda txn, n=number, w=name: give(txn, label(str(n), f"{w}@b.example")))  # type: ignore[misc]
    cid = Recipient("cid@b.example", account=3)
    found = await own(opinions, cid, STRANGER)
    assert list(found) == ["cid@b.example"]
    assert found["cid@b.example"].log_odds > 3.0


async def test_ones_own_word_is_nearer_than_the_domains_and_everybodys() -> None:
    store, _ = await house("ann", "bob", "cid")
    opinions = LocalOpinions(store)
    await store.write(lambda txn: give(txn, label("0", "command line")))
    for number, name in enumerate(("ann", "bob"), 1):
        await store.write(lambda txn, n=number, w=name: give(txn, label(str(n), f"{w}@b.example")))  # type: ignore[misc]
    await store.write(lambda txn: give(txn, label("9", "cid@b.example", is_spam=False)))
    found = await own(opinions, Recipient("cid@b.example", account=3), ANN)
    assert found["cid@b.example"].log_odds < -3.0
    assert found["ann@b.example"].log_odds > 3.0
    everybody = opinions.everybody(features(octets()), COMMON)
    assert everybody is not None and everybody.log_odds > 3.0


async def test_a_label_that_is_taken_back_says_nothing_any_more() -> None:
    store, _ = await house("ann")
    opinions = LocalOpinions(store)
    await store.write(lambda txn: give(txn, label("1", "ann@b.example")))
    assert await own(opinions, ANN)
    told = await store.read(lambda view: labels.get(view, "1"))
    assert told is not None
    await store.write(lambda txn: take_back(txn, told, NOW))
    assert await own(opinions, ANN) == {}


async def test_scopes_are_followed_label_by_label(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = await house("ann")
    opinions = LocalOpinions(store)
    await store.write(lambda txn: give(txn, label("0", "ann@b.example")))
    await own(opinions, ANN)

    async def never(*_: object) -> None:
        raise AssertionError("read anew")

    monkeypatch.setattr(opinions, "_load", never)
    await store.write(lambda txn: give(txn, label("1", "ann@b.example", is_spam=False, at_ms=NOW + 1)))
    found = await own(opinions, ANN)
    assert found["ann@b.example"].log_odds == pytest.approx(-4.0)


async def test_memory_is_bounded_and_what_was_let_go_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MOST_OCTETS", 1)
    store, _ = await house("ann", "bob")
    opinions = LocalOpinions(store)
    for number, name in enumerate(("ann", "bob")):
        text = " ".join(f"{name}{word}" for word in ("one", "two", "six", "ten", "red", "blue", "green", "grey") * 4)
        raw = octets(text, "Zoe")
        one = label_of_octets(str(number), raw, True, f"{name}@b.example", NOW)
        await store.write(lambda txn, one=one: give(txn, one))  # type: ignore[misc]
    for _ in range(2):
        for each in (ANN, BOB):
            await opinions.catch_up()
            await opinions.prepare((each,))
            assert len(opinions._said) == 1


async def test_an_address_without_an_account_has_its_own_scope() -> None:
    store: Store
    store, _ = await house()
    opinions = LocalOpinions(store)
    await store.write(lambda txn: give(txn, label("1", "joe@relayed.example")))
    assert list(await own(opinions, Recipient("joe@relayed.example"))) == ["joe@relayed.example"]
    assert await own(opinions, replace(STRANGER, address="joe@relayed.example")) == {}
    assert await store.read(accounts.all_accounts) == []
