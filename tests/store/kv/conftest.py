"""Fixtures of the SQLite backend's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.kv.sqlite import SqliteKeyValueStore, SqliteSettings
from tests.store.kv.gate import Opener


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def opened(path: Path) -> AsyncIterator[Opener]:
    """Opens stores on one file, and closes them at the end."""
    stores: list[SqliteKeyValueStore] = []

    async def open_one(settings: SqliteSettings | None = None) -> SqliteKeyValueStore:
        stores.append(await SqliteKeyValueStore.open(path, settings))
        return stores[-1]

    yield open_one
    for store in stores:
        await store.close()
