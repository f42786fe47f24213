"""Trace rows: in the order of arrival, and whom a kept From names."""

import pytest

from store.changes.engine import Store
from store.trace import rows as trace
from store.trace.rows import OutcomeRow, ReasonRow, Trace
from tests.support.mail_store import START_MS as NOW


def row(name: str) -> Trace:
    return Trace(
        name, NOW, "192.0.2.7", "mx.shop.example", "TLSv1.3", "", "Ana <ana@shop.example>", "Hi", 100, None, "ham",
        "accept", 0.01, "", (ReasonRow("prior", -1.0, "usual"),), ("words-1",), "default", b"{}",
        (OutcomeRow("maria@example.com", 1, "", "accept", 7),), {"parse": 0.5},
    )  # fmt: skip


async def fill(store: Store, *names: str) -> None:
    for name in names:
        await store.write(lambda txn, name=name: trace.put(txn, row(name)))


async def test_a_row_comes_back_as_it_was_put(store: Store) -> None:
    await fill(store, "01")
    assert await store.read(lambda view: trace.get(view, "01")) == row("01")
    assert await store.read(lambda view: trace.get(view, "02")) is None


async def test_newest_come_first_and_can_be_paged(store: Store) -> None:
    await fill(store, "02", "04", "01", "03")

    async def page(before: str = "") -> list[str]:
        return [r.id for r in await store.read(lambda view: list(trace.newest(view, 2, before)))]

    assert [await page(), await page("03"), await page("01")] == [["04", "03"], ["02", "01"], []]


async def test_rows_after_an_id_come_oldest_first(store: Store) -> None:
    await fill(store, "02", "04", "01", "03")

    async def after(last: str, limit: int = 200) -> list[str]:
        return [r.id for r in await store.read(lambda view: list(trace.after(view, last, limit)))]

    assert await after("02") == ["03", "04"]
    assert await after("", 3) == ["01", "02", "03"]
    assert await after("04") == []


async def test_a_new_row_is_announced(store: Store) -> None:
    with store.subscribe(0) as listener:
        await fill(store, "01")
        assert listener.event.is_set()


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ("Ana Ruiz <ana@shop.example>", ("Ana Ruiz", "ana@shop.example")),
        ("ana@shop.example", ("", "ana@shop.example")),
        ("", ("", "")),
        ("Boss <boss@bank.example> <eve@x.example>", ("Boss <boss@bank.example>", "eve@x.example")),
        ("<ana@shop.example>", ("", "ana@shop.example")),
    ],
    ids=repr,
)
def test_the_author_is_behind_the_last_bracket(kept: str, expected: tuple[str, str]) -> None:
    assert trace.author(kept) == expected
