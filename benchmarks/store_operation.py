"""What looking after a store costs: fsck, backup, restore, move, stats, and the disk given back after deletions.

    python -m benchmarks.store_operation FOLDER COUNT

FOLDER is new; COUNT generated mails of about 1.2 KB are put into one SQLite store. Each command runs as a process of
its own, as an operator runs it; printed are its seconds and its largest resident memory.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from gateway.config import load
from gateway.main.storage import open_store
from store.changes.engine import Store
from store.kv.contract import WriteTxn
from store.schema import keys
from store.upkeep.collect import Collector


def timed(what: str, *arguments: str) -> dict[str, object]:
    """Run a command; its seconds, peak memory and what it said."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "gateway.main", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    row: dict[str, object] = {
        "what": what,
        "seconds": round(time.monotonic() - began, 1),
        "memory_mib": usage.ru_maxrss // 1024,
        "exit": os.waitstatus_to_exitcode(status),
    }
    row["said"] = said.strip().splitlines()[-1] if said.strip() else ""
    print(json.dumps(row), flush=True)
    return row


async def _delete_half(config: Path) -> None:
    """As expunging does at the end: links go, then the collector removes what nobody links."""
    store: Store = await open_store(load(config))
    links = await store.kv.read(lambda txn: [key for key, _ in txn.scan(keys.LINK, keys.prefix_end(keys.LINK))][::2])

    def drop(batch: list[bytes]) -> object:
        def body(txn: WriteTxn) -> None:
            for key in batch:
                txn.delete(key)

        return store.kv.write(body)

    for start in range(0, len(links), 1000):
        await drop(links[start : start + 1000])  # type: ignore[misc]
    collector = Collector(store)
    for _ in range(2):
        await collector.collect()
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True)
    config = folder / "mailward.toml"
    config.write_text('[domain."b.example"]\n')
    (folder / "data").mkdir()
    url = f"sqlite:{folder / 'data' / 'store.sqlite'}"
    subprocess.run([sys.executable, "-m", "benchmarks.mailboxes", url, str(options.count)], check=True)
    here, backups = ("--config", str(config)), str(folder / "backups")
    timed("migrate", "store", "migrate", *here)
    timed("fsck", "fsck", *here)
    timed("stats", "store", "stats", "--json", *here)
    timed("first backup", "backup", backups, *here)
    timed("second backup, nothing new", "backup", backups, *here)
    timed("verify", "backup", "verify", backups)
    timed("restore and fsck", "restore", backups, "--to", f"sqlite:{folder / 'restored.sqlite'}")
    timed("move to RocksDB", "store", "move", "--to", f"rocksdb:{folder / 'moved.rocks'}", *here)
    before = (folder / "data" / "store.sqlite").stat().st_size
    asyncio.run(_delete_half(config))
    kept = (folder / "data" / "store.sqlite").stat().st_size
    timed("compact after deleting half of the mail", "store", "compact", "--json", *here)
    after = (folder / "data" / "store.sqlite").stat().st_size
    print(json.dumps({"store_octets": before, "with_half_deleted": kept, "compacted": after}))


if __name__ == "__main__":
    main()
