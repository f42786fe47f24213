"""``mailward --help``: every command under a heading, and no sentence cut short."""

import click
import pytest
from click.testing import CliRunner

from gateway.main.command import main
from gateway.main.overview import SECTIONS


def _groups(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return []
    return [path, *(found for name, each in command.commands.items() for found in _groups(each, (*path, name)))]


def test_every_command_is_under_one_heading() -> None:
    named = [name for _, names in SECTIONS for name in names]
    assert sorted(named) == sorted(main.commands)


def test_headings_come_in_their_order() -> None:
    told = CliRunner().invoke(main, ["--help"]).output
    places = [told.index(f"\n{title}:") for title, _ in SECTIONS]
    assert places == sorted(places) and "Other:" not in told


@pytest.mark.parametrize("path", _groups(main), ids=lambda path: " ".join(path) or "mailward")
def test_no_sentence_is_cut(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*path, "--help"], terminal_width=80)
    assert done.exit_code == 0 and "..." not in done.output.partition(":\n")[2]


def test_a_command_of_no_heading_is_listed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.commands, "novel", click.Command("novel", help="Something new."))
    assert "Other:\n  novel  Something new." in CliRunner().invoke(main, ["--help"]).output
