"""One account gets a held mail once, however its addresses are released."""

from pathlib import Path

from tests.faults.world import Clock, opened, settle_in
from tests.gateway.outbound.sink import sink
from tests.support.letters import GTUBE


async def test_two_addresses_of_one_account_released_one_after_the_other_are_one_mail(tmp_path: Path) -> None:
    async with sink() as host, opened(tmp_path, Clock(), host) as world:
        await settle_in(world)
        assert (await world.receive(GTUBE, "ana@example.com", "ana+shop@example.com", "ben@example.com")).code == 250
        [reception] = await world.held()
        for address in ("ana@example.com", "ana+shop@example.com", "ben@example.com"):
            moved = await world.services.quarantine.release(reception, "admin", addresses=[address])
            assert [copy.address for copy in moved] == [address]
        found = await world.summary()
        assert (found["ana@example.com inbox test"], found["ben@example.com inbox test"]) == (1, 1)
        await world.assert_sound()
