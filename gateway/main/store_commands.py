"""``mailward store``, ``fsck``, ``backup`` and ``restore``: their options. What they do is imported when they run."""

import sys
from pathlib import Path

import click

from gateway.main.overview import Listed

STORE = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="Configuration file."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")


@click.group(cls=Listed)
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


@store.command(name="reindex")
@click.argument("account", default="")
@STORE
@JSON
def reindex(account: str, config_path: Path, as_json: bool) -> None:
    """Make the search index of an account, or of all, anew; the old one answers until it is done.

    Example: mailward store reindex ana@example.com --config mailward.toml
    """
    from gateway.main.reindexing import reindex as run

    sys.exit(run(config_path, account, as_json=as_json))


@store.command(name="stats")
@STORE
@JSON
def stats(config_path: Path, as_json: bool) -> None:
    """How large the store is and why: kinds of rows, mails, accounts, and what can be given back to the disk."""
    from gateway.main.measuring import show_stats

    sys.exit(show_stats(config_path, as_json=as_json))


@store.command(name="compact")
@STORE
@click.option("--rewrite", is_flag=True, help="Write everything anew: takes long, and as much free disk again.")
@JSON
def compact(config_path: Path, rewrite: bool, as_json: bool) -> None:
    """Give back to the disk what deleted mail has left; the server does it, too, little by little."""
    from gateway.main.measuring import compact_store

    sys.exit(compact_store(config_path, rewrite=rewrite, as_json=as_json))


@store.command(name="move")
@STORE
@click.option("--to", "url", default="", help="An empty store: a URL as in store.url.")
@click.option("--blobs", default="", help="Or a new place for large mails, as in store.blobs.")
@JSON
def move(config_path: Path, url: str, blobs: str, as_json: bool) -> None:
    """Copy the store to another backend and compare; the old one is not changed. Stop the server first.

    Example: mailward store move --to postgresql://mailward@db.example/mailward --config mailward.toml
    """
    from gateway.main.measuring import move_store

    if bool(url) == bool(blobs):
        raise click.UsageError("say what to move: --to URL for the store, or --blobs PLACE for its large mails")
    sys.exit(move_store(config_path, url, blobs, as_json=as_json))


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


class _MakeByDefault(Listed):
    """``mailward backup FOLDER`` is ``mailward backup make FOLDER``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args and args[0] in self.commands else ["make", *args])


FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
AT = click.option("--at", default="", help="Which backup, by the id that `backup list` shows (the newest).")


@click.group(cls=_MakeByDefault)
def backup() -> None:
    """Copies of the whole store: consistent, incremental, verified by reading them back.

    Example: mailward backup /var/backups/mailward --keep 14 --config mailward.toml
    """


@backup.command(name="make")
@FOLDER
@STORE
@click.option("--keep", type=click.IntRange(min=0), default=0, help="Forget all but the newest so many (0: keep all).")
@JSON
def backup_make(folder: Path, config_path: Path, keep: int, as_json: bool) -> None:
    """Back the store up, while it is in use; what is in the folder already is not copied again."""
    from gateway.main.backups import make

    sys.exit(make(config_path, folder, keep=keep, as_json=as_json))


@backup.command(name="list")
@FOLDER
@JSON
def backup_list(folder: Path, as_json: bool) -> None:
    """Finished backups, oldest first."""
    from gateway.main.backups import list_backups

    sys.exit(list_backups(folder, as_json=as_json))


@backup.command(name="verify")
@FOLDER
@AT
@JSON
def backup_verify(folder: Path, at: str, as_json: bool) -> None:
    """Read a backup back and check every hash. Exit code: 0 whole, 1 damaged."""
    from gateway.main.backups import verify_backup

    sys.exit(verify_backup(folder, at, as_json=as_json))


@click.command()
@FOLDER
@AT
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Restore into the store it names.")
@click.option("--to", "url", default="", help="Or into this store: a URL as in store.url.")
@click.option("--blobs", default="", help="With --to: where large mails go, as in store.blobs.")
@click.option("--key-file", type=click.Path(path_type=Path), help="With --to: keys of encrypted mails.")
@JSON
def restore(
    folder: Path, at: str, config_path: Path | None, url: str, blobs: str, key_file: Path | None, as_json: bool
) -> None:
    """Put a backup into an empty store of any backend, and prove it with fsck.

    Example: mailward restore /var/backups/mailward --to sqlite:/var/lib/mailward/store.sqlite
    """
    from gateway.main.backups import Target, restore_backup

    if bool(config_path) == bool(url):
        raise click.UsageError("say where to restore to: --config FILE or --to URL")
    sys.exit(restore_backup(folder, Target(config_path, url, blobs, key_file), at, as_json=as_json))
