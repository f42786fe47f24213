"""A SQLite file that is gone, empty, cut short or damaged: every command says so, and none takes it for a store."""

import random
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from gateway.main.command import main

CONFIG = '[server]\nhostname = "mx.example.com"\n[domain."example.com"]\ndeliver = "local"\n'
READERS = [["fsck"], ["store", "stats"], ["store", "compact"], ["backup", "COPY"],
           ["store", "move", "--to", "sqlite:COPY"]]  # fmt: skip


def _run(folder: Path, *arguments: str) -> tuple[int, str]:
    words = [word.replace("COPY", str(folder / "copy")) for word in arguments]
    done = CliRunner().invoke(main, [*words, "--config", str(folder / "mailward.toml")])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "mailward.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def file(house: Path) -> Path:
    """A store of 200 accounts, so that its tree has more than one page."""
    assert _run(house, "domain", "list")[0] == 0
    path = house / "data" / "store.sqlite"
    connection = apsw.Connection(str(path))
    rows = [(b"p" + random.Random(n).randbytes(8), bytes(900)) for n in range(400)]
    connection.executemany("INSERT INTO kv VALUES (?, ?)", rows)
    connection.close()
    return path


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_a_store_that_is_not_there_is_not_made(house: Path, arguments: list[str]) -> None:
    code, said = _run(house, *arguments)
    assert code in {2, 3} and "is not there: look at server.data and store.url" in said
    assert not (house / "data" / "store.sqlite").exists()


@pytest.mark.parametrize("arguments", [*READERS, ["serve"]], ids=" ".join)
def test_a_file_that_lost_all_its_octets_is_not_begun_anew(house: Path, file: Path, arguments: list[str]) -> None:
    file.write_bytes(b"")
    code, said = _run(house, *arguments)
    assert code in {2, 3} and "is an empty file: restore a backup" in said
    assert file.stat().st_size == 0


@pytest.mark.parametrize("keep", [77, 30_000], ids=["within the first page", "half"])
def test_a_file_cut_short_is_told_with_what_to_do(house: Path, file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    code, said = _run(house, "fsck")
    assert code in {1, 2} and ("restore the newest backup" in said or "  file: " in said)


def test_a_backup_of_a_damaged_file_is_made_but_said_to_lack_rows(house: Path, file: Path) -> None:
    assert _run(house, "backup", "COPY", "--keep", "1")[0] == 0
    _lose_cells(file)
    code, said = _run(house, "backup", "COPY", "--keep", "1")
    assert code == 1 and "rows may be missing from the copy" in said and "older backups were kept" in said
    assert len(list((house / "copy" / "manifests").glob("*.json"))) == 2


def test_a_damaged_file_is_not_moved(house: Path, file: Path) -> None:
    _lose_cells(file)
    code, said = _run(house, "store", "move", "--to", "sqlite:COPY")
    assert code == 3 and "nothing was copied" in said


def test_the_line_to_write_names_the_file_that_was_made(
    house: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (house / "elsewhere").mkdir()
    monkeypatch.chdir(house / "elsewhere")
    code, said = _run(house, "store", "move", "--to", "sqlite:new.sqlite")
    assert code == 0 and f'url = "sqlite:{house / "elsewhere" / "new.sqlite"}"' in said


def _lose_cells(file: Path) -> None:
    """One leaf page forgets its last row: its count of cells is one less, which no read notices."""
    octets = bytearray(file.read_bytes())
    size = int.from_bytes(octets[16:18], "big")
    for page in range(1, len(octets) // size):
        start = page * size
        cells = int.from_bytes(octets[start + 3 : start + 5], "big")
        if octets[start] == 10 and cells > 2:  # a leaf of a WITHOUT ROWID table
            octets[start + 3 : start + 5] = (cells - 1).to_bytes(2, "big")
            break
    else:
        raise AssertionError("there is no leaf page")
    file.write_bytes(octets)
