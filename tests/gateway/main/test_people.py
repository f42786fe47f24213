"""Users, domains, aliases and groups from the command line: what is done, what is refused, and what the trail says."""

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
[domain."relayed.example"]
deliver = "smtp:127.0.0.1:2600"
"""


class Shell:
    """The program over one configuration."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.config = folder / "mailward.toml"
        self.config.write_text(CONFIG + more)

    def run(self, command: str, password: str = "") -> Result:
        return CliRunner().invoke(main, [*command.split(), "--config", str(self.config)], input=password)

    def done(self, command: str, password: str = "") -> str:
        result = self.run(command, password)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, command: str, code: int = 1) -> str:
        result = self.run(command)
        assert result.exit_code == code, result.output
        return result.stderr

    def rows(self, what: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.done(f"{what} --json").splitlines()]

    def add(self, address: str, *options: str) -> None:
        self.done(f"user add {address} --password-stdin {' '.join(options)}", "long enough\n")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_user_is_added_listed_limited_and_removed(shell: Shell) -> None:
    shell.add("Ana@example.com", "--admin", "--alias", "post@example.com")
    shell.done("user quota ana@example.com --octets 5G --mails 1000")
    row = shell.rows("user list")[0]
    assert (row["address"], row["roles"], row["aliases"]) == ("ana@example.com", ["admin"], ["post@example.com"])
    assert (row["mails"], row["most_mails"], row["most_octets"]) == (0, 1000, 5 << 30)
    assert "may hold 1000 mails" in shell.done("user quota ana@example.com")
    assert "is removed" in shell.done("user remove ana@example.com --yes")
    assert shell.rows("user list") == []
    assert "no such user" in shell.refused("user remove ana@example.com --yes")
    acts = [entry["act"] for entry in shell.rows("audit list")]
    assert acts == ["user.add", "user.quota", "user.remove"]
    assert shell.run("fsck").exit_code == 0


def test_an_alias_of_a_user_is_not_removed_as_one(shell: Shell) -> None:
    shell.add("ana@example.com", "--alias", "post@example.com")
    assert "is an alias of ana@example.com" in shell.refused("user remove post@example.com --yes")


def test_a_new_password_replaces_the_old_one(shell: Shell) -> None:
    shell.add("ana@example.com")
    assert "new password" in shell.done("user password ana@example.com --password-stdin", "another one\n")
    assert shell.run("user password ana@example.com --password-stdin", "short\n").exit_code == 2
    assert shell.run("user password eva@example.com --password-stdin", "long enough\n").exit_code == 1


REFUSED_ADDRESSES = {
    "no domain": "ana",
    "a domain elsewhere": "ana@other.example",
    "a relayed domain": "ana@relayed.example",
    "no local part": "@example.com",
    "a comma": "a,b@example.com",
}


@pytest.mark.parametrize("address", REFUSED_ADDRESSES.values(), ids=REFUSED_ADDRESSES)
def test_an_address_that_is_not_ours_gets_no_account(shell: Shell, address: str) -> None:
    result = shell.run(f"user add {address} --password-stdin", "long enough\n")
    assert result.exit_code == 2
    assert "mailward domain" in result.stderr or "write one as" in result.stderr


def test_a_domain_of_the_store_takes_users_up_to_its_limit_and_goes_when_it_is_empty(shell: Shell) -> None:
    shell.done("domain add Example.net --octets 1M --accounts 1")
    shell.add("ben@example.net")
    assert shell.rows("user list")[0]["most_octets"] == 1 << 20
    result = shell.run("user add eva@example.net --password-stdin", "long enough\n")
    assert "has 1 accounts and may have 1" in result.stderr
    assert "ben@example.net is in use" in shell.refused("domain remove example.net")
    shell.done("user remove ben@example.net --yes")
    shell.done("domain remove example.net")
    assert [row["name"] for row in shell.rows("domain list")] == ["example.com", "relayed.example"]


def test_a_domain_of_the_configuration_gets_settings_from_the_store(shell: Shell) -> None:
    shell.done("domain add example.com --no-plus --mails 10")
    shell.done("domain add example.com --disabled")
    row = shell.rows("domain list")[0]
    assert (row["from"], row["details"], row["most_mails"], row["enabled"]) == ("configuration", False, 10, False)
    assert "stays, by the configuration" in shell.done("domain remove example.com")
    assert shell.rows("domain list")[0]["enabled"] is True
    assert "take it out there" in shell.refused("domain remove example.com")


BAD_DOMAINS = {
    "no dot": ("domain add localhost", "no domain name"),
    "an address": ("domain add a@example.net", "no domain name"),
    "a relayed one": ("domain add relayed.example", "relays its mail"),
    "an unknown catch-all": ("domain add example.net --catch-all x@example.net", "nobody has this address"),
    "never there": ("domain remove example.net", "no such domain"),
}


@pytest.mark.parametrize(("command", "why"), BAD_DOMAINS.values(), ids=BAD_DOMAINS)
def test_a_domain_that_cannot_be_is_refused(shell: Shell, command: str, why: str) -> None:
    assert why in shell.refused(command)


def test_an_alias_to_one_user_is_an_address_of_the_user_and_to_several_is_its_own(shell: Shell) -> None:
    shell.add("ana@example.com")
    shell.add("ben@example.com")
    shell.done("alias add a@example.com ana@example.com")
    shell.done("alias add sales@example.com ana@example.com ben@example.com")
    assert shell.rows("user list")[0]["aliases"] == ["a@example.com"]
    assert {row["address"]: row["targets"] for row in shell.rows("alias list")} == {
        "a@example.com": ["ana@example.com"],
        "sales@example.com": ["ana@example.com", "ben@example.com"],
    }
    shell.done("alias remove a@example.com")
    shell.done("alias remove sales@example.com")
    assert shell.rows("alias list") == []
    assert "is no alias" in shell.refused("alias remove ana@example.com")


BAD_ALIASES = {
    "taken": ("alias add ana@example.com ben@example.com", "has this address already"),
    "to nobody": ("alias add x@example.com eva@example.com", "nobody has this address"),
    "elsewhere without a way out": ("alias add x@example.com a@other.example", "set outbound.relay"),
    "no address": ("alias add x@example.com ana", "write one as"),
}


@pytest.mark.parametrize(("command", "why"), BAD_ALIASES.values(), ids=BAD_ALIASES)
def test_an_alias_that_cannot_be_is_refused(shell: Shell, command: str, why: str) -> None:
    shell.add("ana@example.com")
    shell.add("ben@example.com")
    assert why in shell.refused(command)


def test_an_alias_elsewhere_needs_a_way_out(tmp_path: Path) -> None:
    shell = Shell(tmp_path, '[outbound]\nrelay = "127.0.0.1:2601"\n')
    shell.done("alias add x@example.com someone@other.example")
    assert shell.rows("alias list")[0]["targets"] == ["someone@other.example"]


def test_a_circle_is_refused_and_named(shell: Shell) -> None:
    shell.add("ana@example.com")
    shell.done("group add one@example.com ana@example.com")
    shell.done("alias add two@example.com one@example.com ana@example.com")
    error = shell.refused("group members one@example.com --add two@example.com")
    assert "one@example.com -> two@example.com -> one@example.com" in error
    assert shell.rows("group list")[0]["members"] == ["ana@example.com"]


def test_a_group_changes_its_members_and_goes(shell: Shell) -> None:
    shell.add("ana@example.com")
    shell.add("ben@example.com")
    shell.done("group add team@example.com ana@example.com --senders members --name Team")
    assert "ben@example.com" in shell.done(
        "group members team@example.com --add ben@example.com --remove ana@example.com"
    )
    assert shell.rows("group list") == [
        {"address": "team@example.com", "name": "Team", "senders": "members", "members": ["ben@example.com"]}
    ]
    assert "not in the group" in shell.refused("group members team@example.com --remove ana@example.com")
    assert "there is such a group" in shell.refused("group add team@example.com")
    shell.done("group remove team@example.com")
    assert "no such group" in shell.refused("group remove team@example.com")
    assert shell.run("fsck").exit_code == 0
