"""What is wrong with large mail in a folder is named by the check, with the mail that would be missed."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from store.blob.folder import FolderObjects
from store.blob.sealing import Keyring
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from store.upkeep import fsck
from store.upkeep.collect import Collector
from tests.support.mail_store import Letter, assert_sound, deliver, new_account

OCTETS = Letter(body=random.Random(1).randbytes(100_000).hex()).octets()


def flip(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[-20] ^= 1
    path.write_bytes(octets)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda path: os.truncate(path, 5_000), "cut short"),
        (lambda path: os.truncate(path, 0), "does not begin as a blob does"),
        (Path.unlink, "is not there"),
        (flip, "is damaged"),
    ],
    ids=["truncated", "empty", "gone", "changed"],
)
async def test_damage_is_named(tmp_path: Path, harm: Callable[[Path], None], why: str) -> None:
    kv = MemoryKeyValueStore()
    store = Store(kv, Blobs(kv, objects=FolderObjects(tmp_path), keyring=Keyring([bytes(32)])), Announcer())
    await deliver(store, await new_account(store), OCTETS)
    await assert_sound(store)
    [path] = [path for path in tmp_path.rglob("*.*") if path.is_file()]
    harm(path)
    store.blobs = Blobs(kv, objects=FolderObjects(tmp_path), keyring=Keyring([bytes(32)]))  # remembers nothing of it
    [finding] = await fsck.findings_of(store)
    assert "email" in finding.where
    assert why in finding.what


async def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    kv = MemoryKeyValueStore()
    store = Store(kv, Blobs(kv, objects=FolderObjects(tmp_path), keyring=Keyring([bytes(32)])), Announcer())
    await deliver(store, await new_account(store), OCTETS)
    store.blobs = Blobs(kv, objects=FolderObjects(tmp_path), keyring=Keyring([bytes([1]) * 32]))
    [finding] = await fsck.findings_of(store)
    assert "store.key_file" in finding.what


async def test_a_large_mail_without_links_goes_with_its_file(tmp_path: Path) -> None:
    kv = MemoryKeyValueStore()
    store = Store(kv, Blobs(kv, objects=FolderObjects(tmp_path)), Announcer())
    staged = await store.blobs.stage(OCTETS)
    await store.write(lambda txn: txn.keep(staged))
    collector = Collector(store)
    assert [await collector.collect() for _ in range(2)] == [0, 1]
    assert [path for path in tmp_path.rglob("*.*") if path.is_file()] == []
