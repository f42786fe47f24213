"""Spam traps from the command line: seeds, lists, refusals, and what the trail says."""

import json
import random
from pathlib import Path

import pytest

from gateway.traps.seeds import PLACES, local_parts
from tests.gateway.main.test_people import Shell

TRAPS = """
[traps]
addresses = ["trap@example.com", "*-old@example.com"]
domains = ["dead.example"]
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, TRAPS)


def rows(shell: Shell) -> dict[str, dict[str, object]]:
    lines = shell.done("trap list --json").splitlines()
    return {row["trap"]: row for row in map(json.loads, lines)}


def test_new_traps_are_believable_distinct_and_say_where_to_plant_them(shell: Shell) -> None:
    said = shell.done("trap new --count 10")
    made = [line.split(None, 1) for line in said.splitlines()[:10]]
    assert len({name for name, _ in made}) == 10
    assert all(name.endswith("@example.com") for name, _ in made)
    assert {place.strip() for _, place in made} == set(PLACES)
    stored = {name for name, row in rows(shell).items() if row["from"] == "store"}
    assert stored == {name for name, _ in made}
    assert shell.done("audit list").count("trap.new") == 10


def test_the_list_names_every_trap(shell: Shell) -> None:
    shell.done("trap add Leaver@Example.com @sold.example")
    found = rows(shell)
    assert {name: row["from"] for name, row in found.items()} == {
        "trap@example.com": "configuration",
        "*-old@example.com": "configuration",
        "@dead.example": "configuration",
        "leaver@example.com": "store",
        "@sold.example": "store",
    }
    assert {(row["hits"], row["last"]) for row in found.values()} == {(0, None)}
    assert "none yet" in shell.done("trap list")


def test_a_trap_is_removed_once(shell: Shell) -> None:
    shell.done("trap add leaver@example.com")
    assert "no trap any more" in shell.done("trap remove leaver@example.com")
    assert "no such trap" in shell.refused("trap remove leaver@example.com")
    assert "stands in the configuration" in shell.refused("trap remove trap@example.com")
    assert "trap.remove" in shell.done("audit list")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("leaver", 2),
        ("leaver@", 2),
        ("*-old@example.com", 2),
        ("ana@example.com", 1),
        ("ana+news@example.com", 1),
        ("trap@example.com", 1),
        ("@example.com", 1),
    ],
)
def test_what_cannot_be_a_trap(shell: Shell, name: str, code: int) -> None:
    shell.done("user add ana@example.com --password-stdin", "correct horse battery\n")
    shell.refused(f"trap add spare@example.com {name}", code)
    assert "spare@example.com" not in rows(shell)


def test_traps_are_only_made_at_domains_of_ours(shell: Shell) -> None:
    assert "is not a domain" in shell.refused("trap new --domain other.example", 2)
    assert "@relayed.example" in shell.done("trap new --domain relayed.example --count 1")


def test_names_are_many_and_differ_from_house_to_house() -> None:
    one, other = (list(local_parts(random.Random(seed))) for seed in (1, 2))
    assert len(set(one)) == len(one) > 1_000
    assert one[:50] != other[:50]
    assert all(name.isascii() and not set(name) & set(" @+*") for name in one)
