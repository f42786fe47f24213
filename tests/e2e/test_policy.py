"""One mail, three recipients, three outcomes: a rule, a block entry made while the server runs, and neither."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.test_one_message import fetch_by_id, imap, send
from tests.support.gateway import Gateway, mailward, serving
from tests.support.letters import letter

RULES = """
[[rule]]
name = "minutes-for-ben"
when = { from_domain = "partner.example", subject = "*minutes*", authenticated = true }
then = "junk"
because = "Ben reads no minutes"
for = "ben@example.com"

[[rule.test]]
from = "bob@partner.example"
to = "ben@example.com"
subject = "Minutes of Tuesday"
authenticated = true
expect = "junk"
"""


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory, dns: str) -> Iterator[Gateway]:
    with serving(tmp_path_factory.mktemp("policy"), dns, more=RULES) as running:
        for name in ("ana", "ben", "eve"):
            running.add_user(f"{name}@example.com")
        yield running
        assert running.failures() == []


def rows(gateway: Gateway, *command: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in gateway.command(*command, "--json").stdout.splitlines()]


def test_three_recipients_get_what_is_theirs(ruled: Gateway) -> None:
    ruled.command("block", "add", "partner.example", "--for", "eve@example.com", "--reason", "She asked for it")
    to = [f"{name}@example.com" for name in ("ana", "ben", "eve")]
    reception = send(ruled, letter("Minutes of Tuesday", to=to[0]).as_bytes(), *to)

    [seen] = rows(ruled, "explain", reception)
    outcomes = {each["address"]: each for each in seen["recipients"]}  # type: ignore[attr-defined]
    assert [outcomes[address]["action"] for address in to] == ["accept", "junk", "quarantine"]
    assert [outcomes[to[1]]["rule"], outcomes[to[1]]["why"]] == ["minutes-for-ben", "Ben reads no minutes"]
    assert "block list" in outcomes[to[2]]["why"]
    with imap(ruled) as hers, imap(ruled, to[1]) as his:
        delivered, filed = fetch_by_id(hers, "INBOX", reception), fetch_by_id(his, "Junk", reception)
    assert b"action=accept" in delivered and b"Ben reads no minutes" not in delivered
    assert b"action=junk" in filed and b"Ben reads no minutes" in filed
    assert [held["to"] for held in rows(ruled, "quarantine", "list")] == [[to[2]]]
    assert [rule["hits"] for rule in rows(ruled, "rule", "list")] == [1]
    [entry] = rows(ruled, "block", "list")
    assert (entry["hits"], entry["scope"], entry["reason"]) == (1, to[2], "She asked for it")
    assert {"policy.block"} <= {line["act"] for line in rows(ruled, "audit", "list")}


def test_the_rules_tests_pass(ruled: Gateway) -> None:

    assert "1 of 1 tests pass" in mailward("config", "test", str(ruled.config)).stdout
