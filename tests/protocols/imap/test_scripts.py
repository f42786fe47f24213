"""Every dialogue under tests/scripts/imap, over every store."""

from pathlib import Path

import pytest

from tests.protocols.imap.house import House
from tests.protocols.imap.script import run_script

SCRIPTS = sorted((Path(__file__).parents[2] / "scripts" / "imap").glob("*.txt"))


def test_there_are_scripts() -> None:
    assert SCRIPTS


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_dialogue(path: Path, house: House) -> None:
    await run_script(path, house)
