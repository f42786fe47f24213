"""What the cache keeps, how long, and how often it asks."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.dns.cache import CachingResolver
from gateway.dns.resolver import Answer, Status
from gateway.dns.settings import CacheSettings


@dataclass
class Counting:
    """Answers with a fixed status and time to live, once ``gate`` is open."""

    status: Status = Status.OK
    ttl_s: int = 60
    asked: list[tuple[str, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def query(self, name: str, rdtype: str) -> Answer:
        self.asked.append((name, rdtype))
        await self.gate.wait()
        records: Sequence[str] = ("192.0.2.1",) if self.status is Status.OK else ()
        return Answer(name, rdtype, tuple(records), self.status, self.ttl_s)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("status", "ttl_s", "kept_s"),
    [
        pytest.param(Status.OK, 60, 60, id="own-time"),
        pytest.param(Status.OK, 0, 5, id="at-least"),
        pytest.param(Status.OK, 10**6, 86_400, id="at-most"),
        pytest.param(Status.NXDOMAIN, 3_600, 900, id="no-at-most"),
        pytest.param(Status.NODATA, 0, 15, id="no-at-least"),
        pytest.param(Status.TIMEOUT, 3_600, 10, id="unknown-is-brief"),
        pytest.param(Status.SERVFAIL, 3_600, 10, id="broken-is-brief"),
    ],
)
async def test_how_long_an_answer_is_kept(status: Status, ttl_s: int, kept_s: int) -> None:
    clock, inner = Clock(), Counting(status, ttl_s)
    cache = CachingResolver(inner, clock=clock)
    await cache.query("a.test", "A")
    clock.now = kept_s - 1
    assert (await cache.query("A.test.", "a")).status is status
    assert len(inner.asked) == 1
    clock.now = kept_s
    await cache.query("a.test", "A")
    assert len(inner.asked) == 2


async def test_time_left_is_told() -> None:
    clock = Clock()
    cache = CachingResolver(Counting(ttl_s=60), clock=clock)
    await cache.query("a.test", "A")
    clock.now = 20
    assert (await cache.query("a.test", "A")).ttl_s == 40


async def test_many_askers_are_one_question() -> None:
    inner = Counting()
    inner.gate.clear()
    cache = CachingResolver(inner)
    askers = [asyncio.create_task(cache.query("a.test", "A")) for _ in range(20)]
    await asyncio.sleep(0)
    inner.gate.set()
    answers = await asyncio.gather(*askers)
    assert len(inner.asked) == 1 and {a.status for a in answers} == {Status.OK}


async def test_an_asker_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    inner = Counting()
    inner.gate.clear()
    cache = CachingResolver(inner)
    first = asyncio.create_task(cache.query("a.test", "A"))
    second = asyncio.create_task(cache.query("a.test", "A"))
    await asyncio.sleep(0)
    first.cancel()
    inner.gate.set()
    assert (await second).status is Status.OK
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_least_recently_used_answer_goes_first() -> None:
    inner = Counting()
    cache = CachingResolver(inner, CacheSettings(entries=2))
    for name in ("a.test", "b.test", "a.test", "c.test", "a.test"):
        await cache.query(name, "A")
    assert len(cache) == 2 and len(inner.asked) == 3
    await cache.query("b.test", "A")
    assert len(inner.asked) == 4


async def test_closing_ends_the_questions_under_way() -> None:
    inner = Counting()
    inner.gate.clear()
    cache = CachingResolver(inner)
    asker = asyncio.create_task(cache.query("a.test", "A"))
    await asyncio.sleep(0)
    await cache.aclose()
    assert (await asker).status is Status.SERVFAIL
