"""``mailward store``, ``fsck``, ``backup`` and ``restore``: their options. What they do is imported when they run."""

import sys
from pathlib import Path

import click

STORE = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="Configuration file."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")


@click.group()
def store() -> None:
    """The store: its size, its schema, moving it."""


@store.command(name="migrate")
@STORE
@JSON
def migrate(config_path: Path, as_json: bool) -> None:
    """Bring a store that an older Mailward made up to date; the server does it by itself when it starts.

    Example: mailward store migrate --config mailward.toml
    """
    from gateway.main.migrating import migrate_store

    sys.exit(migrate_store(config_path, as_json=as_json))


@click.command()
@STORE
@click.option("--repair", "mend", is_flag=True, help="Mend what can be mended; nothing is thrown away.")
@JSON
def fsck(config_path: Path, mend: bool, as_json: bool) -> None:
    """Prove the store's invariants, also while it is in use. Reads everything; changes nothing without --repair.

    Exit code: 0 sound, 1 something was found, 2 the store cannot be opened.

    Example: mailward fsck --config mailward.toml
    """
    from gateway.main.storekeeping import check_store

    sys.exit(check_store(config_path, mend=mend, as_json=as_json))
