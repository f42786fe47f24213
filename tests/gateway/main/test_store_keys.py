"""``mailward store key`` and ``rekey``, and what a server says at start about places and keys."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from click.testing import CliRunner

from gateway.config import ConfigError, load
from gateway.main.command import main
from gateway.main.storage import open_store
from store.blob.contract import BlobId
from store.changes.engine import Store
from store.kv.contract import StoreError

T = TypeVar("T")
LARGE = bytes(range(256)) * 1_024


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.stdout, done.stderr


def with_store(path: Path, work: Callable[[Store], Awaitable[T]]) -> T:
    async def opened() -> T:
        store = await open_store(load(path))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


async def keep(store: Store) -> list[BlobId]:
    staged = [await store.blobs.stage(octets) for octets in (b"small", LARGE)]
    return await store.write(lambda txn: [txn.keep(each) for each in staged])


def configured(folder: Path, store: str = "") -> Path:
    path = folder / "mailward.toml"
    path.write_text(f'[domain."example.com"]\n[store]\n{store}\n')
    return path


def test_mail_kept_in_clear_is_encrypted_and_its_key_changed(tmp_path: Path) -> None:
    path = configured(tmp_path, 'blobs = "files:blobs"')
    ids = with_store(path, keep)
    keys = tmp_path / "store.key"
    path = configured(tmp_path, 'blobs = "files:blobs"\nkey_file = "store.key"')
    for expected in (2, 2):
        before = keys.read_text() if keys.exists() else ""
        keys.write_text(run("store", "key")[1] + before)
        code, said, _ = run("store", "rekey", "--config", str(path), "--json")
        assert (code, json.loads(said)["rewritten"], json.loads(said)["done"]) == (0, expected, True)
        keys.write_text(keys.read_text().splitlines()[0])
        assert with_store(path, lambda store: store.blobs.read(ids[1])) == LARGE
    assert LARGE[:1000] not in b"".join(each.read_bytes() for each in (tmp_path / "blobs").rglob("*.*"))


def test_without_a_key_rekey_says_how_to_get_one(tmp_path: Path) -> None:
    code, _, said = run("store", "rekey", "--config", str(configured(tmp_path)))
    assert code == 3
    assert "`mailward store key`" in said


def test_keys_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILWARD_STORE_KEY", run("store", "key")[1])
    ids = with_store(configured(tmp_path), keep)
    monkeypatch.delenv("MAILWARD_STORE_KEY")
    with pytest.raises(StoreError, match=r"put it back into store\.key_file"):
        with_store(configured(tmp_path), lambda store: store.blobs.read(ids[0]))


@pytest.mark.parametrize("text", [None, "", "hunter2"], ids=["absent", "empty", "no key"])
def test_a_key_file_that_cannot_be_used_is_told(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "store.key").write_text(text)
    path = configured(tmp_path, 'key_file = "store.key"')
    with pytest.raises(ConfigError, match=r"store\.key_file: ") as told:
        with_store(path, keep)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("files:blobs", "files:elsewhere", "is not where the large mails of this store are"),
        ("files:blobs", "", "set store.blobs to where they are"),
    ],
    ids=["another place", "no place"],
)
def test_a_store_is_not_opened_without_the_place_of_its_large_mails(
    tmp_path: Path, before: str, after: str, why: str
) -> None:
    with_store(configured(tmp_path, f'blobs = "{before}"'), keep)
    with pytest.raises(StoreError, match=why):
        with_store(configured(tmp_path, f'blobs = "{after}"'), keep)


def test_two_stores_do_not_share_a_place(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with_store(configured(tmp_path / "one", f'blobs = "files:{tmp_path}/blobs"'), keep)
    with pytest.raises(StoreError, match="another store"):
        with_store(configured(tmp_path / "two", f'blobs = "files:{tmp_path}/blobs"'), keep)


def test_mail_that_was_in_the_store_is_found_after_a_place_was_set(tmp_path: Path) -> None:
    ids = with_store(configured(tmp_path), keep)
    path = configured(tmp_path, 'blobs = "files:blobs"')
    assert with_store(path, lambda store: store.blobs.read(ids[1])) == LARGE


@pytest.mark.parametrize("url", ["blobs", "files:", "http://x", "s3://key:secret@mail", "s3://mail?secret=x"])
def test_a_place_that_cannot_be_is_refused_by_the_configuration(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.blobs: "):
        load(configured(tmp_path, f'blobs = "{url}"'))
