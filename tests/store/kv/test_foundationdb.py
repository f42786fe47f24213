"""FoundationDB: conflicts nobody sees, answers that get lost, and key spaces of one's own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from store.kv.commit import OutcomeUnknown
from store.kv.contract import ReadTxn, StoreUnavailable, WriteTxn, counter
from store.kv.foundationdb import FoundationKeyValueStore, FoundationSettings
from store.kv.foundationdb_binding import place_of
from tests.store.kv.gate import Gate
from tests.support.fdb_cluster import Cluster
from tests.support.fdb_double import Double, Transaction
from tests.support.foundationdb import ManualClock

URL = "foundationdb:?prefix=test"
END = b"\xff" * 8
Open = Callable[[], Awaitable[FoundationKeyValueStore]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cluster(clock: ManualClock) -> Cluster:
    return Cluster(clock)


@pytest.fixture
async def opened(cluster: Cluster, clock: ManualClock) -> AsyncIterator[Open]:
    """Opens stores on one cluster as several processes would, and closes them at the end."""
    stores: list[FoundationKeyValueStore] = []

    async def open_one() -> FoundationKeyValueStore:
        settings = FoundationSettings(wait_s=20.0, group_time_s=30.0, clock=clock)
        stores.append(await FoundationKeyValueStore.open(URL, settings, Double(cluster)))
        return stores[-1]

    yield open_one
    cluster.faults.is_away = False
    cluster.faults.commits.clear()
    for store in stores:
        await store.close()


@pytest.fixture
async def kv(opened: Open) -> FoundationKeyValueStore:
    return await opened()


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


def _counted(txn: ReadTxn) -> int:
    return counter(txn.get(b"n"))


async def _entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.is_entered.wait, 20)


async def test_a_conflict_is_repeated_and_its_caller_does_not_see_it(opened: Open, cluster: Cluster) -> None:
    ours, theirs = await opened(), await opened()
    gate = Gate()
    runs = 0

    def body(txn: WriteTxn) -> int:
        nonlocal runs
        runs += 1
        seen = counter(txn.get(b"n"))
        gate.body(txn)
        txn.put(b"copy", b"%d" % seen)
        return txn.add(b"n", 1)

    writing = asyncio.create_task(ours.write(body))
    await _entered(gate)
    assert await theirs.write(_count) == 1
    gate.open()
    assert await writing == 2
    assert (runs, ours.stats.lost, cluster.backoffs) == (2, 1, 1)
    assert await theirs.read(lambda txn: txn.get(b"copy")) == b"1"


async def test_two_that_each_read_what_the_other_writes_cannot_both_land_unseen(opened: Open) -> None:
    stores = [await opened(), await opened()]
    gates = [Gate(), Gate()]

    def body(txn: WriteTxn, mine: int) -> bool:
        is_free = not list(txn.scan(b"duty", b"dutz"))
        gates[mine].body(txn)
        if is_free:
            txn.put(b"duty%d" % mine, b"")
        return is_free

    tasks = [asyncio.create_task(kv.write(lambda txn, n=n: body(txn, n))) for n, kv in enumerate(stores)]
    for gate in gates:
        await _entered(gate)
    for gate in gates:
        gate.open()
    assert sorted(await asyncio.gather(*tasks)) == [False, True]
    assert len(await stores[0].read(lambda txn: list(txn.scan(b"duty", b"dutz")))) == 1


async def test_writers_of_several_processes_lose_nothing(opened: Open) -> None:
    stores = [await opened() for _ in range(3)]
    await asyncio.gather(*(kv.write(_count) for kv in stores for _ in range(40)))
    assert await stores[0].read(_counted) == 120


@pytest.mark.parametrize("code", [1021, 1039, 1031, 1000, 4000])
@pytest.mark.parametrize("fate", ["landed", "lost", "late"])
async def test_a_commit_without_an_answer_is_found_out_and_no_body_is_applied_twice(
    kv: FoundationKeyValueStore, cluster: Cluster, fate: str, code: int
) -> None:
    await kv.write(_count)
    cluster.faults.lost_code = code
    cluster.faults.commits.append(fate)
    runs = 0

    def body(txn: WriteTxn) -> int:
        nonlocal runs
        runs += 1
        return txn.add(b"n", 1)

    assert await kv.write(body) == 2
    assert runs == (1 if fate == "landed" else 2)
    # One that was still on its way comes too late: it is in conflict with what settled its fate.
    assert cluster.deliver_late() == ([1020] if fate == "late" else [])
    assert await kv.read(_counted) == 2


async def test_what_is_late_does_not_land_after_its_caller_was_told_of_a_failure(
    kv: FoundationKeyValueStore, cluster: Cluster
) -> None:
    runs = 0

    def body(txn: WriteTxn) -> None:
        nonlocal runs
        runs += 1
        txn.put(b"k", b"v")
        if runs == 2:
            raise KeyError("mine")

    cluster.faults.commits.append("late")
    with pytest.raises(KeyError):
        await kv.write(body)
    assert cluster.deliver_late() == [1020]
    assert await kv.read(lambda txn: txn.get(b"k")) is None


async def test_a_blind_write_that_is_late_does_not_land_over_what_came_after(
    kv: FoundationKeyValueStore, cluster: Cluster
) -> None:
    cluster.faults.commits.append("late")
    await kv.write(lambda txn: txn.put(b"k", b"first"))  # it landed in its second try
    await kv.write(lambda txn: txn.put(b"k", b"second"))
    assert cluster.deliver_late() == [1020]
    assert await kv.read(lambda txn: txn.get(b"k")) == b"second"


@pytest.mark.parametrize("fate", ["landed", "lost"])
@pytest.mark.parametrize("first", ["landed", "lost"])
async def test_the_answer_to_the_finding_out_may_be_lost_as_well(
    kv: FoundationKeyValueStore, cluster: Cluster, first: str, fate: str
) -> None:
    cluster.faults.commits += [first, fate, 1020]
    assert await kv.write(_count) == 1
    cluster.faults.commits.clear()
    assert await kv.read(_counted) == 1


async def test_a_group_without_an_answer_is_answered_as_a_whole(kv: FoundationKeyValueStore, cluster: Cluster) -> None:
    gate = Gate()
    first = asyncio.create_task(kv.write(gate.body))
    await _entered(gate)
    rest = [asyncio.create_task(kv.write(_count)) for _ in range(20)]
    await asyncio.sleep(0)
    cluster.faults.commits.append("landed")
    gate.open()
    await first
    assert await asyncio.gather(*rest) == list(range(1, 21))
    assert await kv.read(_counted) == 20
    assert (kv.stats.groups, kv.stats.largest) == (1, 21)


async def test_when_it_cannot_be_found_out_the_caller_is_told(
    kv: FoundationKeyValueStore, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cluster.land

    def land_and_go(transaction: object) -> int:
        version = real(transaction)  # type: ignore[arg-type]
        cluster.faults.is_away = True
        return version

    monkeypatch.setattr(cluster, "land", land_and_go)
    cluster.faults.commits.append("landed")
    with pytest.raises(OutcomeUnknown, match="may or may not have landed"):
        await kv.write(_count)
    cluster.faults.is_away = False
    monkeypatch.undo()
    assert await kv.read(_counted) == 1


@pytest.mark.parametrize("code", [1007, 1009, 1037])
async def test_a_read_that_a_server_could_not_answer_is_repeated(
    kv: FoundationKeyValueStore, cluster: Cluster, code: int
) -> None:
    await kv.write(_count)
    cluster.faults.reads += [code, code]
    assert await kv.read(_counted) == 1
    cluster.faults.reads += [code, code]
    assert await kv.write(_count) == 2
    assert cluster.backoffs == 4


@pytest.mark.parametrize("code", [1038, 1042, 1007, 1020])
async def test_a_commit_that_was_refused_for_now_is_repeated(
    kv: FoundationKeyValueStore, cluster: Cluster, code: int
) -> None:
    cluster.faults.commits += [code, code, code, code]
    assert await kv.write(_count) == 1
    assert (cluster.backoffs, cluster.most_retries) == (4, 4)  # in one transaction, or the back-off would not grow
    assert await kv.read(_counted) == 1


async def test_without_a_cluster_callers_are_told_in_time_what_to_look_at(
    kv: FoundationKeyValueStore, cluster: Cluster, opened: Open
) -> None:
    cluster.faults.is_away = True
    for asking in (kv.read(_counted), kv.write(_count), opened()):
        with pytest.raises(StoreUnavailable, match="fdbcli"):
            await asyncio.wait_for(asking, 20)
    cluster.faults.is_away = False
    assert await kv.write(_count) == 1


async def test_a_range_is_deleted_without_being_read_and_whoever_read_in_it_repeats(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = await opened(), await opened()
    await ours.write(lambda txn: [txn.put(b"r%04d" % n, b"v") for n in range(3_000)])
    gate = Gate()

    def body(txn: WriteTxn) -> int:
        seen = len(list(txn.scan(b"r", b"s")))
        gate.body(txn)
        txn.put(b"seen", b"%d" % seen)
        return seen

    writing = asyncio.create_task(ours.write(body))
    await _entered(gate)
    with monkeypatch.context() as patched:
        patched.delattr(Transaction, "read_range")
        await theirs.write(lambda txn: txn.delete_range(b"", b"s" * 20_000))
    gate.open()
    assert await writing == 0
    assert await ours.read(lambda txn: list(txn.scan(b"", END))) == [(b"seen", b"0")]


async def test_stores_of_one_cluster_do_not_see_each_other(cluster: Cluster) -> None:
    urls = [f"foundationdb:?prefix={name}" for name in ("a", "a.b", "b")]
    stores = [await FoundationKeyValueStore.open(url, binding=Double(cluster)) for url in urls]
    for number, kv in enumerate(stores):
        await kv.write(lambda txn, n=number: [txn.put(key, b"%d" % n) for key in (b"", b"\x00", b"\xff\xff")])
    await stores[1].write(lambda txn: txn.delete_range(b"", END))
    left = [await kv.read(lambda txn: [value for _, value in txn.scan(b"", END)]) for kv in stores]
    assert left == [[b"0"] * 3, [], [b"2"] * 3]
    for kv in stores:
        await kv.close()


def _marks(cluster: Cluster) -> list[bytes]:
    space = place_of(URL).marks
    return [pair.key for pair in Double(cluster).open().create_transaction().get_range(space, space + b"\xff")]


async def test_marks_are_taken_away_at_the_end_and_those_of_the_dead_after_a_day(
    opened: Open, cluster: Cluster
) -> None:
    dead = Double(cluster).open().create_transaction()
    day_ms = 24 * 3600 * 1000
    for name, age_ms in ((b"old", day_ms + 60_000), (b"new", day_ms - 60_000)):
        written = time.time_ns() // 1_000_000 - age_ms
        dead.set(place_of(URL).marks + name, written.to_bytes(8, "big") + bytes(12))
    dead.commit().wait()
    kv = await opened()
    assert _marks(cluster) == [place_of(URL).marks + b"new"]
    await kv.write(_count)
    await kv.write(_count)
    assert len(_marks(cluster)) == 2
    await kv.close()
    assert _marks(cluster) == [place_of(URL).marks + b"new"]


async def test_a_mark_is_not_swept_away_under_a_writer_that_uses_it(cluster: Cluster) -> None:
    """It looked dead when the sweep read it; its writer woke up before the sweep's commit."""
    mark = place_of(URL).marks + b"idle"
    database = Double(cluster).open()
    old = database.create_transaction()
    old.set(mark, bytes(20))
    old.commit().wait()
    real, fresh = cluster.land, (time.time_ns() // 1_000_000).to_bytes(8, "big") + bytes(12)

    def land_after_the_writer(transaction: object) -> int:
        cluster.land = real  # type: ignore[method-assign]
        writer = database.create_transaction()
        writer.set(mark, fresh)
        writer.commit().wait()
        return real(transaction)  # type: ignore[arg-type]

    cluster.land = land_after_the_writer  # type: ignore[method-assign]
    kv = await FoundationKeyValueStore.open(URL, binding=Double(cluster))
    assert database.create_transaction().get(mark).value == fresh
    await kv.close()


async def test_a_read_takes_part_in_no_conflict_and_a_write_of_nothing_costs_no_commit(
    kv: FoundationKeyValueStore, cluster: Cluster
) -> None:
    await kv.write(_count)
    before = cluster.commits
    await kv.write(lambda txn: list(txn.scan(b"", END)))
    await kv.read(lambda txn: list(txn.scan(b"", END)))
    assert cluster.commits == before
