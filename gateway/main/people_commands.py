"""``mailward user``, ``domain``, ``alias`` and ``group``: their options. What they do is imported when they run."""

import re
import sys
from pathlib import Path

import click

from gateway.main.overview import Listed

STORE = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="Configuration file."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
PASSWORD_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
_SIZE = re.compile(r"(\d{1,15})\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Amount(click.ParamType[int]):
    """A number such as "5G" or "100000"; "none" is no limit, and "domain" the domain's where that makes sense."""

    name = "amount"

    def __init__(self, *, inherits: bool) -> None:
        self._inherits = inherits

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip().lower()
        if text == "none":
            return 0
        if text == "domain" and self._inherits:
            return -1
        found = _SIZE.fullmatch(text)
        if found is None or not int(found[1]):
            also = ', "none" or "domain"' if self._inherits else ' or "none"'
            self.fail(f"{value!r}: write a number such as 100000, 500M or 5G{also}", param, ctx)
        return int(found[1]) * _FACTORS[found[2].lower()]


def _password(from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else str(click.prompt("Password", hide_input=True))


@click.group(cls=Listed)
def user() -> None:
    """Accounts."""


@user.command(name="add")
@click.argument("address")
@STORE
@click.option("--name", default="", help="Name for people.")
@click.option("--alias", "aliases", multiple=True, help="Another address of the same account.")
@click.option("--admin", is_flag=True, help="May see and release all held mail.")
@PASSWORD_STDIN
def user_add(
    address: str, config_path: Path, name: str, aliases: tuple[str, ...], admin: bool, password_stdin: bool
) -> None:
    """Make an account with its mailboxes.

    Example: printf %s "$PASSWORD" | mailward user add ana@example.com --password-stdin --config mailward.toml
    """
    from gateway.main.people import add_user

    sys.exit(add_user(config_path, address, name, _password(password_stdin), aliases=aliases, is_admin=admin))


@user.command(name="list")
@STORE
@JSON
def user_list(config_path: Path, as_json: bool) -> None:
    """Who has an account, and how much mail it holds.

    Example: mailward user list --config mailward.toml
    """
    from gateway.main.people import list_users

    sys.exit(list_users(config_path, as_json=as_json))


@user.command(name="password")
@click.argument("address")
@STORE
@PASSWORD_STDIN
def user_password(address: str, config_path: Path, password_stdin: bool) -> None:
    """Give an account a new password.

    Example: mailward user password ana@example.com --config mailward.toml
    """
    from gateway.main.people import set_password

    sys.exit(set_password(config_path, address, _password(password_stdin)))


@user.command(name="quota")
@click.argument("address")
@STORE
@click.option("--mails", type=Amount(inherits=True), help='How many mails, "none" or "domain".')
@click.option("--octets", type=Amount(inherits=True), help='How much mail, such as 5G, "none" or "domain".')
def user_quota(address: str, config_path: Path, mails: int | None, octets: int | None) -> None:
    """Limit an account; without a limit, say how much it holds.

    Example: mailward user quota ana@example.com --octets 5G --config mailward.toml
    """
    from gateway.main.people import set_quota

    sys.exit(set_quota(config_path, address, mails, octets))


@user.command(name="remove")
@click.argument("address")
@STORE
@click.option("--yes", is_flag=True, help="Do not ask.")
def user_remove(address: str, config_path: Path, yes: bool) -> None:
    """Remove an account with all its mail. A legal hold keeps what it must.

    Example: mailward user remove ana@example.com --yes --config mailward.toml
    """
    from gateway.main.people import remove_user

    if not yes:
        click.confirm(f"Remove {address} and all its mail for good?", abort=True)
    sys.exit(remove_user(config_path, address))


@click.group(cls=Listed)
def domain() -> None:
    """Domains whose mail is kept here, beside those of the configuration."""


@domain.command(name="add")
@click.argument("name")
@STORE
@click.option("--catch-all", help='Address that gets mail for names nobody has; "" for none.')
@click.option("--enabled/--disabled", default=None, help="Whether it takes mail.")
@click.option("--plus/--no-plus", "plus", default=None, help='Whether "ann+news" is ann.')
@click.option("--mails", type=Amount(inherits=False), help="How many mails an account may hold, unless it says itself.")
@click.option("--octets", type=Amount(inherits=False), help="How much mail, such as 5G.")
@click.option("--accounts", type=Amount(inherits=False), help="How many accounts there may be.")
def domain_add(
    name: str,
    config_path: Path,
    catch_all: str | None,
    enabled: bool | None,
    plus: bool | None,
    mails: int | None,
    octets: int | None,
    accounts: int | None,
) -> None:
    """Add a domain, or set something for one that is there, also for one of the configuration.

    Example: mailward domain add example.net --octets 5G --config mailward.toml
    """
    from gateway.main.directories import put_domain

    given = {
        "catch_all": catch_all.lower() if catch_all is not None else None,
        "is_enabled": enabled,
        "has_details": plus,
        "most_mails": mails,
        "most_octets": octets,
        "most_accounts": accounts,
    }
    sys.exit(put_domain(config_path, name, {key: value for key, value in given.items() if value is not None}))


@domain.command(name="list")
@STORE
@JSON
def domain_list(config_path: Path, as_json: bool) -> None:
    """Every domain mail is taken for, by the configuration or the store.

    Example: mailward domain list --config mailward.toml
    """
    from gateway.main.directories import list_domains

    sys.exit(list_domains(config_path, as_json=as_json))


@domain.command(name="remove")
@click.argument("name")
@STORE
def domain_remove(name: str, config_path: Path) -> None:
    """Take a domain out of the store, once no address of it is in use.

    Example: mailward domain remove example.net --config mailward.toml
    """
    from gateway.main.directories import remove_domain

    sys.exit(remove_domain(config_path, name))


@click.group(cls=Listed)
def alias() -> None:
    """Addresses that lead to others."""


@alias.command(name="add")
@click.argument("address")
@click.argument("targets", nargs=-1, required=True)
@STORE
def alias_add(address: str, targets: tuple[str, ...], config_path: Path) -> None:
    """Let an address lead to one or several others, here or elsewhere.

    Example: mailward alias add sales@example.com ana@example.com ben@example.com --config mailward.toml
    """
    from gateway.main.directories import add_alias

    sys.exit(add_alias(config_path, address, targets))


@alias.command(name="list")
@STORE
@JSON
def alias_list(config_path: Path, as_json: bool) -> None:
    """Every alias and where it leads.

    Example: mailward alias list --config mailward.toml
    """
    from gateway.main.directories import list_aliases

    sys.exit(list_aliases(config_path, as_json=as_json))


@alias.command(name="remove")
@click.argument("address")
@STORE
def alias_remove(address: str, config_path: Path) -> None:
    """Take an alias away.

    Example: mailward alias remove sales@example.com --config mailward.toml
    """
    from gateway.main.directories import remove_alias

    sys.exit(remove_alias(config_path, address))


@click.group(cls=Listed)
def group() -> None:
    """Groups: addresses with members, and a say in who may write to them."""


@group.command(name="add")
@click.argument("address")
@click.argument("members", nargs=-1)
@STORE
@click.option("--name", default="", help="Name for people.")
@click.option(
    "--senders",
    type=click.Choice(["anyone", "internal", "members"]),
    default="anyone",
    help="Who may write to it; all but anyone must prove who they are (SPF or DKIM).",
)
def group_add(address: str, members: tuple[str, ...], config_path: Path, name: str, senders: str) -> None:
    """Make a group. Members are users, aliases, other groups, or addresses elsewhere.

    Example: mailward group add team@example.com ana@example.com --senders members --config mailward.toml
    """
    from gateway.main.directories import put_group

    sys.exit(put_group(config_path, address, name, senders, members))


@group.command(name="members")
@click.argument("address")
@STORE
@click.option("--add", multiple=True, help="A new member.")
@click.option("--remove", multiple=True, help="A member that leaves.")
def group_members(address: str, config_path: Path, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Who is in a group; with options, change that.

    Example: mailward group members team@example.com --add eva@example.com --config mailward.toml
    """
    from gateway.main.directories import change_members

    sys.exit(change_members(config_path, address, add, remove))


@group.command(name="list")
@STORE
@JSON
def group_list(config_path: Path, as_json: bool) -> None:
    """Every group.

    Example: mailward group list --config mailward.toml
    """
    from gateway.main.directories import list_groups

    sys.exit(list_groups(config_path, as_json=as_json))


@group.command(name="remove")
@click.argument("address")
@STORE
def group_remove(address: str, config_path: Path) -> None:
    """Take a group away.

    Example: mailward group remove team@example.com --config mailward.toml
    """
    from gateway.main.directories import remove_group

    sys.exit(remove_group(config_path, address))
