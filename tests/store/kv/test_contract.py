"""Every key-value backend keeps the contract, and so does the faulty double while nothing fails."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from store.kv.contract import KeyValueStore
from store.kv.foundationdb import FoundationKeyValueStore
from store.kv.memory import MemoryKeyValueStore
from store.kv.postgres import PostgresKeyValueStore
from store.kv.rocksdb import RocksKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from tests.contracts.expiring import ExpiringContract
from tests.contracts.kv import KeyValueContract
from tests.support import foundationdb
from tests.support.faulty_kv import FaultyKeyValueStore


async def _opened(request: pytest.FixtureRequest, folder: Path) -> KeyValueStore:
    match request.param:
        case "memory":
            return MemoryKeyValueStore()
        case "faulty":
            return FaultyKeyValueStore(MemoryKeyValueStore(), fail_at=None)
        case kind if kind in foundationdb.GROUNDS:
            place: foundationdb.Ground = request.getfixturevalue("foundation")
            return await FoundationKeyValueStore.open(place.url, binding=place.binding)
        case "rocksdb":
            return await RocksKeyValueStore.open(folder / "store.rocks")
        case "postgres":
            return await PostgresKeyValueStore.open(request.getfixturevalue("postgres_url"))
        case _:
            return await SqliteKeyValueStore.open(folder / "store.db")


@pytest.fixture
def foundation(request: pytest.FixtureRequest) -> Iterator[foundationdb.Ground]:
    with foundationdb.ground(request.node.callspec.params["kv"]) as place:
        yield place


@pytest.fixture(params=["memory", "sqlite", "rocksdb", "postgres", *foundationdb.GROUNDS, "faulty"])
async def kv(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyValueStore]:
    store = await _opened(request, tmp_path)
    yield store
    await store.close()


class TestContract(KeyValueContract):
    pass


class TestExpiring(ExpiringContract):
    """Rows with an end behave the same on all of them."""
