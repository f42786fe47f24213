"""Signals counted: in memory, then in the store, never more rows than signals; and what they tell."""

import math
import time

import pytest

from gateway.checks import ALL_SIGNALS
from gateway.observe.lift import exposition, lift_of
from gateway.observe.tally import KEPT_DAYS, Tally
from store.changes.engine import Store
from store.kv.contract import StoreUnavailable
from store.schema import keys
from store.trace import sightings
from store.trace.sightings import ALTOGETHER, Sighted
from tests.support.mail_store import START_MS, new_store

DECLARED = ("url.bad", "spf.pass")
TODAY = sightings.day_of(START_MS / 1000)


class Now:
    def __init__(self) -> None:
        self.days = 0.0

    def __call__(self) -> float:
        return START_MS / 1000 + self.days * 86_400


async def seen(store: Store, day: int = ALTOGETHER) -> dict[str, Sighted]:
    return await store.read(lambda view: sightings.since(view, day))


async def test_what_was_counted_is_in_the_store(store: Store) -> None:
    tally = Tally(store, DECLARED, Now())
    tally.count(["url.bad", "spf.pass"], is_unwanted=True)
    tally.count(["spf.pass"], is_unwanted=False)
    assert await seen(store) == {}
    await tally.add()
    await tally.add()
    assert await seen(store) == {"": Sighted(1, 1), "url.bad": Sighted(0, 1), "spf.pass": Sighted(1, 1)}
    assert await seen(store, TODAY) == await seen(store)
    assert await seen(store, TODAY + 1) == {}


async def test_two_workers_add_up(store: Store) -> None:
    for _ in range(2):
        tally = Tally(store, DECLARED, Now())
        tally.count(["url.bad"], is_unwanted=True)
        await tally.add()
    assert (await seen(store))["url.bad"] == Sighted(0, 2)


async def test_what_is_not_declared_is_not_counted(store: Store) -> None:
    tally = Tally(store, DECLARED, Now())
    tally.count([f"rule-{n}" for n in range(100)], is_unwanted=True)
    await tally.add()
    assert set(await seen(store)) == {""}


async def test_days_are_forgotten_and_the_sum_is_not(store: Store) -> None:
    now = Now()
    tally = Tally(store, DECLARED, now)
    for _ in range(3):
        tally.count(["url.bad"], is_unwanted=True)
        await tally.add()
        now.days += KEPT_DAYS
    assert (await seen(store))["url.bad"] == Sighted(0, 3)
    assert (await seen(store, TODAY))["url.bad"] == Sighted(0, 2)
    rows = await store.read(lambda view: len(list(view.kv.scan(keys.SIGHTINGS, keys.prefix_end(keys.SIGHTINGS)))))
    assert rows == 6


class Broken:
    """A store that cannot be written to for a while."""

    def __init__(self, store: Store) -> None:
        self.store, self.is_down = store, True

    async def write(self, body: object) -> object:
        if self.is_down:
            raise StoreUnavailable("locked")
        return await self.store.write(body)  # type: ignore[arg-type]


async def test_what_the_store_did_not_take_is_added_later(store: Store) -> None:
    broken = Broken(store)
    tally = Tally(broken, DECLARED, Now())  # type: ignore[arg-type]
    tally.count(["url.bad"], is_unwanted=True)
    await tally.add()
    broken.is_down = False
    tally.count(["url.bad"], is_unwanted=True)
    await tally.add()
    assert (await seen(store))["url.bad"] == Sighted(0, 2)


def test_counting_a_mail_takes_microseconds() -> None:
    names = sorted(signal.name for signal in ALL_SIGNALS)[:20]
    tally = Tally(new_store(), (signal.name for signal in ALL_SIGNALS), Now())
    started = time.perf_counter()
    for _ in range(1_000):
        tally.count(names, is_unwanted=True)
    assert (time.perf_counter() - started) / 1_000 < 200e-6


LIFTS = {
    "five times as often in unwanted": (Sighted(10, 50), math.log(50.5 / 10.5)),
    "in wanted mail alone": (Sighted(40, 0), math.log(0.5 / 40.5)),
    "everywhere": (Sighted(99, 99), 0.0),
    "never": (Sighted(), None),
}


@pytest.mark.parametrize(("one", "nats"), LIFTS.values(), ids=LIFTS)
def test_lift(one: Sighted, nats: float | None) -> None:
    found = lift_of("url.bad", {"": Sighted(99, 99), "url.bad": one})
    assert found.nats == (pytest.approx(nats) if nats is not None else None)
    assert (found.share_wanted, found.share_unwanted) == (one.wanted / 99, one.unwanted / 99)


@pytest.mark.parametrize("all_", [Sighted(), Sighted(9, 0), Sighted(0, 9)], ids=["nothing", "wanted", "unwanted"])
def test_there_is_no_lift_with_one_kind_of_mail(all_: Sighted) -> None:
    assert lift_of("url.bad", {"": all_, "url.bad": Sighted(all_.wanted, all_.unwanted)}).nats is None


def test_prometheus_reads_the_counts() -> None:
    text = exposition({"": Sighted(99, 99), "url.bad": Sighted(10, 50)})
    assert text.endswith("\n")
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'mailward_mails_total{verdict="wanted"} 99',
        'mailward_mails_total{verdict="unwanted"} 99',
        'mailward_signal_hits_total{signal="url.bad",verdict="wanted"} 10',
        'mailward_signal_hits_total{signal="url.bad",verdict="unwanted"} 50',
        'mailward_signal_lift_nats{signal="url.bad"} 1.5706',
    ]
