"""``mailward audit``: list, verify, export, and the head to keep outside."""

import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gateway.cli.verdicts import plain
from gateway.main.administration import when, with_store
from store.audit import chain
from store.audit.chain import Entry
from store.audit.sealing import seal_all
from store.audit.verify import verify_all
from store.changes.engine import Store, StoreView

BATCH = 1_000  #: entries a snapshot


def list_entries(config_path: Path, *, about: str, limit: int, as_json: bool) -> int:
    """The newest entries, oldest of them first; with ``about`` only those about one object."""

    def look(view: StoreView) -> list[Entry]:
        if about:
            return chain.about(view, about, limit)[::-1]
        return list(chain.entries(view, max(chain.head_of(view.kv).seq - limit + 1, 1)))

    async def work(store: Store) -> int:
        await seal_all(store)
        for entry in await store.read(look):
            if as_json:
                print(json.dumps(_line(entry), ensure_ascii=False))
            else:
                detail = f"  {plain(entry.detail, 100)}" if entry.detail else ""
                print(f"  {entry.seq:>8}  {when(entry.at_ms)}  {plain(entry.actor, 40)}  {entry.act}  "
                      f"{plain(entry.target, 60)}{detail}")  # fmt: skip
        return 0

    return with_store(config_path, work)


def verify(config_path: Path, *, seal: str, seq: int, as_json: bool) -> int:
    """Walk the chain; 1 when it does not hold."""
    anchors = {seq: bytes.fromhex(seal)} if seal else {}

    async def work(store: Store) -> int:
        await seal_all(store)
        base, head = await store.read(lambda view: (chain.base_of(view.kv), chain.head_of(view.kv)))
        with tqdm(total=head.seq - base.seq, unit=" entries", disable=None) as bar:
            broken, head = await verify_all(store, anchors, bar.update)
        if as_json:
            wrong = {"seq": broken.seq, "why": broken.why} if broken else None
            print(
                json.dumps({"entries": head.seq - base.seq, "seq": head.seq, "head": head.seal.hex(), "broken": wrong})
            )
        elif broken:
            print(f"  the chain breaks at entry {broken.seq}: {broken.why}")
        else:
            gone = f"; {base.seq} older ones were let go by age" if base.seq else ""
            print(f"  {head.seq - base.seq} entries, the chain holds{gone}")
            if not anchors:
                print(
                    "  to see a cut end or a chain sealed anew as well, give a seal kept outside: --seq N --head SEAL"
                )
        return 1 if broken else 0

    return with_store(config_path, work)


def show_head(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        await seal_all(store)
        head = await store.read(lambda view: chain.head_of(view.kv))
        if as_json:
            print(json.dumps({"seq": head.seq, "head": head.seal.hex()}))
        else:
            print(f"--seq {head.seq} --head {head.seal.hex()}")
        return 0

    return with_store(config_path, work)


def export(config_path: Path, *, names: bool) -> int:
    """Every entry as a JSON line, as it was sealed; with ``names`` also whom the pseudonyms mean."""

    def look(view: StoreView, start: int) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        for entry in chain.sealed(view, start, BATCH):
            line = _line(entry) | {"before": entry.before.hex(), "version": entry.version}
            if names:
                told = chain.told(view.kv, entry)
                line["names"] = {"actor": told.actor, "target": told.target, "people": told.people}
            lines.append(line)
        return lines

    async def work(store: Store) -> int:
        await seal_all(store)
        start = 1
        while lines := await store.read(lambda view, at=start: look(view, at)):  # type: ignore[misc]
            for line in lines:
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            start = lines[-1]["seq"] + 1
        return 0

    return with_store(config_path, work)


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at_ms": entry.at_ms,
        "actor": entry.actor,
        "act": entry.act,
        "target": entry.target,
        "detail": entry.detail,
        "people": list(entry.people),
        "seal": entry.seal.hex(),
    }
