"""``mailward backup`` and ``restore``."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gateway.config import ConfigError, load
from gateway.main.administration import with_store
from gateway.main.failures import told_plainly
from gateway.main.storage import open_store
from gateway.observe.log import configure
from store.blob.opening import open_blobs, open_keyring
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.contract import StoreError
from store.kv.opening import check_url, open_kv
from store.kv.sqlite import SqliteKeyValueStore
from store.schema.version import SCHEMA
from store.upkeep import fsck
from store.upkeep.backup.create import create
from store.upkeep.backup.folder import BackupDamaged, Folder, Manifest
from store.upkeep.backup.restore import restore
from store.upkeep.backup.verify import check_links, verify
from store.upkeep.migrate import migrate

DAMAGED = "the store's file is damaged ({}), so rows may be missing from the copy: see `mailward fsck`"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to restore to: named by itself, or by a configuration."""

    config_path: Path | None = None
    url: str = ""
    blobs: str = ""
    key_file: Path | None = None


class Bar:
    """How far it is, on stderr; nothing when that is no terminal."""

    def __init__(self) -> None:
        self._bar = tqdm(file=sys.stderr, disable=None, leave=False)
        self._what = ""

    def __call__(self, what: str, count: int) -> None:
        if what != self._what:
            self._what = what
            self._bar.reset()
            self._bar.set_description(what, refresh=False)
        self._bar.update(count - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def make(config_path: Path, path: Path, *, keep: int, as_json: bool) -> int:
    """Back up, read back, and only then let it count; then forget all but the newest ``keep``."""
    source = check_url(load_url(config_path))
    bar = Bar()

    async def work(store: Store) -> int:
        folder = Folder(path)
        damage = await integrity_of(store)
        with folder.locked():
            before = frozenset(name for each in folder.manifests() for name in each.files())
            manifest = (await create(store, folder, source, bar)).sealed()
            fresh = manifest.files() - before
            await asyncio.to_thread(verify, folder, manifest, bar, only=fresh)
            missing = await asyncio.to_thread(check_links, folder, manifest)
            folder.write_manifest(manifest)
            _forget(folder, 0 if damage else keep)
            written = sum(_size(folder, name) for name in fresh)
        bar.close()
        _say_made(manifest, written, missing, path, as_json=as_json)
        if damage:
            print(f"mailward: {DAMAGED.format(damage[0])}; older backups were kept", file=sys.stderr)
        return 1 if missing or damage else 0

    return with_store(config_path, work, existing=True)


async def integrity_of(store: Store) -> list[str]:
    """What the backend itself finds wrong with its file, where it can tell: a scan may pass over lost pages."""
    return await store.kv.integrity() if isinstance(store.kv, SqliteKeyValueStore) else []


def load_url(config_path: Path) -> str:
    with told_plainly():
        return load(config_path).store.url or "sqlite:in server.data"


def _forget(folder: Folder, keep: int) -> None:
    for old in folder.manifests()[:-keep] if keep else []:
        (folder.path / "manifests" / f"{old.id}.json").unlink()
    folder.drop_unused()


def _size(folder: Folder, name: str) -> int:
    return sum(path.stat().st_size for path in (folder.segment(name), folder.pack(name)) if path.exists())


def _say_made(manifest: Manifest, written: int, missing: int, path: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_summary(manifest) | {"written_octets": written, "missing_mails": missing}))
        return
    print(f"  backup {manifest.id}: {manifest.rows} rows, {manifest.blobs} mails; {written} octets are new in {path}")
    if missing:
        print(f"  {missing} mails that rows name are not in the store: see `mailward fsck`")
    if manifest.keys:
        print(
            f"  mails are encrypted under key {', '.join(manifest.keys)}, which is not in the backup: keep it elsewhere"
        )


def _summary(manifest: Manifest) -> dict[str, object]:
    return {
        "id": manifest.id,
        "schema": manifest.schema,
        "source": manifest.source,
        "rows": manifest.rows,
        "mails": manifest.blobs,
        "mail_octets": manifest.blob_octets,
        "keys": list(manifest.keys),
    }


def list_backups(path: Path, *, as_json: bool) -> int:
    with told_plainly():
        if not path.is_dir():
            raise StoreError(f"{path} is no folder")
        for manifest in Folder(path).manifests():
            told = f"  {manifest.id}  {manifest.rows:>10} rows  {manifest.blobs:>8} mails  from {manifest.source}"
            print(json.dumps(_summary(manifest)) if as_json else told)
    return 0


def verify_backup(path: Path, at: str, *, as_json: bool) -> int:
    """0: it can be restored; 1: it is damaged."""
    with told_plainly():
        folder = Folder(path)
        try:
            manifest = chosen(folder, at)
            bar = Bar()
            verify(folder, manifest, bar)
            missing = check_links(folder, manifest)
            bar.close()
        except BackupDamaged as error:
            print(json.dumps({"whole": False, "why": str(error)}) if as_json else f"  damaged: {error}")
            return 1
        if as_json:
            print(json.dumps(_summary(manifest) | {"whole": True, "missing_mails": missing}))
        else:
            lost = f"; {missing} mails were missing from the store already" if missing else ""
            print(f"  backup {manifest.id} is whole: {manifest.rows} rows, {manifest.blobs} mails{lost}")
    return 0


def chosen(folder: Folder, at: str) -> Manifest:
    """The backup of that id, or the newest. Raises StoreError."""
    if at:
        return folder.manifest(at)
    every = folder.manifests()
    if not every:
        raise StoreError(f"there is no finished backup in {folder.path}")
    return every[-1]


def restore_backup(path: Path, target: Target, at: str, *, as_json: bool) -> int:
    """0: restored and sound; 1: restored, and fsck found something."""
    configure("human")
    with told_plainly():
        folder = Folder(path)
        manifest = chosen(folder, at)
        if manifest.schema > SCHEMA:
            raise StoreError(f"backup {manifest.id} has schema {manifest.schema}: it needs a newer Mailward")
        bar = Bar()
        verify(folder, manifest, bar)

        async def work(store: Store) -> int:
            require_keys(store, manifest)
            await restore(store, folder, manifest, bar)
            await migrate(store)
            return len(await fsck.findings_of(store))

        findings = asyncio.run(_on(target, work))
        bar.close()
    if as_json:
        print(json.dumps(_summary(manifest) | {"findings": findings}))
    else:
        print(f"  restored backup {manifest.id}: {manifest.rows} rows, {manifest.blobs} mails")
        print(f"  {f'fsck found {findings}: run `mailward fsck`' if findings else 'the store is sound'}")
    return 1 if findings else 0


def require_keys(store: Store, manifest: Manifest) -> None:
    """Raises StoreError when mails of the backup could not be read where they are put."""
    missing = [name for name in manifest.keys if bytes.fromhex(name) not in store.blobs.keyring.ids]
    if missing:
        raise StoreError(
            f"backup {manifest.id} is encrypted under key {', '.join(missing)}, which was not given: "
            "name its file with --key-file, or in store.key_file of the configuration"
        )


async def _on(target: Target, work: Callable[[Store], Awaitable[int]]) -> int:
    store = await open_target(target)
    try:
        return await work(store)
    finally:
        await store.close()


async def open_target(target: Target) -> Store:
    """A store to be filled, whatever its schema. Raises ConfigError, StoreError, OSError."""
    if target.config_path is not None:
        return await open_store(load(target.config_path), any_schema=True)
    try:
        check_url(target.url)
    except ValueError as error:
        raise ConfigError(f"--to: {error}") from error
    kv = await open_kv(target.url)
    blobs = await open_blobs(kv, target.blobs, keyring=open_keyring(target.key_file))
    return Store(kv, blobs, Announcer())
