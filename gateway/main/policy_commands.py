"""``mailward allow``, ``block`` and ``rule``: their options. What they do is imported when they run."""

import sys
from pathlib import Path

import click

from gateway.main.compliance_commands import BY
from gateway.main.overview import Listed
from gateway.main.people_commands import JSON, STORE

FOR = click.option("--for", "scope", default="", help="Only for this recipient, or this domain of ours.")
REASON = click.option("--reason", required=True, help="Why, for whoever reads it later.")
DAYS = click.option("--days", type=click.IntRange(min=0, max=36_500), default=90, help="How long; 0 is for ever.")


@click.group(cls=Listed)
def allow() -> None:
    """Senders whose mail counts as wanted, once they prove who they are."""


@click.group(cls=Listed)
def block() -> None:
    """Senders whose mail is held."""


@click.group(cls=Listed)
def rule() -> None:
    """The rules of the configuration."""


@rule.command(name="list")
@STORE
@JSON
def rule_list(config_path: Path, as_json: bool) -> None:
    """Rules in order, what they skip, and how many mails each decided (or would have, in shadow)."""
    from gateway.main.policing import list_rules

    sys.exit(list_rules(config_path, as_json=as_json))


@allow.command(name="add")
@click.argument("subject")
@STORE
@FOR
@REASON
@BY
@DAYS
@click.option("--network", "networks", multiple=True, help="Clients that are trusted without the sender's proof.")
@JSON
def allow_add(subject: str, config_path: Path, as_json: bool, **told: str) -> None:
    """Allow an address, or a domain with all below it.

    Example: mailward allow add partner.example --reason "invoices" --days 365 --config mailward.toml
    """
    from gateway.main.policing import Wanted, add_entry

    sys.exit(add_entry(config_path, Wanted("allow", subject, **told), as_json=as_json))  # type: ignore[arg-type]


@block.command(name="add")
@click.argument("subject")
@STORE
@FOR
@REASON
@BY
@DAYS
@JSON
def block_add(subject: str, config_path: Path, as_json: bool, **told: str) -> None:
    """Block an address, or a domain with all below it.

    Example: mailward block add spam.example --for ana@example.com --reason "asked for" --config mailward.toml
    """
    from gateway.main.policing import Wanted, add_entry

    sys.exit(add_entry(config_path, Wanted("block", subject, **told), as_json=as_json))  # type: ignore[arg-type]


def _list(kind: str) -> click.Command:
    @click.command(name="list", help=f"The {kind} entries: for whom, until when, by whom, and how many mails.")
    @STORE
    @JSON
    def listed(config_path: Path, as_json: bool) -> None:
        from gateway.main.policing import list_entries

        sys.exit(list_entries(config_path, kind, as_json=as_json))

    return listed


def _remove(kind: str) -> click.Command:
    @click.command(name="remove", help=f"Take an entry of the {kind} list back.")
    @click.argument("subject")
    @STORE
    @FOR
    @BY
    @JSON
    def removed(subject: str, config_path: Path, scope: str, by: str, as_json: bool) -> None:
        from gateway.main.policing import Wanted, remove_entry

        sys.exit(remove_entry(config_path, Wanted(kind, subject, scope, by=by), as_json=as_json))

    return removed


for group, kind in ((allow, "allow"), (block, "block")):
    group.add_command(_list(kind))
    group.add_command(_remove(kind))
