"""``mailward fsck``: what is wrong with the store, and mending it."""

import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from gateway.config import load
from gateway.main.administration import with_store
from store.changes.engine import Store
from store.kv.sqlite import SqliteKeyValueStore
from store.upkeep import fsck
from store.upkeep.findings import Finding
from store.upkeep.fsck import Progress
from store.upkeep.repair import Repaired, repair

SOUND, FOUND, NOT_OPENED = 0, 1, 2


class Bar(Progress):
    """Rows and mails looked at, on stderr; nothing when that is no terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = tqdm(unit=" rows", file=sys.stderr, disable=None, desc="looking", leave=False)

    def tell(self) -> None:
        self._bar.set_postfix_str(f"{self.blobs} mails read, at {self.where}", refresh=False)
        self._bar.update(self.rows + self.blobs - self._bar.n)


def check_store(config_path: Path, *, mend: bool, as_json: bool) -> int:
    """0: sound; 1: something was found, or is left after mending; 2: it cannot be opened."""

    async def work(store: Store) -> int:
        left = mended = 0
        async for each in _each(store, config_path, mend=mend):
            left, mended = left + (not each.is_mended), mended + each.is_mended
            _show(each, mend=mend, as_json=as_json)
        if not as_json:
            print(_summary(left, mended))
        return FOUND if left else SOUND

    try:
        return with_store(config_path, work, existing=True)
    except SystemExit as failure:
        if failure.code in {2, 3}:
            return NOT_OPENED
        raise


async def _each(store: Store, config_path: Path, *, mend: bool) -> AsyncIterator[Repaired]:
    if isinstance(store.kv, SqliteKeyValueStore):
        for text in await store.kv.integrity():
            yield Repaired(Finding("file", text), False)
    if not mend:
        async for finding in fsck.examine(store, Bar()):
            yield Repaired(finding, False)
        return
    folder = Path(load(config_path).server.data) / "lost+found" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    async for repaired in repair(store, folder, Bar):
        yield repaired


def _show(each: Repaired, *, mend: bool, as_json: bool) -> None:
    finding = each.finding
    if as_json:
        row = {"where": finding.where, "what": finding.what, "repair": finding.remedy or None, "mended": each.is_mended}
        print(json.dumps(row, ensure_ascii=False))
        return
    if each.is_mended:
        told = f"; mended: {finding.remedy}"
    elif finding.remedy and not mend:
        told = f"; --repair: {finding.remedy}"
    else:
        told = "; no repair can mend that"
    print(f"  {finding.where}: {finding.what}{told}")


def _summary(left: int, mended: int) -> str:
    if left:
        return f"  {left} found" + (f", {mended} mended before" if mended else "")
    return f"  the store is sound{f', {mended} mended' if mended else ''}"
