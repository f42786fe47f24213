"""``mailward signals`` and the page it prints."""

import json
from pathlib import Path

from click.testing import CliRunner

from gateway.checks import ALL_SIGNALS
from gateway.checks.catalogue import _FAMILIES, markdown, rows
from gateway.main.command import main

PAGE = Path(__file__).parents[3] / "docs" / "signals.md"


def printed(*options: str) -> str:
    done = CliRunner().invoke(main, ["signals", *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_page_is_what_the_command_prints() -> None:
    """When it is not: ``mailward signals --markdown > docs/signals.md``."""
    assert PAGE.read_text("utf-8") == printed("--markdown")


def test_each_signal_is_a_line() -> None:
    lines = [json.loads(line) for line in printed("--json").splitlines()]
    assert {line["name"] for line in lines} == {signal.name for signal in ALL_SIGNALS}
    assert len(lines) == len({line["name"] for line in lines})
    assert set(lines[0]) == {"name", "nats", "category", "about", "rfc"}
    assert len(printed().splitlines()) == len(lines)


def test_each_family_has_a_heading() -> None:
    assert {row.family for row in rows({})} <= set(_FAMILIES)


def test_a_detail_does_not_break_the_table() -> None:
    assert "{detail}" not in markdown(rows({}))


def test_a_missing_model_is_told_plainly(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["signals", "--model", str(tmp_path)])
    assert done.exit_code == 2
