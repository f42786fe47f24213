"""The double keeps FoundationDB's documented rules; so does a cluster when there is one."""

from collections.abc import Iterator

import pytest

from tests.contracts.fdb import FoundationRules
from tests.support import foundationdb
from tests.support.foundationdb import GROUNDS, Ground


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with foundationdb.ground(request.param) as place:
        yield place


class TestRules(FoundationRules):
    pass
