"""Announcements: told here at once, to other workers by a hint, and never in the way of a commit."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.datagrams import DatagramHints
from store.changes.engine import Store, StoreTxn
from store.kv.memory import MemoryKeyValueStore


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Announcer, Announcer]]:
    """Two workers on one directory, deeper than a unix address is long."""
    hints = tmp_path / ("d" * 100) / "hints"
    one, two = Announcer(DatagramHints(hints)), Announcer(DatagramHints(hints))
    await one.start()
    await two.start()
    yield one, two
    await one.close()
    await two.close()


async def test_a_hint_reaches_the_other_worker(pair: tuple[Announcer, Announcer]) -> None:
    one, two = pair
    with two.subscribe(7) as there, one.subscribe(7) as here, two.subscribe(8) as other:
        one.announce([7])
        assert here.event.is_set()
        assert await there.wait(10)
        assert not other.event.is_set()


async def test_hints_go_both_ways_and_name_many_accounts(pair: tuple[Announcer, Announcer]) -> None:
    one, two = pair
    with one.subscribe(0) as first, one.subscribe(200) as last:
        two.announce(range(201))
        assert await first.wait(10)
        assert await last.wait(10)


async def test_waiting_ends_without_a_hint(pair: tuple[Announcer, Announcer]) -> None:
    with pair[0].subscribe(1) as listener:
        assert not await listener.wait(0.01)
        pair[0].announce([1])
        assert await listener.wait(0.01)
        assert not await listener.wait(0.01)


async def test_a_closed_listener_is_forgotten() -> None:
    hub = Announcer()
    with hub.subscribe(1) as listener:
        pass
    hub.announce([1])
    assert not listener.event.is_set()
    hub.forget(listener)


async def test_a_dead_workers_mailbox_is_removed(pair: tuple[Announcer, Announcer], tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 100) / "hints"
    descriptor = os.open(directory, os.O_RDONLY)
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(f"/proc/self/fd/{descriptor}/999.dead")
    os.close(descriptor)
    dead.close()
    pair[0].announce([1])
    names = [each.name for each in directory.iterdir()]
    assert len(names) == 2
    assert all(name.startswith(f"{os.getpid()}.") for name in names)


async def test_a_mailbox_that_an_earlier_process_left_under_our_name_is_replaced(tmp_path: Path) -> None:
    hints = DatagramHints(tmp_path)
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(tmp_path / f"{os.getpid()}.{id(hints):x}"))
    await hints.start(lambda accounts: None)
    left.close()
    await hints.close()
    assert list(tmp_path.iterdir()) == []


async def test_the_folder_is_read_again_only_when_it_changed(
    pair: tuple[Announcer, Announcer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("d" * 100) / "hints"
    os.utime(folder, (1_000_000_000, 1_000_000_000))  # settled: nobody came for long
    listed: list[Path] = []
    read = os.listdir

    def counted(path: Path) -> list[str]:
        listed.append(path)
        return read(path)

    monkeypatch.setattr(os, "listdir", counted)
    for _ in range(3):
        pair[0].announce([7])
    assert len(listed) == 1
    late = Announcer(DatagramHints(folder))
    await late.start()
    with late.subscribe(7) as listener:
        pair[0].announce([7])
        assert await listener.wait(10)
    await late.close()


async def test_a_full_mailbox_loses_the_hint_and_nothing_else(pair: tuple[Announcer, Announcer]) -> None:
    for _ in range(5_000):  # nobody reads meanwhile
        pair[0].announce([1])
    with pair[1].subscribe(1) as listener:
        assert await listener.wait(10)


async def test_trouble_with_hints_does_not_fail_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data is durable: an error now would make the client send it again."""
    kv = MemoryKeyValueStore()
    hub = Announcer(DatagramHints(tmp_path / "hints"))
    await hub.start()
    store = Store(kv, Blobs(kv), hub)

    def no_descriptors(*_: object) -> list[str]:
        raise OSError(24, "too many open files")

    def body(txn: StoreTxn) -> str:
        txn.touch()
        return "kept"

    with monkeypatch.context() as broken, store.subscribe(0) as listener:
        broken.setattr(os, "listdir", no_descriptors)
        assert await store.write(body) == "kept"
        assert listener.event.is_set()
    await store.close()


async def test_only_a_commit_is_announced(tmp_path: Path) -> None:
    kv = MemoryKeyValueStore()
    store = Store(kv, Blobs(kv), Announcer())

    def fails(txn: StoreTxn) -> None:
        txn.touch(5)
        raise LookupError

    with store.subscribe(5) as listener:
        with pytest.raises(LookupError):
            await store.write(fails)
        await asyncio.sleep(0)
        assert not listener.event.is_set()
        await store.write(lambda txn: txn.touch(5))
        assert listener.event.is_set()
