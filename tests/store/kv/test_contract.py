"""Every key-value backend keeps the contract, and so does the faulty double while nothing fails."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.kv.contract import KeyValueStore
from store.kv.memory import MemoryKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from tests.contracts.kv import KeyValueContract
from tests.support.faulty_kv import FaultyKeyValueStore


async def _opened(backend: str, folder: Path) -> KeyValueStore:
    match backend:
        case "memory":
            return MemoryKeyValueStore()
        case "faulty":
            return FaultyKeyValueStore(MemoryKeyValueStore(), fail_at=None)
        case _:
            return await SqliteKeyValueStore.open(folder / "store.db")


@pytest.fixture(params=["memory", "sqlite", "faulty"])
async def kv(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyValueStore]:
    store = await _opened(request.param, tmp_path)
    yield store
    await store.close()


class TestContract(KeyValueContract):
    pass
