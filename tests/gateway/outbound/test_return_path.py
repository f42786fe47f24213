"""Marks on return addresses: good for a while, for one address, under a secret that changes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from gateway.delivery.recipients import Recipients
from gateway.envelope import Recipient
from gateway.outbound.return_path import Looked, ReturnPaths
from gateway.traps.matching import Traps
from store.changes.engine import Store
from tests.support.mail_store import new_account

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paths(store: Store, clock: Clock) -> ReturnPaths:
    return ReturnPaths(store, {"example.com": "sign", "strict.example": "strict"}, 7, clock)


async def look(store: Store, paths: ReturnPaths, address: str, *, is_report: bool = True) -> Looked:
    return await store.read(lambda view: paths.look(view.kv, address, is_report=is_report))


async def test_a_mark_is_read_back_in_any_case(store: Store, paths: ReturnPaths) -> None:
    marked = await paths.signed("Ana@example.com")
    assert marked.startswith("prvs=0") and marked.endswith("=Ana@example.com") and len(marked) == 31
    assert await look(store, paths, marked) == Looked("Ana@example.com", "signed")
    assert await look(store, paths, marked.upper().replace("@EXAMPLE.COM", "@example.com")) == Looked(
        "ANA@example.com", "signed"
    )
    assert await paths.signed("Ana@example.com") == marked, "one mark a day"


@pytest.mark.parametrize(
    ("address", "looked"),
    [
        pytest.param("ana@example.com", Looked("ana@example.com", "unsigned"), id="no-mark"),
        pytest.param("ana@strict.example", Looked("ana@strict.example", "strict"), id="strict"),
        pytest.param("prvs=0123abcdef=ana@example.com", Looked("ana@example.com", "unsigned"), id="made-up"),
        pytest.param("prvs=0123abcdeg=a@example.com", Looked("prvs=0123abcdeg=a@example.com", "unsigned"), id="no-hex"),
        pytest.param("prvs=0123abcdef=ana@far.example", Looked("prvs=0123abcdef=ana@far.example"), id="not-ours"),
        pytest.param("a" * 50 + "@example.com", Looked("a" * 50 + "@example.com"), id="too-long-to-mark"),
    ],
)
async def test_what_an_address_says(store: Store, paths: ReturnPaths, address: str, looked: Looked) -> None:
    await paths.signed("ben@example.com")
    assert await look(store, paths, address) == looked


async def test_a_mark_is_for_one_address(store: Store, paths: ReturnPaths) -> None:
    marked = await paths.signed("ana@example.com")
    for other in (marked.replace("=ana@", "=ben@"), marked.replace("example.com", "strict.example")):
        assert (await look(store, paths, other)).state in {"unsigned", "strict"}


@pytest.mark.parametrize(("days", "state"), [(0, "signed"), (7, "signed"), (8, "unsigned"), (400, "unsigned")])
async def test_a_mark_ends(store: Store, paths: ReturnPaths, clock: Clock, days: int, state: str) -> None:
    marked = await paths.signed("ana@example.com")
    clock.now += timedelta(days=days)
    assert (await look(store, paths, marked)).state == state


async def test_the_count_of_days_wraps(store: Store, clock: Clock) -> None:
    clock.now = datetime.fromtimestamp(20_999 * 86_400 + 60, UTC)
    paths = ReturnPaths(store, {"example.com": "sign"}, 7, clock)
    marked = await paths.signed("ana@example.com")
    assert marked[6:9] == "006"
    clock.now += timedelta(days=7)
    assert (await look(store, paths, marked)).state == "signed"


async def test_secrets_change_and_old_marks_hold(store: Store, paths: ReturnPaths, clock: Clock) -> None:
    marks = [await paths.signed("ana@example.com")]
    clock.now += timedelta(days=29)
    marks.append(await paths.signed("ana@example.com"))
    clock.now += timedelta(days=2)
    marks.append(await paths.signed("ana@example.com"))
    assert [mark[5] for mark in marks] == ["0", "0", "1"]
    assert [(await look(store, paths, mark)).state for mark in marks] == ["unsigned", "signed", "signed"]


@pytest.mark.parametrize("address", ["ana@far.example", '"a b"@example.com', "", "x" * 49 + "@example.com"])
async def test_what_gets_no_mark(paths: ReturnPaths, address: str) -> None:
    assert await paths.signed(address) == address


async def test_two_nodes_share_a_secret(store: Store, paths: ReturnPaths, clock: Clock) -> None:
    other = ReturnPaths(store, {"example.com": "sign"}, 7, clock)
    assert await other.signed("ana@example.com") == await paths.signed("ana@example.com")


async def test_rcpt_takes_the_mark_off(store: Store, paths: ReturnPaths) -> None:
    account = await new_account(store, "ana@example.com")
    recipients = Recipients(store, frozenset({"example.com"}), {}, Traps((), ()), return_paths=paths)
    marked = await paths.signed("ana@example.com")
    found = await recipients.resolve(marked)
    assert found == Recipient("ana@example.com", account=account.id, return_path="signed")
    plain = Recipient("ana@example.com", account=account.id)
    assert await recipients.resolve(marked, "x@far.example") == plain, "a person who answers to it reaches ana"
    assert await recipients.resolve("ana@example.com", "x@far.example") == plain
