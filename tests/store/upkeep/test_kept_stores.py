"""Every store that was kept is opened by the present program, on each backend, with everything in it found again."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.contract import KeyValueStore
from store.kv.memory import MemoryKeyValueStore
from store.kv.opening import open_kv
from store.kv.sqlite import SqliteKeyValueStore
from store.schema import keys
from store.schema.version import KEY, SCHEMA, SchemaNewer, SchemaOlder, check
from store.upkeep import presence
from store.upkeep.migrate import STEPS, migrate
from store.upkeep.presence import InUse
from tests.scripts.keep_store import describe
from tests.support.mail_store import assert_sound

KEPT = sorted((Path(__file__).parents[2] / "data").glob("schema-*"))
BACKENDS = ("memory", "sqlite", "rocksdb", "postgresql")


def store_of(kv: KeyValueStore) -> Store:
    return Store(kv, Blobs(kv), Announcer())


async def unpacked(kept: Path, folder: Path) -> KeyValueStore:
    """The kept store as it was, in a file of its own."""
    path = folder / "kept.sqlite"
    path.write_bytes(zstandard.ZstdDecompressor().decompress((kept / "store.sqlite.zst").read_bytes()))
    return await SqliteKeyValueStore.open(path)


async def everything(kv: KeyValueStore) -> list[tuple[bytes, bytes]]:
    return await kv.read(lambda view: list(view.scan(b"", b"\xff")))


async def on(backend: str, kept: Path, folder: Path, postgres_url: str) -> KeyValueStore:
    """The kept rows on another backend, as they were."""
    urls = {
        "sqlite": f"sqlite:{folder / 'new.sqlite'}",
        "rocksdb": f"rocksdb:{folder / 'new.rocks'}",
        "memory": "memory:",
        "postgresql": postgres_url,
    }
    old = await unpacked(kept, folder)
    rows = await everything(old)
    await old.close()
    kv = await open_kv(urls[backend])
    await kv.write(lambda txn: [txn.put(key, value) for key, value in rows])
    return kv


def as_json(found: dict[str, Any]) -> dict[str, Any]:
    """As it reads when it was written, without what is begun anew: sessions."""
    read: dict[str, Any] = json.loads(json.dumps(found))
    return {name: value for name, value in read.items() if name != "sessions"}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
async def test_everything_is_found_again(backend: str, kept: Path, tmp_path: Path, request: Any) -> None:
    url = request.getfixturevalue("postgres_url") if backend == "postgresql" else ""
    kv = await on(backend, kept, tmp_path, url)
    store = store_of(kv)
    steps: list[str] = []
    before = await migrate(store, lambda step, _: steps.append(step))
    assert before == int(kept.name.partition("-")[2])
    assert list(dict.fromkeys(steps)) == [step.name for step in STEPS if step.version > before]
    assert as_json(await describe(store)) == as_json(json.loads((kept / "found.json").read_text()))
    await assert_sound(store)
    await check(kv)
    await store.close()


@pytest.fixture
async def old(tmp_path: Path) -> KeyValueStore:
    return await unpacked(KEPT[0], tmp_path)


async def test_migrating_twice_changes_nothing(old: KeyValueStore) -> None:
    store = store_of(old)
    await migrate(store)
    once = await everything(old)
    await migrate(store)
    assert await everything(old) == once
    await store.close()


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
async def test_a_crash_between_steps_costs_nothing(old: KeyValueStore, steps: int) -> None:
    store = store_of(old)
    for step in STEPS[:steps]:
        await step.run(store, lambda _: None)
    await old.write(lambda txn: txn.put(keys.meta("migrating"), keys.u64(0) + b"gone"))
    assert await migrate(store) == 1
    await assert_sound(store)
    await store.close()


async def test_an_older_store_is_left_alone_until_it_is_migrated(old: KeyValueStore) -> None:
    before = await everything(old)
    with pytest.raises(SchemaOlder, match=r"has schema 1.*mailward store migrate"):
        await check(old)
    assert await everything(old) == before
    await old.close()


@pytest.mark.parametrize("row", [keys.u32(SCHEMA + 1), b"what?"], ids=["newer", "not a number"])
async def test_a_store_of_the_future_is_left_alone(row: bytes) -> None:
    kv = MemoryKeyValueStore()
    await kv.write(lambda txn: txn.put(KEY, row))
    before = await everything(kv)
    with pytest.raises(SchemaNewer, match=f"knows schemas up to {SCHEMA}"):
        await check(kv)
    with pytest.raises(SchemaNewer):
        await migrate(store_of(kv))
    assert await everything(kv) == before


async def test_a_new_store_has_the_present_schema() -> None:
    kv = MemoryKeyValueStore()
    await check(kv)
    assert await everything(kv) == [(KEY, keys.u32(SCHEMA))]


async def test_two_processes_migrate_once(old: KeyValueStore) -> None:
    one, other = store_of(old), store_of(old)
    runs: list[str] = []
    versions = await asyncio.gather(
        migrate(one, lambda step, rows: runs.append(step) if not rows else None),
        migrate(other, lambda step, rows: runs.append(step) if not rows else None),
    )
    assert versions == [1, 1]
    assert runs == [step.name for step in STEPS]
    await one.close()


async def test_a_store_that_serves_is_not_migrated(old: KeyValueStore) -> None:
    store = store_of(old)
    serving = asyncio.create_task(presence.attend(store, lambda: 1_772_445_600.0))
    while not await store.read(lambda view: presence.serving(view, 0)):
        await asyncio.sleep(0)
    store.clock = lambda: 1_772_445_601.0
    with pytest.raises(InUse, match=r"in use by process .* stop the server first"):
        await migrate(store)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert await migrate(store) == 1
    await store.close()


async def test_a_process_that_serves_notices_a_newer_schema(store: Store) -> None:
    await store.kv.write(lambda txn: txn.put(KEY, keys.u32(SCHEMA + 1)))
    with pytest.raises(SchemaNewer):
        await presence.attend(store, lambda: 1_772_445_600.0)
    await store.kv.write(lambda txn: txn.delete(KEY))
