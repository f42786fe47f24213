"""A large mail whose octets are gone or damaged stops neither a backup nor anybody's understanding."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.main.command import main
from store.changes.engine import Store
from tests.gateway.main.test_storekeeping import LARGE, House
from tests.support.mail_store import Letter, deliver, new_account


def large_mail_in_a_folder(folder: Path) -> tuple[House, Path]:
    """A store with one large mail, and the file of its octets."""
    house = House(folder)
    house.config.write_text(f'[store]\nblobs = "files:{folder / "large"}"\n[domain."b.example"]\n')

    async def fill(store: Store) -> None:
        await deliver(store, await new_account(store), Letter("Large", body=LARGE).octets())

    house.work(fill)
    (path,) = [each for each in (folder / "large").rglob("*.*") if each.is_file() and len(each.name) > 64]
    return house, path


@pytest.mark.parametrize("left", [None, 5, -5], ids=["gone", "a piece of its head", "cut short"])
def test_a_lost_large_mail_stops_no_backup(left: int | None, tmp_path: Path) -> None:
    house, path = large_mail_in_a_folder(tmp_path)
    if left is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:left])
    code, said = house.run("backup", str(tmp_path / "copy"))
    assert code == 1 and "1 mails that rows name are not in the store" in said
    verified = CliRunner().invoke(main, ["backup", "verify", str(tmp_path / "copy")])
    assert verified.exit_code == 0 and "is whole" in verified.output


def test_a_large_mail_that_is_gone_is_named_by_move(tmp_path: Path) -> None:
    house, path = large_mail_in_a_folder(tmp_path)
    path.unlink()
    code, said = house.run("store", "move", "--blobs", f"files:{tmp_path / 'new'}")
    assert code == 3 and path.name in said and "delete that mail" in said
