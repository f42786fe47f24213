"""``mailward store key`` and ``rekey``: keys that mails are encrypted under."""

import json
import sys
from pathlib import Path

import click

from gateway.main.store_commands import JSON, STORE


@click.command()
def key() -> None:
    """Print a new key, as a line for the file that store.key_file names.

    Keep a copy away from the store's backups: without its key mail cannot be read.

    Example: (umask 077; mailward store key > store.key)
    """
    from store.blob.sealing import new_key

    print(new_key())


@click.command()
@STORE
@JSON
def rekey(config_path: Path, as_json: bool) -> None:
    """Encrypt every mail under the first key of store.key_file, while the server runs.

    It can be stopped and run again. Restart the servers with the new key first. Exit code: 0 when nothing is left
    under another key, 1 when something is.

    Example: mailward store rekey --config mailward.toml
    """
    sys.exit(run_rekey(config_path, as_json=as_json))


def run_rekey(config_path: Path, *, as_json: bool) -> int:
    from tqdm import tqdm

    from gateway.main.administration import with_store
    from store.changes.engine import Store
    from store.upkeep.rekey import Rekeyed, count_stale, rekey

    async def work(store: Store) -> int:
        far = Rekeyed()
        with tqdm(total=await count_stale(store), unit=" mails", disable=None, desc="encrypting") as bar:
            async for far in rekey(store):
                bar.update(far.rewritten - bar.n)
        name = store.blobs.keyring.current.hex()
        for fault in far.faults:
            print(f"mailward: {fault}", file=sys.stderr)
        if as_json:
            print(json.dumps({"key": name, "rewritten": far.rewritten, "faults": far.faults, "done": far.is_done}))
        else:
            rest = "no other key is needed any more" if far.is_done else "some are left: run it again"
            print(f"  {far.rewritten} mails were encrypted under key {name}; {rest}")
        return 0 if far.is_done else 1

    return with_store(config_path, work)
