"""The power goes at every single write: what was promised is there, and nothing is ever half there."""

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from store.kv.contract import StoreError
from tests.faults.scenarios import SCENARIOS, Scenario, collect
from tests.faults.world import Clock, Fault, Summary, opened, settle_in
from tests.gateway.outbound.sink import Sink, sink

FAULTS = {
    "a crash before the commit": Fault(),
    "a crash after the commit": Fault(after_commit=True),
    "one write refused": Fault(stays=False),
}
ONCE = frozenset({"label True trap"})
ENDLESS = 50  # no act has so many writes


@dataclass(frozen=True, slots=True)
class Start:
    """A store before an act, and what people see before and after it."""

    backend: str
    folder: Path
    before: Summary
    after: Summary

    @property
    def twice(self) -> Summary:
        """After the same act again; a campaign is learned once."""
        return Counter(
            {key: count if key in ONCE else 2 * count - self.before[key] for key, count in self.after.items()}
        )


#: Delivery, release, move, expunge, and what is written in several transactions; the rest is on SQLite alone.
ON_OTHERS = ("a large mail", "several recipients", "release and learn", "move", "expunge", "collection")
RUNS = [
    *(("sqlite", name) for name in SCENARIOS),
    *((backend, name) for backend in ("rocksdb", "memory", "foundationdb") for name in ON_OTHERS),
]


@pytest.mark.parametrize(("backend", "name"), RUNS, ids=[f"{name}-{backend}" for backend, name in RUNS])
async def test_whatever_write_fails_the_store_is_sound_and_nothing_is_half_there(
    backend: str, name: str, tmp_path: Path
) -> None:
    scenario = SCENARIOS[name]
    async with sink() as host:
        start = await _undisturbed(scenario, tmp_path, host, backend)
        assert [each for each in scenario.expected if start.after[each] <= start.before[each]] == []
        for kind, fault in FAULTS.items():
            outcomes: Counter[str] = Counter()
            for at in range(ENDLESS):
                outcome = await _disturbed(scenario, start, tmp_path / "disturbed", host, replace(fault, at=at))
                if outcome is None:
                    break
                outcomes[outcome] += 1
            assert 0 < at < ENDLESS
            print(f"{kind}: {at} writes failed; " + ", ".join(f"{n} times {what}" for what, n in outcomes.items()))


async def _undisturbed(scenario: Scenario, folder: Path, host: Sink, backend: str) -> Start:
    """What the act does when nothing fails, and a copy of the store before it."""
    prepared, done = folder / "prepared", folder / "done"
    prepared.mkdir()
    async with opened(prepared, Clock(), host, in_files=scenario.in_files, backend=backend) as world:
        await settle_in(world)
        assert await scenario.prepare(world)
        await world.assert_sound()
        before = await world.summary()
    shutil.copytree(prepared, done)
    async with opened(done, Clock(), host, in_files=scenario.in_files, backend=backend) as world:
        assert await scenario.act(world)
        await world.assert_sound()
        return Start(backend, prepared, before, await world.summary())


async def _disturbed(scenario: Scenario, start: Start, folder: Path, host: Sink, fault: Fault) -> str | None:
    """One run with one fault, from the same start: what came of it; None when the act has fewer writes."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start.folder, folder)
    clock = Clock()
    host.mails.clear()
    async with opened(folder, clock, host, fault, in_files=scenario.in_files, backend=start.backend) as world:
        try:
            promised = await scenario.act(world)
        except StoreError:
            promised = False
        if not world.kv.has_failed:
            return None
    async with opened(folder, clock, host, in_files=scenario.in_files, backend=start.backend) as world:
        await world.assert_sound()
        found = await world.summary()
        assert found == start.after or (found == start.before and not promised)
        await scenario.act(world)  # whoever got no answer tries again
        await world.assert_sound()
        twice = scenario.repeats and found == start.after
        assert await world.summary() == (start.twice if twice else start.after)
        assert len(host.mails) in ((1, 2) if scenario.hands_over else (0,))
        await collect(world)
        await world.assert_sound()
        assert await world.unlinked() == 0
    return "done" if found == start.after else "not done"
