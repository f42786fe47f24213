"""Rules tested where they are written, and block and allow entries from the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.main.command import main

CONFIG = """
[server]
data = "data"
workers = 1
[domain."example.com"]
[[rule]]
name = "partner"
when = { from_domain = "partner.example" }
then = "deliver"
because = "Partner's mail is wanted"
"""
TOLD = """
[[rule.test]]
from = "ana@partner.example"
to = "bob@example.com"
authenticated = true
probability = 0.95
expect = "deliver"
[[rule.test]]
from = "ana@partner.example"
to = "bob@example.com"
probability = 0.95
expect = "other"
"""
FILED = """
[[rule.test]]
mail = "lunch.eml"
to = "bob@example.com"
authenticated = true
expect = "deliver"
"""
WRONG = """
[[rule.test]]
from = "ana@partner.example"
expect = "deliver"
"""
MAIL = b"From: Ana <ana@partner.example>\r\nTo: bob@example.com\r\nSubject: Lunch\r\n\r\nAt noon?\r\n"


def run(folder: Path, *command: str, text: str = "") -> Result:
    config = folder / "mailward.toml"
    if text or not config.exists():
        config.write_text(CONFIG + text)
    return CliRunner().invoke(main, [*command, str(config)] if command[0] == "config" else
                              [*command, "--config", str(config)])  # fmt: skip


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_tests_that_pass(tmp_path: Path) -> None:
    done = run(tmp_path, "config", "test", text=TOLD)
    assert (done.exit_code, "2 of 2 tests pass" in done.stdout) == (0, True), done.output


def test_a_mail_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "lunch.eml").write_bytes(MAIL)
    done = run(tmp_path, "config", "test", text=FILED)
    assert (done.exit_code, "1 of 1 tests pass" in done.stdout) == (0, True), done.output


def test_a_mail_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "config", "test", text=FILED)
    assert (done.exit_code, "lunch.eml: No such file" in done.stderr) == (2, True), done.output


def test_a_test_that_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "config", "test", text=TOLD + WRONG)
    assert done.exit_code == 1
    assert "FAIL" in done.stdout and "2 of 3 tests pass" in done.stdout
    as_json = run(tmp_path, "config", "test", "--json")
    assert as_json.exit_code == 1
    assert [json.loads(line)["is_passed"] for line in as_json.stdout.splitlines()] == [True, True, False]


def test_rules_are_listed_with_what_they_skip(tmp_path: Path) -> None:
    [row] = rows(run(tmp_path, "rule", "list", "--json"))
    assert (row["name"], row["then"], row["hits"]) == ("partner", "deliver", 0)
    assert "never dangerous attachments" in str(row["skips"])


def test_an_entry_is_added_listed_and_removed(tmp_path: Path) -> None:
    run(tmp_path, "block", "add", "Spam.Example", "--for", "Bob@example.com", "--reason", "noise", "--by", "ann")
    [row] = rows(run(tmp_path, "block", "list", "--json"))
    assert (row["subject"], row["scope"], row["owner"], row["reason"]) == (
        "@spam.example", "bob@example.com", "ann", "noise",
    )  # fmt: skip
    assert (row["needs"], row["hits"], row["expired"]) == ("nothing", 0, False)
    assert row["expires"] is not None
    assert run(tmp_path, "block", "remove", "spam.example").exit_code == 1  # that is another one: for everybody
    assert run(tmp_path, "block", "remove", "spam.example", "--for", "bob@example.com").exit_code == 0
    assert rows(run(tmp_path, "block", "list", "--json")) == []
    assert [row["act"] for row in rows(run(tmp_path, "audit", "list", "--json"))] == ["policy.block", "policy.unblock"]


def test_an_allow_entry_says_what_it_needs(tmp_path: Path) -> None:
    options = ("--network", "192.0.2.0/24", "--days", "0", "--reason", "scanner")
    assert run(tmp_path, "allow", "add", "ana@bücher.example", *options).exit_code == 0
    [row] = rows(run(tmp_path, "allow", "list", "--json"))
    assert (row["subject"], row["expires"]) == ("ana@xn--bcher-kva.example", None)
    assert "proof" in str(row["needs"]) and "192.0.2.0/24" in str(row["needs"])
    assert rows(run(tmp_path, "block", "list", "--json")) == []


@pytest.mark.parametrize(
    "command",
    [
        ("block", "add", "nothing", "--reason", "x"),
        ("block", "add", "a b@c.example", "--reason", "x"),
        ("block", "add", "@", "--reason", "x"),
        ("block", "add", "c.example", "--for", "bob", "--reason", "x"),
        ("allow", "add", "c.example", "--network", "192.0.2.1/24", "--reason", "x"),
        ("block", "add", "c.example"),
    ],
)
def test_what_is_no_entry_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert run(tmp_path, *command).exit_code == 2
