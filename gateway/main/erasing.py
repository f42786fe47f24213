"""``mailward erase``: what goes, the receipt, and checking one."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from gateway.main.administration import with_store
from gateway.main.failures import told_plainly
from gateway.main.services import utc_now
from gateway.retention import person, receipt
from gateway.retention.erase import Tally, erase, forget_name
from gateway.retention.person import NoPerson
from gateway.retention.receipt import ReceiptDamaged
from store.changes.engine import Store


def erase_person(config_path: Path, address: str, *, by: str, reason: str, to: Path | None, is_dry: bool) -> int:
    """0 when all that may go went; 1 when it cannot be done, or rows are left that nothing explains."""

    async def work(store: Store) -> int:
        now = utc_now()
        try:
            who = await store.read(lambda view: person.find(view, address, int(now.timestamp() * 1000)))
        except NoPerson as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 1
        path = to or Path(f"erasure-{now:%Y%m%dT%H%M%SZ}.json")
        if not is_dry and path.exists():
            print(f"mailward: {path}: is there already; name another file with --receipt", file=sys.stderr)
            return 1
        with tqdm(unit=" steps", disable=None) as bar:
            tally = await erase(store, who, by, is_dry=is_dry, on_step=lambda _: bar.update(1))
        _show(tally, is_dry=is_dry)
        if is_dry:
            return 0
        return await _conclude(store, who, tally, path, by, reason)

    return with_store(config_path, work)


async def _conclude(store: Store, who: person.Person, tally: Tally, path: Path, by: str, reason: str) -> int:
    await store.write(lambda txn: forget_name(txn, who))
    with tqdm(unit=" rows", disable=None) as bar:
        left = await person.scan(store, who, bar.update)
    at = datetime.fromtimestamp(who.asked_ms / 1000, UTC).isoformat(timespec="seconds")
    made = await receipt.conclude(store, who, tally, left, at=at, by=by, reason=reason)
    _write(path, made)
    for each in left:
        print(f"  still named in {each.count} rows: {each.kind}" + (f" ({each.why})" if each.why else ""))
    print(f"  receipt: {path} (it names the person: hand it over, do not keep it beside your mail)")
    kept = {kind for kind, _ in tally.kept}
    unexplained = [each for each in left if not each.why and each.kind not in kept]
    for each in unexplained:
        print(f"mailward: {each.count} rows of {each.kind} still name {who.address}; run it again", file=sys.stderr)
    return 1 if unexplained else 0


def check_receipt(config_path: Path, path: Path) -> int:
    """0 when the receipt is genuine and nothing names the person that it does not speak of."""
    try:
        with told_plainly():
            body = receipt.read(path.read_bytes())
    except ReceiptDamaged as error:
        print(f"mailward: {path}: {error}", file=sys.stderr)
        return 1
    who = person.Person(body["address"], None, person.pattern_of(body["address"]), 0)

    async def work(store: Store) -> int:
        faults = await store.read(lambda view: receipt.check_seal(view, body))
        with tqdm(unit=" rows", disable=None) as bar:
            back = receipt.unspoken(body, await person.scan(store, who, bar.update))
        for fault in faults:
            print(f"  the receipt does not hold: {fault}")
        for each in back:
            print(f"  {who.address} stands in {each.count} rows: {each.kind}; that came later, or came back")
        if not faults and not back:
            print("  the receipt holds, and nothing else names the person")
        return 1 if faults or back else 0

    return with_store(config_path, work)


def _show(tally: Tally, *, is_dry: bool) -> None:
    verb = "would erase" if is_dry else "erased"
    for kind, count in tally.erased.items():
        print(f"  {verb} {count} {kind}")
    for (kind, why), count in sorted(tally.kept.items()):
        print(f"  kept {count} {kind}: {why}")
    if not tally.erased and not tally.kept:
        print("  nothing is known about this address")


def _write(path: Path, made: dict[str, object]) -> None:
    with path.open("x", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(made, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
