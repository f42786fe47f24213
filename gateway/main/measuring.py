"""``mailward store stats``, ``compact`` and ``move``."""

import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from gateway.config import ConfigError, load
from gateway.main.administration import with_store
from gateway.main.backups import DAMAGED, Bar, Target, integrity_of, open_target
from gateway.main.failures import told_plainly
from store.blob.opening import objects_of
from store.blob.places import folder_of
from store.changes.engine import Store
from store.kv.contract import StoreError
from store.kv.opening import check_url, path_of
from store.kv.room import Room, compact, room_of
from store.schema.version import check as check_schema
from store.upkeep.move import move, move_objects
from store.upkeep.stats import Stats, measure

_UNITS = ("octets", "KiB", "MiB", "GiB", "TiB")


def sized(octets: float) -> str:
    """Octets for people."""
    unit = 0
    while octets >= 1024 and unit < len(_UNITS) - 1:
        octets, unit = octets / 1024, unit + 1
    return f"{octets:.0f} {_UNITS[unit]}" if unit == 0 else f"{octets:.1f} {_UNITS[unit]}"


def show_stats(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        bar = Bar()
        stats = await measure(store, bar)
        bar.close()
        free = shutil.disk_usage(load(config_path).server.data).free
        if as_json:
            told = asdict(stats) | {"deduplication": round(stats.mails.deduplication, 3), "disk_free": free}
            print(json.dumps(told, ensure_ascii=False))
        else:
            _print(stats, free)
        return 0

    return with_store(config_path, work, existing=True)


def _print(stats: Stats, free: int) -> None:
    for name, space in sorted(stats.spaces.items(), key=lambda pair: -pair[1].octets):
        print(f"  {name:<14} {space.rows:>12,} rows  {sized(space.octets):>12}")
    mails = stats.mails
    print(
        f"  {mails.count:,} mails of {sized(mails.octets)}, {sized(mails.packed_octets)} as kept in the store", end=""
    )
    print(f"; {mails.elsewhere:,} kept elsewhere" if mails.elsewhere else "")
    if mails.deduplication >= 1:
        print(f"  each kept once: {mails.links:,} copies would take {mails.deduplication:.2f} times as much")
    print(f"  {mails.unlinked:,} mails that nobody has any more will be collected")
    if stats.oldest_ms is not None and stats.newest_ms is not None:
        print(f"  received from {_day(stats.oldest_ms)} to {_day(stats.newest_ms)}")
    print(f"  {stats.accounts:,} accounts; the largest:")
    for account in stats.largest:
        print(f"    {account.address:<40} {account.mails:>10,} mails  {sized(account.octets):>12}")
    if stats.room is not None:
        _print_room(stats.room)
    print(f"  {sized(free)} free on the disk of server.data")


def _print_room(room: Room) -> None:
    print(f"  {sized(room.octets)} on disk; `mailward store compact` gives {sized(room.reclaimable)} back")
    if room.advice:
        print(f"  {room.advice}")


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def compact_store(config_path: Path, *, rewrite: bool, as_json: bool) -> int:
    async def work(store: Store) -> int:
        before = await room_of(store.kv)
        freed = await compact(store.kv, rewrite=rewrite)
        after = await room_of(store.kv)
        if as_json:
            rooms = {"before": asdict(before) if before else None, "after": asdict(after) if after else None}
            print(json.dumps({"freed": freed} | rooms))
        elif after is None:
            print("  this store looks after its room by itself")
        else:
            print(f"  {sized(freed)} given back to the disk; the store takes {sized(after.octets)}")
            if after.advice and not rewrite:
                print(f"  {after.advice}")
        return 0

    return with_store(config_path, work, existing=True)


def move_store(config_path: Path, url: str, blobs: str, *, as_json: bool) -> int:
    """Copy the store or its large mails; the source is left as it is."""
    with told_plainly():
        try:
            check_url(url or "memory:")
            folder = folder_of(blobs) if blobs else None
        except ValueError as error:
            raise ConfigError(f"{'--to' if url else '--blobs'}: {error}") from error
    if url and (path := path_of(url)) is not None:
        url = f"{check_url(url)}:{path.absolute()}"  # a configuration takes paths from its own folder
    if folder is not None:
        blobs = f"files:{folder.absolute()}"

    async def work(store: Store) -> int:
        if damage := await integrity_of(store):
            raise StoreError(DAMAGED.format(damage[0]) + "; nothing was copied")
        bar = Bar()
        told = await (_move_rows(store, url, bar) if url else _move_blobs(config_path, store, blobs, bar))
        bar.close()
        line = f'url = "{url}"' if url else f'blobs = "{blobs}"'
        if as_json:
            print(json.dumps(told | {"change": {"section": "store", "line": line}}))
        else:
            print(f"  copied and compared: {', '.join(f'{count:,} {what}' for what, count in told.items())}")
            print(f"  now write in {config_path}, section [store]:  {line}")
            print("  the old store was not changed: remove it when the new one has proved itself")
        return 0

    return with_store(config_path, work, existing=True)


async def _move_rows(store: Store, url: str, bar: Bar) -> dict[str, int]:
    target = await open_target(Target(url=url))
    try:
        found = await move(store, target.kv, bar)
        await check_schema(target.kv)
    finally:
        await target.kv.close()
    return {"rows": sum(each.rows for each in found.values()), "octets": sum(each.octets for each in found.values())}


async def _move_blobs(config_path: Path, store: Store, place: str, bar: Bar) -> dict[str, int]:
    credentials = load(config_path).store.s3_credentials
    try:
        target = objects_of(place, Path(credentials) if credentials else None)
    except ValueError as error:
        raise ConfigError(f"--blobs: {error}") from error
    try:
        return {"large mails": await move_objects(store, target, bar)}
    finally:
        await target.close()
