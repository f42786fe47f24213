"""Backups: of one moment, incremental, verified, and restored into every backend; damage is found and named."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from store.blob.folder import FolderObjects
from store.blob.sealing import Keyring
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.contract import StoreError
from store.kv.memory import MemoryKeyValueStore
from store.kv.opening import open_kv
from store.mail import emails
from store.schema.version import SchemaNewer, Unfinished, check
from store.upkeep.backup import segments
from store.upkeep.backup.create import create
from store.upkeep.backup.folder import BackupDamaged, Folder, Manifest, records
from store.upkeep.backup.restore import NotEmpty, restore
from store.upkeep.backup.verify import check_links, verify
from tests.scripts.keep_store import describe
from tests.support.mail_store import Letter, assert_sound, deliver, new_account

LARGE = "".join(f"{number:x} lines of a large mail\r\n" for number in range(20_000))


def quiet(_what: str, _count: int) -> None:
    """Nobody watches."""


def built(**options: Any) -> Store:
    kv = MemoryKeyValueStore()
    return Store(kv, Blobs(kv, **options), Announcer())


@pytest.fixture(params=["in the store", "in a folder", "encrypted", "encrypted in a folder"])
async def source(request: Any, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with small and large mail, wherever large mail may be."""
    options: dict[str, Any] = {}
    if "folder" in request.param:
        options["objects"] = FolderObjects(tmp_path / "objects")
    if "encrypted" in request.param:
        options["keyring"] = Keyring([bytes(range(32))])
    store = built(**options)
    store.clock = ticking()
    bob = await new_account(store)
    for number in range(20):
        await deliver(store, bob, Letter(f"Mail {number}", f"{number}@a.example").octets())
    await deliver(store, bob, Letter("Large", "large@a.example", body=LARGE).octets())
    yield store
    await store.close()


def ticking() -> Any:
    seconds = iter(range(1_772_445_600, 1_772_545_600))
    return lambda: float(next(seconds))


async def backed_up(store: Store, folder: Folder) -> Manifest:
    folder.make()
    manifest = (await create(store, folder, "memory", quiet)).sealed()
    verify(folder, manifest, quiet)
    assert check_links(folder, manifest) == 0
    folder.write_manifest(manifest)
    return manifest


def same_options(store: Store, tmp_path: Path) -> dict[str, Any]:
    options: dict[str, Any] = {"keyring": store.blobs.keyring}
    return options | ({"objects": FolderObjects(tmp_path / "restored")} if store.blobs.elsewhere else {})


async def test_what_is_restored_is_what_was_backed_up(source: Store, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "backups")
    manifest = await backed_up(source, folder)
    again = built(**same_options(source, tmp_path))
    await restore(again, folder, manifest, quiet)
    assert await describe(again) == await describe(source)
    await assert_sound(again)
    await again.close()


@pytest.mark.parametrize("backend", ["sqlite", "rocksdb", "postgresql"])
async def test_a_backup_can_be_restored_into_any_backend(backend: str, tmp_path: Path, request: Any) -> None:
    store = built()
    bob = await new_account(store)
    for number in range(700):
        await deliver(store, bob, Letter(f"Mail {number}", f"{number}@a.example").octets())
    folder = Folder(tmp_path / "backups")
    manifest = await backed_up(store, folder)
    url = request.getfixturevalue("postgres_url") if backend == "postgresql" else f"{backend}:{tmp_path / 'new'}"
    kv = await open_kv(url)
    again = Store(kv, Blobs(kv), Announcer())
    await restore(again, folder, manifest, quiet)
    assert await describe(again) == await describe(store)
    await again.close()


async def test_without_a_long_snapshot_each_account_is_of_one_moment(source: Store, tmp_path: Path) -> None:
    """As on FoundationDB; fsck puts in order what spans accounts."""
    folder = Folder(tmp_path / "backups")
    folder.make()
    manifest = (await create(source, folder, "memory", quiet, in_slices=True)).sealed()
    assert not manifest.is_one_moment
    verify(folder, manifest, quiet)
    assert check_links(folder, manifest) == 0
    again = built(**same_options(source, tmp_path))
    await restore(again, folder, manifest, quiet)
    assert await describe(again) == await describe(source)
    await assert_sound(again)
    await again.close()


async def test_the_second_backup_copies_only_what_is_new(source: Store, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "backups")
    first = await backed_up(source, folder)
    bob = await new_account(source, "ann@b.example")
    await deliver(source, bob, Letter("New", "new@a.example").octets())
    second = await backed_up(source, folder)
    fresh = {pack.name for pack in second.packs} - {pack.name for pack in first.packs}
    assert [pack.blobs for pack in second.packs if pack.name in fresh] == [1]
    assert second.blobs == first.blobs + 1
    for manifest in (first, second):
        verify(folder, manifest, quiet)


async def test_segments_that_did_not_change_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_ROWS", 50)
    monkeypatch.setattr(segments, "CUT", 8)
    store = built()
    bob = await new_account(store)
    for number in range(300):
        await deliver(store, bob, Letter(f"Mail {number}", f"{number}@a.example").octets())
    folder = Folder(tmp_path / "backups")
    first = await backed_up(store, folder)
    await deliver(store, bob, Letter("One more", "more@a.example").octets())
    second = await backed_up(store, folder)
    shared = {entry.name for entry in first.segments} & {entry.name for entry in second.segments}
    assert len(first.segments) > 20
    assert len(shared) > len(first.segments) // 2


async def test_old_backups_go_and_what_others_need_stays(source: Store, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "backups")
    first = await backed_up(source, folder)
    bob = await new_account(source, "ann@b.example")
    await deliver(source, bob, Letter("New", "new@a.example").octets())
    second = await backed_up(source, folder)
    (folder.path / "manifests" / f"{first.id}.json").unlink()
    assert folder.drop_unused() > 0
    assert folder.manifests() == [second]
    verify(folder, second, quiet)


async def test_packs_mostly_not_needed_are_written_anew(tmp_path: Path) -> None:
    store = built()
    store.clock = ticking()
    bob = await new_account(store)
    kept = [await deliver(store, bob, Letter(f"{n}", f"{n}@a.example").octets()) for n in range(10)]
    folder = Folder(tmp_path / "backups")
    first = await backed_up(store, folder)
    for email in kept[:8]:
        await store.write(lambda txn, number=email.id: emails.destroy(txn.account(bob.id), number))  # type: ignore[misc]
        await store.blobs.remove(email.blob)
    second = await backed_up(store, folder)
    third = await backed_up(store, folder)
    assert [pack.live for pack in second.packs] == [2]
    assert second.packs[0].name == first.packs[0].name != third.packs[0].name
    assert [(pack.live, pack.blobs) for pack in third.packs] == [(2, 2)]


async def test_mail_that_comes_meanwhile_does_not_disturb(tmp_path: Path) -> None:
    store = built()
    bob = await new_account(store)
    for number in range(50):
        await deliver(store, bob, Letter(f"{number}", f"{number}@a.example").octets())
    folder = Folder(tmp_path / "backups")
    stop = asyncio.Event()

    async def keep_delivering() -> None:
        number = 1_000
        while not stop.is_set():
            await deliver(store, bob, Letter(f"{number}", f"{number}@a.example").octets())
            number += 1

    delivering = asyncio.create_task(keep_delivering())
    for _ in range(20):
        await asyncio.sleep(0)
    manifest = await backed_up(store, folder)
    stop.set()
    await delivering
    again = built()
    await restore(again, folder, manifest, quiet)
    await assert_sound(again)


async def test_a_crash_before_the_manifest_leaves_no_backup_but_its_copies_count(tmp_path: Path) -> None:
    store = built()
    bob = await new_account(store)
    await deliver(store, bob, Letter().octets())
    folder = Folder(tmp_path / "backups")
    folder.make()
    abandoned = await create(store, folder, "memory", quiet)
    assert folder.manifests() == []
    manifest = await backed_up(store, folder)
    assert [pack.name for pack in manifest.packs] == [pack.name for pack in abandoned.packs]


async def test_two_backups_at_once_are_refused(tmp_path: Path) -> None:
    with Folder(tmp_path).locked(), pytest.raises(StoreError, match="another backup"), Folder(tmp_path).locked():
        pass


@pytest.fixture
async def small(tmp_path: Path) -> tuple[Folder, Manifest]:
    store = built()
    bob = await new_account(store)
    await deliver(store, bob, Letter().octets())
    folder = Folder(tmp_path / "backups")
    return folder, await backed_up(store, folder)


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone", "longer"])
@pytest.mark.parametrize("kind", ["segments", "blobs", "ids", "manifests"])
async def test_damage_is_found_and_the_file_named(kind: str, harm: str, small: tuple[Folder, Manifest]) -> None:
    folder, manifest = small
    suffix = {"segments": "*.zst", "blobs": "*.pack", "ids": "*.ids", "manifests": "*.json"}[kind]
    path = next((folder.path / ("blobs" if kind == "ids" else kind)).glob(suffix))
    octets = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    else:
        octets[len(octets) // 2] ^= 1
        path.write_bytes({"flipped": octets, "cut": octets[:-7], "longer": octets + b"x" * 7}[harm])
    with pytest.raises((BackupDamaged, StoreError)) as told:
        found = folder.manifest(manifest.id)
        verify(folder, found, lambda _what, _count: None)
        if check_links(folder, found):
            raise BackupDamaged(f"{path} lacks mails")
    assert path.stem in str(told.value)


async def test_a_store_that_is_not_empty_is_refused_untouched(small: tuple[Folder, Manifest]) -> None:
    store = built()
    await new_account(store, "eve@b.example")
    before = await describe(store)
    with pytest.raises(NotEmpty, match="nothing was changed"):
        await restore(store, *small, quiet)
    assert await describe(store) == before


async def test_a_restore_that_was_stopped_is_refused_and_goes_on(small: tuple[Folder, Manifest]) -> None:
    folder, manifest = small
    store = built()

    def stop(_what: str, _count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await restore(store, folder, manifest, stop)
    with pytest.raises(Unfinished, match="was not finished"):
        await check(store.kv)
    await restore(store, folder, manifest, quiet)
    await check_is_whole(store)


async def check_is_whole(store: Store) -> None:
    try:
        await check(store.kv)
    except SchemaNewer:
        raise
    except StoreError as older:
        assert "store migrate" in str(older)  # these stores were made without being opened
    await assert_sound(store)


async def test_mail_kept_elsewhere_needs_a_place(tmp_path: Path) -> None:
    store = built(objects=FolderObjects(tmp_path / "objects"))
    bob = await new_account(store)
    await deliver(store, bob, Letter("Large", body=LARGE).octets())
    folder = Folder(tmp_path / "backups")
    manifest = await backed_up(store, folder)
    assert manifest.objects == 1
    with pytest.raises(StoreError, match=r"1 mails .* store\.blobs"):
        await restore(built(), folder, manifest, quiet)


def test_a_record_that_says_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pack"
    path.write_bytes(b"r" + b"\xff" * 8 + b"rest")
    with pytest.raises(BackupDamaged, match="says it has"):
        list(records(path, is_packed=False))
