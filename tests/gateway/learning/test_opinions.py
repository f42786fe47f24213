"""Whose word counts for whom, what a contradiction does, and that everything said can be taken back exactly."""

import pytest
from msgspec.structs import replace

from gateway.learning import opinions
from gateway.learning.labels import label_of_octets
from gateway.learning.opinions import give, person, take_back
from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import Store, StoreTxn, StoreView
from store.labels import rows as labels
from store.labels.rows import EVERYBODY, Label, scope
from store.schema import keys
from store.trace import rows as trace
from store.trace.rows import ReasonRow, Trace
from tests.support.facts import mail
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import assert_sound, new_store

WORDS = " ".join(first + second for first in ("gold", "free", "gift", "win") for second in ("er", "ing", "ness", "ly"))
HOUSE = scope("@b.example")


def octets(text: str = WORDS, name: str = "Ann") -> bytes:
    return mail(f"Dear {name}, {text}").replace("\n", "\r\n").encode()


def label(name: str, by: str, *, is_spam: bool = True, text: str = WORDS, at_ms: int = NOW) -> Label:
    return label_of_octets(name, octets(text, name), is_spam, by, at_ms)


async def house(*people: str, admin: str = "") -> tuple[Store, dict[str, Account]]:
    store = new_store()
    made: dict[str, Account] = {}
    for name in people:
        roles = ("admin",) if name == admin else ()

        def body(txn: StoreTxn, name: str = name, roles: tuple[str, ...] = roles) -> Account:
            return accounts.create(txn, f"{name}@b.example", name, "", NOW // 1000, roles=roles)

        made[name] = await store.write(body)
    return store, made


async def say(store: Store, one: Label) -> bool:
    return await store.write(lambda txn: give(txn, one, "move"))


async def places(store: Store, name: str) -> list[set[bytes]]:
    return [set(each.places) for each in await store.read(lambda view: labels.opinions(view, name))]


async def agreed(store: Store, names: int) -> list[bool]:
    """Which labels count for the domain, of mails 0 to ``names``."""
    return [HOUSE in found for number in range(names) for found in await places(store, str(number))]


async def test_a_persons_word_counts_for_that_person_alone() -> None:
    store, people = await house("ann", "bob")
    assert await say(store, label("1", "ann@b.example"))
    assert await places(store, "1") == [{person(people["ann"].id)}]


async def test_an_administrators_word_counts_for_everybody() -> None:
    store, people = await house("ann", admin="ann")
    await say(store, label("1", "ann@b.example"))
    await say(store, label("2", "command line"))
    assert await places(store, "1") == [{person(people["ann"].id), EVERYBODY}]
    assert await places(store, "2") == [{EVERYBODY}]


async def test_two_people_who_agree_speak_for_their_domain() -> None:
    store, people = await house("ann", "bob")
    await say(store, label("1", "ann@b.example"))
    await say(store, label("2", "bob@b.example"))
    assert await places(store, "1") == [{person(people["ann"].id), HOUSE}]
    assert await places(store, "2") == [{person(people["bob"].id), HOUSE}]


async def test_one_person_twice_is_still_one_person() -> None:
    store, people = await house("ann")
    for number in range(3):
        await say(store, label(str(number), "ann@b.example"))
    assert [await places(store, str(number)) for number in range(3)] == [[{person(people["ann"].id)}]] * 3


async def test_mails_that_are_not_alike_are_no_agreement() -> None:
    store, people = await house("ann", "bob")
    await say(store, label("1", "ann@b.example"))
    other = " ".join(f"{word}wise" for word in WORDS.split())
    await say(store, label("2", "bob@b.example", text=other))
    assert await places(store, "1") == [{person(people["ann"].id)}]


async def test_people_of_another_domain_do_not_agree_for_this_one() -> None:
    store, people = await house("ann")
    await say(store, label("1", "ann@b.example"))
    await say(store, label("2", "eve@other.example"))
    assert await places(store, "1") == [{person(people["ann"].id)}]


async def test_a_contradiction_ends_an_agreement_until_more_agree() -> None:
    store, _ = await house("ann", "bob", "cid", "dan", "eva")
    for number, name in enumerate(("ann", "bob")):
        await say(store, label(str(number), f"{name}@b.example"))
    for number, name in enumerate(("cid", "dan"), 2):
        await say(store, label(str(number), f"{name}@b.example", is_spam=False))
    assert await agreed(store, 4) == [False] * 4
    await say(store, label("4", "eva@b.example"))
    assert await agreed(store, 5) == [True, True, False, False, True]


async def test_a_change_of_mind_on_another_copy_counts_as_the_last_word() -> None:
    store, _ = await house("ann", "bob")
    await say(store, label("1", "ann@b.example"))
    await say(store, label("2", "bob@b.example"))
    await say(store, label("3", "bob@b.example", is_spam=False, at_ms=NOW + 1))
    assert await agreed(store, 4) == [False] * 3


def learned(view: StoreView) -> dict[bytes, bytes]:
    """Everything that labels left in the store, but for counters that only ever rise."""
    found = view.kv.scan(keys.LABEL, keys.prefix_end(keys.LABEL))
    return {key: value for key, value in found if key[1:2] != b"v"}


async def test_what_is_taken_back_was_never_said() -> None:
    store, people = await house("ann", "bob")
    await say(store, label("1", "ann@b.example"))
    before = await store.read(learned)
    await say(store, label("2", "bob@b.example"))
    assert HOUSE in (await places(store, "1"))[0]
    told = await store.read(lambda view: labels.get(view, "2"))
    assert told is not None
    await store.write(lambda txn: take_back(txn, told, NOW))
    after = await store.read(learned)
    assert after.keys() == before.keys()
    assert await places(store, "1") == [{person(people["ann"].id)}]
    await assert_sound(store)


async def test_saying_it_again_and_the_opposite_leaves_one_label() -> None:
    store, people = await house("ann")
    for is_spam in (True, True, False):
        await say(store, label("1", "ann@b.example", is_spam=is_spam))
    found = await store.read(lambda view: list(labels.members(view, person(people["ann"].id))))
    assert [each.is_spam for _, each in found] == [False]
    await assert_sound(store)


async def test_one_account_has_so_many_labels_a_day_an_administrator_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinions, "LABELS_A_DAY", 2)
    store, _ = await house("ann", "root", admin="root")
    assert [await say(store, label(str(number), "ann@b.example")) for number in range(3)] == [True, True, False]
    assert [await say(store, label(str(number), "root@b.example")) for number in range(3)] == [True] * 3


async def test_a_scope_keeps_its_newest_labels_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST", 3)
    store, people = await house("ann")
    for number in range(5):
        await say(store, label(str(number), "ann@b.example"))
    found = await store.read(lambda view: list(labels.members(view, person(people["ann"].id))))
    assert [each.id for _, each in found] == ["2", "3", "4"]
    assert await places(store, "0") == [set()]
    await assert_sound(store)


@pytest.mark.parametrize(
    ("log_odds", "is_spam", "margin"),
    [(5.0, False, 4.6), (-3.0, True, 3.4), (5.0, True, 0.0), (-3.0, False, 0.0)],
)
async def test_a_label_knows_by_how_much_the_verdict_was_wrong(log_odds: float, is_spam: bool, margin: float) -> None:
    store, _ = await house("ann")
    row = Trace(
        id="1", received_ms=NOW, ip="192.0.2.7", helo="h", tls="", mail_from="a@a.example", header_from="a@a.example",
        subject="", size=1, blob=None, category="ham", action="accept", probability=0.5, rule="",
        reasons=(ReasonRow("prior", log_odds, ""),), model_ids=(), policy_id="", auth=b"{}", outcomes=(), ms={},
    )  # fmt: skip
    await store.write(lambda txn: trace.put(txn, row))
    await say(store, label("1", "ann@b.example", is_spam=is_spam))
    told = await store.read(lambda view: labels.get(view, "1"))
    assert told is not None
    assert told.margin == pytest.approx(margin, abs=0.01)
    assert told.via == "move"


async def test_erasing_a_person_leaves_what_they_said_as_nobodys_word() -> None:
    store, _ = await house("ann", "bob")
    await say(store, label("1", "ann@b.example"))
    told = await store.read(lambda view: labels.get(view, "1"))
    assert told is not None
    await store.write(lambda txn: labels.rename(txn, told, ""))
    renamed = await store.read(lambda view: labels.get(view, "1"))
    assert renamed == replace(told, by="")
    assert await store.read(lambda view: labels.said_by(view, "1", "ann@b.example")) is None
    await assert_sound(store)
