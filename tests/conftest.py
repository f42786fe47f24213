"""Shared by all tests: a store in memory whose invariants are proved when the test ends."""

from collections.abc import AsyncIterator

import pytest

from store.changes.engine import Store
from tests.support.mail_store import assert_sound, new_store


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    built = new_store()
    yield built
    await assert_sound(built)
    await built.close()
