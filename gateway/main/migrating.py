"""``mailward store migrate``, and the same before the server starts."""

import asyncio
import json
import sys
from pathlib import Path

from tqdm import tqdm

from gateway.config import load
from gateway.main.failures import told_plainly
from gateway.main.storage import open_store
from gateway.observe.log import configure
from gateway.settings import Config
from store.changes.engine import Store
from store.schema.version import SCHEMA
from store.schema.version import check as check_schema
from store.upkeep.migrate import migrate


async def bring_up(config: Config) -> None:
    """Make the store ready for workers: new ones are marked, older ones migrated if the configuration lets us.

    Raises ConfigError, StoreError, OSError.
    """
    if not config.store.migrate:
        store = await open_store(config)
    else:
        store = await open_store(config, any_schema=True)
    try:
        if config.store.migrate:
            before = await _migrate(store)
            if before != SCHEMA:
                print(f"  the store was brought from schema {before} to {SCHEMA}", file=sys.stderr)
            await check_schema(store.kv)
    finally:
        await store.close()


def migrate_store(config_path: Path, *, as_json: bool) -> int:
    configure("human")
    with told_plainly():
        config = load(config_path)

        async def run() -> int:
            store = await open_store(config, any_schema=True)
            try:
                return await _migrate(store)
            finally:
                await store.close()

        before = asyncio.run(run())
    if as_json:
        print(json.dumps({"before": before, "schema": SCHEMA}))
    elif before == SCHEMA:
        print(f"  the store has schema {SCHEMA} already")
    else:
        print(f"  the store was brought from schema {before} to {SCHEMA}")
    return 0


async def _migrate(store: Store) -> int:
    """With a line of progress on a terminal; the version it had."""
    with tqdm(unit=" rows", file=sys.stderr, disable=None, leave=False) as bar:

        def tell(step: str, rows: int) -> None:
            bar.set_description(step)
            bar.update(rows - bar.n)

        return await migrate(store, tell)
