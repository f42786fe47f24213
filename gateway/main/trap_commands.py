"""``mailward trap`` and ``pyzor``: their options. What they do is imported when they run."""

import sys
from pathlib import Path

import click

from gateway.main.overview import Listed
from gateway.main.people_commands import JSON, STORE


@click.group(cls=Listed)
def trap() -> None:
    """Spam traps: addresses nobody was ever given. Mail to them is learned from and never delivered."""


@trap.command(name="new")
@STORE
@click.option("--domain", default="", help="At which of your domains; the first one without.")
@click.option("--count", type=click.IntRange(1, 200), default=5, show_default=True, help="How many.")
def trap_new(config_path: Path, domain: str, count: int) -> None:
    """Make believable addresses into traps, and say where to plant each.

    Example: mailward trap new --count 8 --config mailward.toml
    """
    from gateway.main.trapping import new_traps

    sys.exit(new_traps(config_path, domain, count))


@trap.command(name="add")
@click.argument("names", nargs=-1, required=True)
@STORE
def trap_add(names: tuple[str, ...], config_path: Path) -> None:
    """Make a trap of an address that nobody has any more, or of a whole domain ("@old.example").

    Example: mailward trap add leaver@example.com @old.example --config mailward.toml
    """
    from gateway.main.trapping import add_traps

    sys.exit(add_traps(config_path, names))


@trap.command(name="list")
@STORE
@JSON
def trap_list(config_path: Path, as_json: bool) -> None:
    """Every trap, how much mail came to it, and when the last.

    Example: mailward trap list --config mailward.toml
    """
    from gateway.main.trapping import list_traps

    sys.exit(list_traps(config_path, as_json=as_json))


@trap.command(name="remove")
@click.argument("name")
@STORE
def trap_remove(name: str, config_path: Path) -> None:
    """Take a trap of the store away.

    Example: mailward trap remove leaver@example.com --config mailward.toml
    """
    from gateway.main.trapping import remove_trap

    sys.exit(remove_trap(config_path, name))


@click.group(cls=Listed)
def pyzor() -> None:
    """Pyzor servers, asked and told by hand. Only a digest of a mail's text leaves this machine."""


def _act(name: str, about: str) -> None:
    @pyzor.command(name=name, help=f"{about}\n\nExample: mailward pyzor {name} mail.eml --config mailward.toml")
    @click.argument("files", nargs=-1, required=True)
    @STORE
    @JSON
    def run(files: tuple[str, ...], config_path: Path, as_json: bool) -> None:
        from gateway.main.pyzoring import tell_pyzor

        sys.exit(tell_pyzor(config_path, name, files, as_json=as_json))


_act("check", "How often mail like this was reported. FILES are mails; - is standard input.")
_act("report", "Tell a server that mails are spam.")
_act("whitelist", "Tell a server that mails are wanted, against reports by mistake.")
