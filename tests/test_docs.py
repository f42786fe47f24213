"""What the documents promise exists."""

import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from gateway.main.command import main
from gateway.settings import Config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = sorted(
    {m for m in re.findall(r"(?:\.venv/bin/|`)mailward ((?:[a-z]+ ?){1,2})", README) if m.split()[0] in main.commands}
)


def test_the_readme_names_commands() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_exists_and_explains_itself(command: str) -> None:
    words = command.split()
    group = main.commands[words[0]]
    known = getattr(group, "commands", {})
    arguments = words if len(words) > 1 and words[1] in known else words[:1]
    done = CliRunner().invoke(main, [*arguments, "--help"])
    assert done.exit_code == 0 and "Usage:" in done.output


def test_the_example_configuration_is_accepted_as_it_is_printed(tmp_path: Path) -> None:
    printed = CliRunner().invoke(main, ["config", "example"]).output
    (tmp_path / "mailward.toml").write_text(printed)
    done = CliRunner().invoke(main, ["config", "test", str(tmp_path / "mailward.toml")])
    assert done.exit_code == 0, done.output


def test_every_setting_is_described_in_its_place() -> None:
    """The comment behind a setting is its manual; a setting without one is undocumented."""
    source = "\n\n\n".join(p.read_text("utf-8") for p in sorted((ROOT / "gateway" / "settings").glob("*.py")))
    for section in (f.type for f in msgspec.structs.fields(Config)):
        if not (isinstance(section, type) and issubclass(section, msgspec.Struct)):
            continue
        body = source.partition(f"class {section.__name__}(")[2].partition("\n\n\n")[0]
        documented = '"""' in body
        for field in msgspec.structs.fields(section):
            line = next(line for line in body.splitlines() if line.strip().startswith(f"{field.name}:"))
            assert "#:" in line or documented, f"{section.__name__}.{field.name}"


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_files_that_a_document_names_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    named = set(
        re.findall(r"`((?:gateway|models|training|store|protocols|docs|benchmarks|datasets|tests)/[\w./]+\.\w+)`", text)
    )
    named |= set(re.findall(r"\]\((docs/[\w./-]+)\)", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
