"""What the virus scanner decides, as configured: no failure of it lets mail through that should wait."""

import pytest

from gateway.main.services import load_model, policy_of
from gateway.pipeline.verdict import Action
from gateway.settings import ClamAv, Config


@pytest.mark.parametrize(
    ("clamav", "virus", "unreachable"),
    [
        pytest.param(ClamAv(), Action.QUARANTINE, None, id="as it comes"),
        pytest.param(ClamAv(on_virus="refuse"), Action.REJECT, None, id="refused"),
        pytest.param(ClamAv(on_failure="defer"), Action.QUARANTINE, Action.DEFER, id="waiting for the scanner"),
    ],
)
def test_what_the_scanner_decides(clamav: ClamAv, virus: Action, unreachable: Action | None) -> None:
    config = Config(clamav=clamav)
    floors = policy_of(config, load_model(config)).at_least
    assert (floors.get("attachment.virus"), floors.get("clamav.unreachable")) == (virus, unreachable)
    assert "clamav.too-long" not in floors
