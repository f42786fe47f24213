"""Held mail: its order, and the fate of each recipient's copy."""

import asyncio

import pytest

from store.blob.contract import BlobId
from store.changes.engine import Store, StoreTxn
from store.quarantine import held as quarantine
from store.quarantine.held import DELETED, EXPIRED, HELD, RELEASED, Held, HeldCopy, NotHeld
from store.retention import rows
from store.retention.rows import Hold, Rule
from store.schema import keys
from store.upkeep.collect import has_link
from tests.support.mail_store import START_MS as NOW

DAY = 86_400_000


async def hold(
    store: Store, name: str, doubt: int = 100, to: tuple[str, ...] = ("a@x.example", "b@x.example"), days: int = 30
) -> Held:
    staged = await store.blobs.stage(b"Subject: " + name.encode())

    def body(txn: StoreTxn) -> Held:
        copies = tuple(HeldCopy(address, 1, "", HELD) for address in to)
        times = (NOW, NOW + days * DAY)
        held = Held(
            name, txn.keep(staged), *times, "phish", 0.9, doubt, "m@x.example", "h@x.example", "s", "why", copies
        )
        quarantine.put(txn, held)
        return held

    return await store.write(body)


async def settle(store: Store, name: str, state: str = RELEASED, *addresses: str) -> list[HeldCopy]:
    chosen = frozenset(addresses) if addresses else None
    return await store.write(lambda txn: quarantine.settle(txn, name, state, "ann", NOW + 5, chosen))


async def order(store: Store) -> list[str]:
    return [held.id for held in await store.read(lambda view: list(quarantine.by_doubt(view)))]


async def is_linked(store: Store, blob: BlobId) -> bool:
    return await store.read(lambda view: has_link(view, blob))


async def test_the_most_doubtful_comes_first(store: Store) -> None:
    for name, doubt in (("clear", 1_500), ("doubtful", 3), ("between", 300), ("also", 3)):
        await hold(store, name, doubt)
    assert await order(store) == ["also", "doubtful", "between", "clear"]
    assert [h.id for h in await store.read(lambda view: list(quarantine.by_doubt(view, 2)))] == ["also", "doubtful"]
    assert await store.read(quarantine.count) == 4


async def test_newest_shows_held_and_settled(store: Store) -> None:
    for name in ("01", "02", "03"):
        await hold(store, name)
    await settle(store, "02")
    assert [h.id for h in await store.read(lambda view: list(quarantine.newest(view, 2)))] == ["03", "02"]


async def test_each_recipient_is_settled_apart(store: Store) -> None:
    held = await hold(store, "id")
    moved = await settle(store, "id", RELEASED, "a@x.example")
    assert moved == [HeldCopy("a@x.example", 1, "", RELEASED, "ann", NOW + 5)]
    assert await order(store) == ["id"]
    assert await is_linked(store, held.blob)
    assert [c.address for c in await settle(store, "id", DELETED)] == ["b@x.example"]
    now = await store.read(lambda view: quarantine.get(view, "id"))
    assert now is not None
    assert [(c.state, c.by) for c in now.copies] == [(RELEASED, "ann"), (DELETED, "ann")]
    assert not now.is_held


async def test_the_last_copy_settled_takes_it_out_of_the_order_and_lets_go_of_the_octets(store: Store) -> None:
    held = await hold(store, "id")
    await hold(store, "other")
    await settle(store, "id")
    assert await order(store) == ["other"]
    assert await store.read(quarantine.count) == 1
    assert not await is_linked(store, held.blob)


@pytest.mark.parametrize(
    ("name", "addresses"),
    [("nothing", ()), ("settled", ()), ("half", ("a@x.example",)), ("half", ("stranger@x.example",))],
    ids=["unknown id", "settled before", "this copy was settled", "not a recipient"],
)
async def test_what_is_not_held_cannot_be_settled(store: Store, name: str, addresses: tuple[str, ...]) -> None:
    await hold(store, "settled")
    await settle(store, "settled")
    await hold(store, "half")
    await settle(store, "half", RELEASED, "a@x.example")
    with pytest.raises(NotHeld):
        await settle(store, name, DELETED, *addresses)
    assert await order(store) == ["half"]


async def test_overdue_is_what_is_still_held_past_its_time(store: Store) -> None:
    for name, days in (("day", 1), ("settled", 1), ("month", 30)):
        await hold(store, name, days=days)
    await settle(store, "settled", EXPIRED)

    async def overdue(at_ms: int, limit: int = 10) -> list[str]:
        return [h.id for h, _ in await store.read(lambda view: quarantine.overdue(view, at_ms, limit))]

    assert await overdue(NOW + DAY - 1) == []
    assert await overdue(NOW + DAY) == ["day"]
    assert await overdue(NOW + 30 * DAY) == ["day", "month"]
    assert len(await overdue(NOW + 30 * DAY, 1)) == 1


def copy(address: str, days: int = 0) -> HeldCopy:
    return HeldCopy(address, None, "", HELD, expires_ms=NOW + days * DAY if days else 0)


async def hold_copies(store: Store, name: str, *copies: HeldCopy) -> Held:
    staged = await store.blobs.stage(b"Subject: " + name.encode())

    def body(txn: StoreTxn) -> Held:
        held = Held(name, txn.keep(staged), NOW, NOW + 30 * DAY, "spam", 0.9, 5, "m@x.example", "", "s", "w", copies)
        quarantine.put(txn, held)
        return held

    return await store.write(body)


async def index_rows(store: Store) -> list[bytes]:
    return await store.read(lambda view: [key for key, _ in view.kv.scan(b"q", b"r") if key[:2] != keys.HELD])


async def test_every_copy_has_an_expiry_of_its_own(store: Store) -> None:
    await hold_copies(store, "id", copy("a@x.example", 7), copy("b@y.example", 60), copy("c@z.example"))

    async def overdue(day: int) -> list[set[str]]:
        found = await store.read(lambda view: quarantine.overdue(view, NOW + day * DAY, 10))
        return [set(addresses) for _, addresses in found]

    assert await overdue(6) == []
    assert await overdue(7) == [{"a@x.example"}]
    await settle(store, "id", EXPIRED, "a@x.example")
    assert await overdue(29) == []
    assert await overdue(60) == [{"b@y.example", "c@z.example"}]
    assert await order(store) == ["id"]


async def test_mail_to_one_address_is_found_without_looking_at_others(store: Store) -> None:
    for name in ("01", "02", "03"):
        await hold_copies(store, name, copy("A@x.example"), copy("b@x.example"))
    await hold_copies(store, "04", copy("aa@x.example"))
    await settle(store, "02", RELEASED, "A@x.example")

    async def to(address: str, limit: int = 9, before: str = "") -> list[str]:
        return [
            h.id for h in await store.read(lambda view: list(quarantine.to_recipient(view, address, limit, before)))
        ]

    assert await to("a@X.example") == ["03", "02", "01"], "settled mail as well"
    assert await to("a@x.example", 2) == ["03", "02"]
    assert await to("a@x.example", 9, "02") == ["01"]
    assert await to("stranger@x.example") == []


async def test_mail_of_an_account_is_found_under_all_its_addresses(store: Store) -> None:
    await hold(store, "01")
    await hold_copies(store, "02", copy("a@x.example"))
    await hold(store, "03", to=("alias@x.example",))
    assert [h.id for h in await store.read(lambda view: list(quarantine.to_account(view, 1)))] == ["03", "01"]
    assert [h.id for h in await store.read(lambda view: list(quarantine.to_account(view, 1, 1)))] == ["03"]
    assert await store.read(lambda view: list(quarantine.to_account(view, 2))) == []


async def test_what_is_settled_leaves_only_the_recipients_index(store: Store) -> None:
    await hold_copies(store, "id", copy("a@x.example", 7), copy("b@y.example"))
    assert len(await index_rows(store)) == 5
    await settle(store, "id")
    assert [key[:2] for key in await index_rows(store)] == [keys.HELD_RECIPIENT] * 2


async def test_rows_of_an_older_version_are_indexed(store: Store) -> None:
    await hold_copies(store, "1", copy("a@x.example"))
    await hold_copies(store, "2", copy("a@x.example"))
    await settle(store, "2")
    wanted = await index_rows(store)
    for space in (keys.HELD_EXPIRY, keys.HELD_RECIPIENT):
        await store.write(lambda txn, space=space: txn.kv.delete_range(space, keys.prefix_end(space)))  # type: ignore[misc]
    assert await store.write(lambda txn: quarantine.reindex(txn, "", 1)) == "1"
    assert await store.write(lambda txn: quarantine.reindex(txn, "1", 9)) == "2"
    assert await store.write(lambda txn: quarantine.reindex(txn, "2", 9)) == ""
    assert await index_rows(store) == wanted


HOLD = Hold("case", ("a@x.example",), (), (), 0, 0, "", "ann", NOW)
RULE = Rule("year", 36_500, 0, "", "", "quarantine", "", "ann", NOW)


@pytest.mark.parametrize("keeps", [HOLD, RULE], ids=["hold", "rule"])
@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [(DELETED, DELETED, True), (EXPIRED, RELEASED, True), (RELEASED, RELEASED, False)],
    ids=["deleted", "expired, released", "released to all"],
)
async def test_what_a_hold_or_a_rule_keeps_is_settled_but_its_octets_stay(
    store: Store, keeps: Hold | Rule, first: str, second: str, stays: bool
) -> None:
    await store.write(lambda txn: rows.put_hold(txn, HOLD) if keeps is HOLD else rows.put_rule(txn, RULE))
    held = await hold_copies(store, "id", copy("a@x.example"), copy("b@x.example"))
    await settle(store, "id", first, "a@x.example")
    await settle(store, "id", second, "b@x.example")
    assert await order(store) == [], "gone from the queue as usual"
    assert await is_linked(store, held.blob) is stays
    kept = await store.read(lambda view: [each.kept for each in quarantine.kept_back(view)])
    assert kept == (["legal hold case" if keeps is HOLD else "retention rule year"] if stays else [])

    found = await store.write(lambda txn: quarantine.drop_what_may_go(txn, "", 9))
    assert found == (len(kept), 0, "id" if kept else "")
    await store.write(lambda txn: rows.take_hold(txn, "case") if keeps is HOLD else rows.take_rule(txn, "year"))
    assert (await store.write(lambda txn: quarantine.drop_what_may_go(txn, "", 9)))[1] == len(kept)
    assert not await is_linked(store, held.blob)
    assert await store.read(lambda view: list(quarantine.kept_back(view))) == []


async def test_of_two_who_act_at_once_each_copy_obeys_one(store: Store) -> None:
    await hold_copies(store, "id", *(copy(f"{n}@x.example") for n in range(4)))
    chosen = (("0@x.example", "1@x.example", "2@x.example"), ("1@x.example", "2@x.example", "3@x.example"))
    moved = await asyncio.gather(settle(store, "id", RELEASED, *chosen[0]), settle(store, "id", DELETED, *chosen[1]))
    assert sorted(c.address for each in moved for c in each) == [f"{n}@x.example" for n in range(4)]
    after = await store.read(lambda view: quarantine.get(view, "id"))
    assert after is not None and sorted(after.copies, key=lambda c: c.address) == sorted(
        (c for each in moved for c in each), key=lambda c: c.address
    )
