"""``mailward fsck``, ``backup``, ``restore`` and ``store ...`` on real files, as an operator uses them."""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
import zstandard
from click.testing import CliRunner

from gateway.config import load
from gateway.main.command import main
from gateway.main.storage import open_store
from store.accounts import account as accounts
from store.blob.chunks import chunk_key
from store.blob.sealing import new_key
from store.changes.engine import Store
from store.kv import postgres
from store.kv.contract import WriteTxn
from store.mail import emails
from store.schema import keys
from store.schema.version import KEY, SCHEMA
from tests.support.mail_store import Letter, deliver, new_account

KEPT = Path(__file__).parents[2] / "data"
LARGE = "".join(f"{number:x} lines of a large mail\r\n" for number in range(20_000))


@dataclass(frozen=True, slots=True)
class House:
    """A folder with a configuration and its store."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "mailward.toml"

    @property
    def file(self) -> Path:
        return self.folder / "data" / "store.sqlite"

    def run(self, *arguments: str, config: Path | None = None) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*arguments, "--config", str(config or self.config)])
        return done.exit_code, done.output

    def json(self, *arguments: str, config: Path | None = None) -> dict[str, Any]:
        code, said = self.run(*arguments, "--json", config=config)
        assert code == 0, said
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found

    def another(self, name: str, store: str) -> Path:
        path = self.folder / name
        path.write_text(f'[server]\ndata = "{name}.data"\n[store]\n{store}\n[domain."b.example"]\n')
        return path

    def work(self, work: Callable[[Store], Awaitable[Any]], config: Path | None = None) -> Any:
        async def run() -> Any:
            store = await open_store(load(config or self.config))
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def harm(self, body: Callable[[WriteTxn], None]) -> None:
        self.work(lambda store: store.kv.write(body))


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Bob with five mails, one of them large."""
    found = House(tmp_path)
    found.config.write_text('[domain."b.example"]\n')

    async def fill(store: Store) -> None:
        bob = await new_account(store)
        for number in range(4):
            await deliver(store, bob, Letter(f"Mail {number}", f"{number}@a.example").octets())
        await deliver(store, bob, Letter("Large", "large@a.example", body=LARGE).octets())

    found.work(fill)
    return found


async def subjects(store: Store) -> list[str]:
    def look(view: Any) -> list[str]:
        bob = accounts.find(view, "bob@b.example")
        assert bob is not None
        return [emails.read_email(row).subject for _, row in view.account(bob.id).scan_prefix(b"E")]

    return await store.read(look)


ALL = ["Mail 0", "Mail 1", "Mail 2", "Mail 3", "Large"]


def test_a_sound_store(house: House) -> None:
    assert house.run("fsck") == (0, "  the store is sound\n")


def test_what_is_found_says_whether_it_can_be_mended(house: House) -> None:
    house.harm(lambda txn: txn.delete_range(keys.LINK, keys.prefix_end(keys.LINK)))
    code, said = house.run("fsck")
    assert code == 1
    assert '"Large" in INBOX uid 5: its octets are not linked and would be collected; --repair: they are linked' in said
    code, said = house.run("fsck", "--repair")
    assert (code, said.splitlines()[-1]) == (0, "  the store is sound, 5 mended")
    assert house.run("fsck") == (0, "  the store is sound\n")
    assert "store.repair" in house.run("audit", "list")[1]


def test_what_cannot_be_mended_is_named_for_a_person(house: House) -> None:
    async def harm(store: Store) -> None:
        bob = await store.read(lambda view: accounts.find(view, "bob@b.example"))
        assert bob is not None
        rows = await store.read(lambda view: list(view.account(bob.id).scan_prefix(b"E")))
        blob = emails.read_email(rows[0][1]).blob
        await store.kv.write(lambda txn: txn.put(chunk_key(blob, 0), b"\x00wrong"))

    house.work(harm)
    code, said = house.run("fsck", "--repair")
    assert code == 1
    assert 'bob@b.example email 7 "Mail 0" in INBOX uid 1: its octets' in said
    assert said.splitlines()[-1].startswith("  1 found")


def test_rows_that_cannot_be_read_are_set_aside(house: House) -> None:
    house.harm(lambda txn: txn.put(keys.TRACE + b"broken", b"\x01?"))
    assert house.run("fsck", "--repair")[0] == 0
    (manifest,) = (house.folder / "data" / "lost+found").glob("*/rows.jsonl")
    assert json.loads(manifest.read_text())["key"] == (keys.TRACE + b"broken").hex()


def test_backup_and_restore(house: House, tmp_path: Path) -> None:
    folder = str(tmp_path / "backups")
    first = house.json("backup", folder)
    assert (first["mails"], first["missing_mails"]) == (5, 0)
    assert house.json("backup", folder, "--keep", "1")["written_octets"] < first["written_octets"] / 2
    runner = CliRunner()
    listed = runner.invoke(main, ["backup", "list", folder]).output.splitlines()
    assert len(listed) == 1
    assert "is whole" in runner.invoke(main, ["backup", "verify", folder]).output
    target = tmp_path / "new.sqlite"
    done = runner.invoke(main, ["restore", folder, "--to", f"sqlite:{target}"])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "  the store is sound")
    config = house.another("new.toml", f'url = "sqlite:{target}"')
    assert house.work(subjects, config) == ALL
    refused = runner.invoke(main, ["restore", folder, "--to", f"sqlite:{target}"])
    assert refused.exit_code == 3 and "not empty" in refused.output


def test_an_encrypted_backup_is_not_restored_without_its_key(house: House, tmp_path: Path) -> None:
    key_file, folder = tmp_path / "key", str(tmp_path / "backups")
    key_file.write_text(new_key() + "\n")
    config = house.another("sealed.toml", 'key_file = "key"')

    async def fill(store: Store) -> None:
        await deliver(store, await new_account(store), Letter("Secret", "1@a.example").octets())

    house.work(fill, config)
    house.json("backup", folder, config=config)
    target = f"sqlite:{tmp_path / 'new.sqlite'}"
    refused = CliRunner().invoke(main, ["restore", folder, "--to", target])
    assert (refused.exit_code, "name its file with --key-file" in refused.output) == (3, True), refused.output
    done = CliRunner().invoke(main, ["restore", folder, "--to", target, "--key-file", str(key_file)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "  the store is sound"), done.output


def test_a_list_of_backups_in_no_folder_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["backup", "list", str(tmp_path / "nowhere")])
    assert (done.exit_code, "is no folder" in done.output) == (3, True)


def test_a_damaged_backup_is_not_restored(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    house.json("backup", str(folder))
    pack = next(folder.glob("blobs/*.pack"))
    pack.write_bytes(pack.read_bytes()[:-1])
    verified = CliRunner().invoke(main, ["backup", "verify", str(folder)])
    assert (verified.exit_code, pack.name in verified.output) == (1, True)
    restored = CliRunner().invoke(main, ["restore", str(folder), "--to", f"sqlite:{tmp_path / 'new.sqlite'}"])
    assert restored.exit_code == 3 and pack.name in restored.output


@pytest.mark.parametrize("backend", ["sqlite", "rocksdb", "postgresql"])
def test_move_to_another_backend_and_back(backend: str, house: House, request: Any) -> None:
    url = request.getfixturevalue("postgres_url") if backend == "postgresql" else f"{backend}:{house.folder / 'moved'}"
    before = house.file.read_bytes()
    code, said = house.run("store", "move", "--to", url)
    assert code == 0 and f'[store]:  url = "{url}"' in said
    assert house.file.read_bytes() == before
    workers = "workers = 1\n" if backend == "rocksdb" else ""
    config = house.another("moved.toml", f'url = "{url}"')
    config.write_text(config.read_text().replace("[server]\n", f"[server]\n{workers}"))
    assert house.work(subjects, config) == ALL
    assert house.run("fsck", config=config) == (0, "  the store is sound\n")
    back = house.folder / "back.sqlite"
    assert house.run("store", "move", "--to", f"sqlite:{back}", config=config)[0] == 0
    assert house.run("fsck", config=house.another("back.toml", f'url = "sqlite:{back}"'))[0] == 0
    refused = house.run("store", "move", "--to", f"sqlite:{back}", config=config)
    assert refused[0] == 3 and "not empty" in refused[1]


def test_move_large_mails_to_another_folder(tmp_path: Path) -> None:
    house = House(tmp_path)
    old, new = tmp_path / "old", tmp_path / "new"
    house.config.write_text(f'[store]\nblobs = "files:{old}"\n[domain."b.example"]\n')

    async def fill(store: Store) -> None:
        await deliver(store, await new_account(store), Letter("Large", body=LARGE).octets())

    house.work(fill)
    assert house.json("store", "move", "--blobs", f"files:{new}")["large mails"] == 1
    house.config.write_text(f'[store]\nblobs = "files:{new}"\n[domain."b.example"]\n')
    assert house.run("fsck") == (0, "  the store is sound\n")


def test_stats(house: House) -> None:
    async def copy(store: Store) -> None:
        ann = await new_account(store, "ann@b.example")
        await deliver(store, ann, Letter("Large", "large@a.example", body=LARGE).octets())

    house.work(copy)
    stats = house.json("store", "stats")
    mails = stats["mails"]
    assert (mails["count"], mails["links"], mails["unlinked"], stats["accounts"]) == (5, 6, 0, 2)
    assert 1.9 < stats["deduplication"] < 2.0
    assert mails["packed_octets"] < mails["octets"]
    assert [each["address"] for each in stats["largest"]] == ["bob@b.example", "ann@b.example"]
    assert stats["room"]["octets"] == house.file.stat().st_size
    said = house.run("store", "stats")[1]
    assert "5 mails of" in said and "received from 2026-03-02 to 2026-03-02" in said


def test_disk_is_given_back(house: House) -> None:
    noise = [bytes(range(256)) * 350 + number.to_bytes(4, "big") for number in range(60)]

    async def fill_and_empty(store: Store) -> None:
        for number, octets in enumerate(noise):
            await store.kv.write(
                lambda txn, n=number, o=octets: txn.put(keys.TRACE + f"x{n}".encode(), o)  # type: ignore[misc]
            )
        await store.kv.write(lambda txn: txn.delete_range(keys.TRACE, keys.prefix_end(keys.TRACE)))

    house.work(fill_and_empty)
    before = house.file.stat().st_size
    told = house.json("store", "compact")
    after = house.file.stat().st_size
    assert told["freed"] == before - after
    assert after < before - 4_000_000
    assert house.run("fsck")[0] == 0


def old_store(folder: Path) -> House:
    house = House(folder)
    house.config.write_text('[domain."example.com"]\n')
    house.file.parent.mkdir()
    house.file.write_bytes(zstandard.ZstdDecompressor().decompress((KEPT / "schema-1/store.sqlite.zst").read_bytes()))
    return house


def test_an_older_store_is_migrated_by_command(tmp_path: Path) -> None:
    house = old_store(tmp_path)
    code, said = house.run("fsck")
    assert code == 2 and "mailward store migrate" in said
    assert house.run("store", "migrate") == (0, f"  the store was brought from schema 1 to {SCHEMA}\n")
    assert house.run("store", "migrate") == (0, f"  the store has schema {SCHEMA} already\n")
    assert house.run("fsck") == (0, "  the store is sound\n")


def test_room_of_an_older_file_is_given_back_by_writing_it_anew(tmp_path: Path) -> None:
    house = old_store(tmp_path)
    house.run("store", "migrate")
    house.work(lambda store: store.kv.write(lambda txn: txn.delete_range(b"b", b"c")))
    assert house.json("store", "stats")["room"]["advice"]
    assert house.json("store", "compact")["freed"] == 0
    assert house.json("store", "compact", "--rewrite")["freed"] > 50_000
    assert not house.json("store", "stats")["room"]["advice"]


Harm = Callable[[House], None]


def flip_pages(house: House) -> None:
    octets = bytearray(house.file.read_bytes())
    for at in range(3 * 4096, len(octets) - 4096, 2 * 4096):
        octets[at : at + 200] = b"\xa5" * 200
    house.file.write_bytes(octets)


def cut(house: House) -> None:
    octets = house.file.read_bytes()
    house.file.write_bytes(octets[: len(octets) // 2 // 4096 * 4096])


def future(house: House) -> None:
    house.harm(lambda txn: txn.put(KEY, keys.u32(SCHEMA + 1)))


def not_ours(house: House) -> None:
    house.file.unlink()
    for aside in house.file.parent.glob("store.sqlite-*"):
        aside.unlink()
    connection = apsw.Connection(str(house.file))
    connection.execute("CREATE TABLE other(a)")
    connection.close()


def no_database(house: House) -> None:
    house.file.write_bytes(b"This is a letter, not a database. " * 500)


def unreachable(house: House) -> None:
    url = "postgresql://mailward@127.0.0.1:1/mailward?connect_timeout=1"
    house.config.write_text(f'[store]\nurl = "{url}"\n[domain."b.example"]\n')


def missing_key(house: House) -> None:
    (house.folder / "keys").write_text(CliRunner().invoke(main, ["store", "key"]).output)
    house.config.write_text('[store]\nkey_file = "keys"\n[domain."b.example"]\n')
    house.work(deliver_one)
    house.config.write_text('[domain."b.example"]\n')


async def deliver_one(store: Store) -> None:
    await deliver(store, await new_account(store, "ann@b.example"), Letter("Secret", "secret@a.example").octets())


BAD: dict[str, tuple[Harm, int, str]] = {
    "corrupted pages": (flip_pages, 1, "database disk image is malformed|damaged|Tree|page"),
    "a truncated file": (cut, 1, "damaged|malformed|page"),
    "a schema of the future": (future, 2, "knows schemas up to"),
    "another program's database": (not_ours, 2, "is not a Mailward store"),
    "no database at all": (no_database, 2, "damaged|not a database"),
    "an unreachable database": (unreachable, 2, "cannot be reached"),
    "a key that is missing": (missing_key, 2, "encrypted under key .* not among the keys given"),
}


@pytest.mark.parametrize(("harm", "expected", "says"), BAD.values(), ids=BAD)
def test_bad_stores_get_a_sentence_and_no_damage(
    harm: Harm, expected: int, says: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PostgresSettings", partial(postgres.PostgresSettings, wait_s=0.5))

    harm(house)
    before = house.file.read_bytes()
    code, said = house.run("fsck")
    assert re.search(says, said), said
    assert "Traceback" not in said
    assert code in {expected, 2}
    assert house.file.read_bytes() == before


BAD_OBJECTS: dict[str, Callable[[bytes], bytes | None]] = {
    "truncated": lambda octets: octets[:-100],
    "flipped": lambda octets: octets[:-50] + bytes([octets[-50] ^ 1]) + octets[-49:],
    "empty": lambda octets: b"",
    "gone": lambda octets: None,
    "another mail's": lambda octets: octets[:8] + octets[8:][::-1],
}


@pytest.mark.parametrize("harm", BAD_OBJECTS.values(), ids=BAD_OBJECTS)
def test_bad_octets_elsewhere_are_named_and_left_alone(harm: Callable[[bytes], bytes | None], tmp_path: Path) -> None:
    house = House(tmp_path)
    house.config.write_text(f'[store]\nblobs = "files:{tmp_path / "large"}"\n[domain."b.example"]\n')

    async def fill(store: Store) -> None:
        bob = await new_account(store)
        await deliver(store, bob, Letter("Small", "small@a.example").octets())
        await deliver(store, bob, Letter("Large", body=LARGE).octets())

    house.work(fill)
    (path,) = [each for each in (tmp_path / "large").rglob("*.*") if each.is_file() and len(each.name) > 64]
    octets = harm(path.read_bytes())
    if octets is None:
        path.unlink()
    else:
        path.write_bytes(octets)
    code, said = house.run("fsck", "--repair")
    assert (code, said.count("\n")) == (1, 2), said
    assert 'bob@b.example email 8 "Large" in INBOX uid 2: its octets' in said
    assert "no repair can mend that" in said
    assert house.work(subjects) == ["Small", "Large"]


def test_a_backup_onto_a_full_disk_is_no_backup(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "backups"
    real = os.fsync

    def full(file: int) -> None:
        if ".pack" in os.readlink(f"/proc/self/fd/{file}") or "backups" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    code, said = house.run("backup", str(folder))
    assert code == 3 and "No space left on device" in said
    monkeypatch.undo()
    assert CliRunner().invoke(main, ["backup", "list", str(folder)]).output == ""
    assert house.json("backup", str(folder))["missing_mails"] == 0
    assert not list(folder.rglob("new-*"))
