"""Fixtures: a store of each kind, and a server over it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocols.imap.settings import ImapSettings
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from tests.protocols.imap.house import House, open_house


@pytest.fixture
def settings() -> ImapSettings:
    return ImapSettings(allow_plaintext_login=True)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    kv = MemoryKeyValueStore() if request.param == "memory" else await SqliteKeyValueStore.open(tmp_path / "mail.db")
    opened = Store(kv, Blobs(kv), Announcer())
    yield opened
    await opened.close()


@pytest.fixture
async def house(store: Store, settings: ImapSettings) -> AsyncIterator[House]:
    async with open_house(store, settings) as opened:
        yield opened
