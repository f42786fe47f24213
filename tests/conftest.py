"""Shared by all tests: a store in memory whose invariants are proved when the test ends, and a PostgreSQL server."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from store.changes.engine import Store
from tests.support import postgres
from tests.support.mail_store import assert_sound, new_store


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    built = new_store()
    yield built
    await assert_sound(built)
    await built.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real server, one for each process that runs tests. Without one the test is skipped; in CI it fails."""
    reason = postgres.missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with postgres.running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> str:
    """The URL of an empty database."""
    return postgres_server.new_database()
