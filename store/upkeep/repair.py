"""Mending what ``fsck`` finds: everything that follows from something else is made again, nothing is thrown away.

A row that cannot be read is written to ``lost+found`` before it goes, and so are octets whose last link leads nowhere.
Every repair stands in the audit trail. Rounds follow each other until nothing more can be mended, because one repair
makes another possible; the last look says what is left.
"""

import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from store.audit import chain
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import StoreError, StoreUnavailable
from store.schema import keys
from store.schema.rows import RowDamaged
from store.upkeep import rescue
from store.upkeep.findings import Finding
from store.upkeep.fsck import Progress, check_again, examine

BY, ACT = "command line", "store.repair"
_ROUNDS = 8
_AT_ONCE = 20  # repairs of one row in one transaction
_LOST_AT_ONCE = 5_000  # emails without their other half, mended together


@dataclass(frozen=True, slots=True)
class Repaired:
    """One finding, and what became of it."""

    finding: Finding
    is_mended: bool


@dataclass(slots=True)
class LostAndFound:
    """A folder for what is taken out of the store. Written and durable before anything goes."""

    folder: Path

    def row(self, finding: Finding, value: bytes) -> None:
        """Append a row to the manifest. Raises OSError."""
        entry = {
            "key": finding.key.hex(),
            "value": base64.b64encode(value).decode(),
            "where": finding.where,
            "what": finding.what,
        }
        self._append("rows.jsonl", json.dumps(entry).encode() + b"\n")

    async def octets(self, store: Store, blob: BlobId, finding: Finding) -> None:
        """Write a blob as a file. Raises OSError; what cannot be read is named in the manifest alone."""
        name = f"{blob.hex()}.eml"
        try:
            async for piece in store.blobs.open(blob):
                self._append(name + ".part", piece)
            if (self.folder / (name + ".part")).exists():
                os.replace(self.folder / (name + ".part"), self.folder / name)
        except StoreUnavailable:
            raise
        except (BlobMissing, StoreError):
            name = ""
        entry = {"blob": blob.hex(), "file": name, "where": finding.where, "what": finding.what}
        self._append("octets.jsonl", json.dumps(entry).encode() + b"\n")

    def _append(self, name: str, octets: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, octets)
            os.fsync(file)
        finally:
            os.close(file)


async def repair(
    store: Store, lost_and_found: Path, progress: Callable[[], Progress] = Progress
) -> AsyncIterator[Repaired]:
    """Mend and tell, then tell what is left. Raises StoreUnavailable, and OSError for the folder."""
    aside = LostAndFound(lost_and_found)
    for _ in range(_ROUNDS):
        is_any, lost = False, dict[tuple[int, int], Finding]()
        async for finding in examine(store, progress()):
            if finding.lost is not None and len(lost) < _LOST_AT_ONCE:
                lost[finding.lost] = finding
            elif await _mend(store, finding, aside):
                is_any = True
                yield Repaired(finding, True)
        async for finding in rescue.rescue(store, lost):
            is_any = True
            await store.write(lambda txn, found=finding: _record(txn, found))  # type: ignore[misc]
            yield Repaired(finding, True)
        if not is_any:
            break
    async for finding in examine(store, progress()):
        yield Repaired(finding, False)


async def _mend(store: Store, finding: Finding, aside: LostAndFound) -> bool:
    if finding.is_unreadable:
        return await _set_aside(store, finding, aside)
    if finding.heal is not None:
        try:
            await finding.heal(store)
        except RowDamaged:
            return False  # first that row is set aside, then this is mended
        await store.write(lambda txn: _record(txn, finding))
        return True
    if finding.mend is None:
        return False
    if finding.key[:1] == keys.LINK:
        await _keep_octets(store, finding, aside)
    return await store.write(lambda txn: _mend_row(txn, finding.key))


def _mend_row(txn: StoreTxn, key: bytes) -> bool:
    """Look at the row again in this transaction and mend what is found, one thing after the other."""
    done: set[str] = set()
    while len(done) < _AT_ONCE:
        found = check_again(StoreView(txn.kv), key)
        first = next((each for each in found if each.mend is not None and each.what not in done), None)
        if first is None or first.mend is None:
            break
        first.mend(txn)
        txn.flush()
        _record(txn, first)
        done.add(first.what)
    return bool(done)


async def _set_aside(store: Store, finding: Finding, aside: LostAndFound) -> bool:
    value = await store.read(lambda view: view.kv.get(finding.key))
    if value is None:
        return False
    aside.row(finding, value)

    def body(txn: StoreTxn) -> bool:
        if txn.kv.get(finding.key) != value:
            return False
        txn.kv.delete(finding.key)
        _record(txn, finding)
        return True

    return await store.write(body)


async def _keep_octets(store: Store, finding: Finding, aside: LostAndFound) -> None:
    """Before the last link of a blob goes, its octets are written to a file: somebody may want them."""
    blob = BlobId(finding.key[1:33])

    def is_last(view: StoreView) -> bool:
        prefix = keys.link(blob, b"")
        return len(list(view.kv.scan(prefix, keys.prefix_end(prefix), limit=2))) == 1

    if await store.read(is_last):
        await aside.octets(store, blob, finding)


def _record(txn: StoreTxn, finding: Finding) -> None:
    chain.record(txn, txn.now_ms, BY, ACT, finding.where[:200], f"{finding.what}: {finding.remedy}")
