"""The contract over the zone in memory, and over cache, real sockets and the zone's server."""

from collections.abc import AsyncIterator

import pytest

from gateway.dns.cache import CachingResolver
from gateway.dns.resolver import Resolver
from gateway.dns.zone import ZoneResolver
from tests.contracts.resolver import ZONE, ResolverContract
from tests.support.dns_server import upstream_over


class TestZoneResolver(ResolverContract):
    @pytest.fixture
    def resolver(self) -> Resolver:
        return ZoneResolver(ZONE)


class TestCachingUpstream(ResolverContract):
    @pytest.fixture
    async def resolver(self) -> AsyncIterator[Resolver]:
        async with upstream_over(ZONE) as upstream:
            yield CachingResolver(upstream)
