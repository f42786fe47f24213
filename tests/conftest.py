"""Shared by all tests: a store in memory whose invariants are proved when the test ends; PostgreSQL, an S3 server."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from store.changes.engine import Store
from tests.support import postgres, s3
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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.S3Server]:
    """A real server, one for each process that runs tests. Without one the test is skipped; in CI it fails."""
    reason = s3.missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with s3.running() as server:
        yield server
