"""The power goes at every single write: what was promised is there, whole, and what was not promised is not half there."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from store.kv.contract import StoreError
from store.upkeep.collect import Collector
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.world import Clock, Fault, Summary, opened, settle_in
from tests.gateway.outbound.sink import Sink, sink

FAULTS = {
    "a crash before the commit": Fault(),
    "a crash after the commit": Fault(after_commit=True),
    "one write refused": Fault(stays=False),
}
ENDLESS = 50  # no act has so many writes


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_whatever_write_fails_the_store_is_sound_and_nothing_is_half_there(
    scenario: Scenario, tmp_path: Path
) -> None:
    async with sink() as host:
        before, after = await _undisturbed(scenario, tmp_path / "prepared", tmp_path / "undisturbed", host)
        missing = [each for each in scenario.expected if after[each] <= before[each]]
        assert not missing, after
        for name, fault in FAULTS.items():
            outcomes: Counter[str] = Counter()
            for at in range(ENDLESS):
                outcome = await _disturbed(
                    scenario, tmp_path / "prepared", tmp_path / "disturbed", host, replace(fault, at=at), before, after
                )
                if outcome is None:
                    break
                outcomes[outcome] += 1
            assert 0 < at < ENDLESS
            print(f"{name}: {at} writes failed; " + ", ".join(f"{n} times {what}" for what, n in outcomes.items()))


async def _undisturbed(scenario: Scenario, prepared: Path, folder: Path, host: Sink) -> tuple[Summary, Summary]:
    """The store before and after the act when nothing fails; ``prepared`` keeps the one before."""
    prepared.mkdir()
    async with opened(prepared, Clock(), host) as world:
        await settle_in(world)
        assert await scenario.prepare(world)
        await world.assert_sound()
        before = await world.summary()
    shutil.copytree(prepared, folder)
    async with opened(folder, Clock(), host) as world:
        assert await scenario.act(world)
        await world.assert_sound()
        return before, await world.summary()


async def _disturbed(  # noqa: PLR0917
    scenario: Scenario, prepared: Path, folder: Path, host: Sink, fault: Fault, before: Summary, after: Summary
) -> str | None:
    """One run with one fault, from the same start: what came of it; None when the act has fewer writes."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder)
    clock = Clock()
    async with opened(folder, clock, host, fault) as world:
        try:
            promised = await scenario.act(world)
        except StoreError:
            promised = False
        if not world.kv.has_failed:
            return None
    async with opened(folder, clock, host) as world:
        await world.assert_sound()
        found = await world.summary()
        assert found in (before, after)
        is_done = found == after and (found != before or promised)
        assert is_done or not promised or before == after
        await scenario.act(world)  # whoever got no answer tries again
        await world.assert_sound()
        twice = is_done and scenario.repeats
        assert await world.summary() == (_twice(before, after) if twice else after)
        collector = Collector(world.store)
        for _ in range(2):
            await collector.collect()
        await world.assert_sound()
        assert await world.unlinked() == 0
    return "done" if found == after else "not done"


def _twice(before: Summary, after: Summary) -> Summary:
    doubled = Counter(after)
    doubled.update({key: count - before[key] for key, count in after.items()})
    return doubled
