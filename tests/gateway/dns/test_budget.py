"""One mail's share of the DNS."""

from gateway.dns.budget import Budget
from gateway.dns.resolver import Status
from gateway.dns.zone import Zone, ZoneResolver

ZONE = Zone.of({"a.test": {"A": ["192.0.2.1"]}}, slow=["A slow.test"])


async def test_questions_run_out() -> None:
    resolver = ZoneResolver(ZONE)
    budget = Budget(resolver, max_queries=2, deadline_s=60)
    statuses = [(await budget.query(f"{name}.test", "A")).status for name in "abcd"]
    assert statuses == [Status.OK, Status.NXDOMAIN, Status.BUDGET, Status.BUDGET]
    assert resolver.asked.total() == 2 and budget.left == 0


async def test_asking_again_is_free_and_gets_the_same_answer() -> None:
    resolver = ZoneResolver(ZONE)
    budget = Budget(resolver, max_queries=1, deadline_s=60)
    assert [(await budget.query("A.test.", "a")).status for _ in range(5)] == [Status.OK] * 5
    assert resolver.asked.total() == 1


async def test_time_runs_out_during_a_question() -> None:
    budget = Budget(ZoneResolver(ZONE), max_queries=9, deadline_s=0.02)
    answer = await budget.query("slow.test", "A")
    assert answer.status is Status.BUDGET and answer.is_temporary


async def test_time_that_has_run_out_asks_nobody() -> None:
    now = 0.0
    resolver = ZoneResolver(ZONE)
    budget = Budget(resolver, max_queries=9, deadline_s=5, clock=lambda: now)
    now = 5.0
    assert (await budget.query("a.test", "A")).status is Status.BUDGET
    assert not resolver.asked
