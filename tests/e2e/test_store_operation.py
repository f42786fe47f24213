"""The server and its store: migrated at the start, backed up while it serves, refused when it cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from store.schema.version import SCHEMA
from tests.gateway.main.test_storekeeping import KEPT, House, future, missing_key, no_database, not_ours
from tests.support.gateway import CONFIG, mailward, serving
from tests.support.letters import letter


@pytest.fixture
def old(tmp_path: Path, dns: str) -> House:
    """A configuration over the store that schema 1 left."""
    house = House(tmp_path)
    house.config.write_text(CONFIG.format(workers=2, dns=dns, limits="", more=""))
    house.file.parent.mkdir()
    house.file.write_bytes(zstandard.ZstdDecompressor().decompress((KEPT / "schema-1/store.sqlite.zst").read_bytes()))
    return house


def test_a_server_brings_its_store_up_to_date_and_is_backed_up_while_it_serves(old: House, dns: str) -> None:
    backups = old.folder / "backups"
    with serving(old.folder, dns, workers=2) as gateway:
        assert f"the store was brought from schema 1 to {SCHEMA}" in gateway.log.read_text()
        with gateway.smtp() as client:
            octets = letter("a new mail").as_bytes()
            assert client.sendmail("bob@partner.example", ["ana@example.com"], octets) == {}
        made = json.loads(gateway.command("backup", str(backups), "--json").stdout)
        assert made["missing_mails"] == 0
        refused = gateway.command("store", "move", "--to", f"sqlite:{old.folder / 'moved.sqlite'}", check=False)
        assert (refused.returncode, "stop the server first" in refused.stderr) == (3, True)
        assert "sound" in gateway.command("fsck").stdout
        assert gateway.failures() == []
    assert gateway.process.returncode == 0
    assert old.run("store", "move", "--to", f"sqlite:{old.folder / 'moved.sqlite'}")[0] == 0
    restored = mailward("restore", str(backups), "--to", f"sqlite:{old.folder / 'restored.sqlite'}")
    assert restored.stdout.splitlines()[-1] == "  the store is sound"


def test_without_leave_an_older_store_is_not_migrated(old: House) -> None:
    old.config.write_text(old.config.read_text() + "[store]\nmigrate = false\n")
    before = old.file.read_bytes()
    done = mailward("serve", "--config", str(old.config), check=False)
    assert done.returncode == 3 and "mailward store migrate" in done.stderr
    assert old.file.read_bytes() == before


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (future, "knows schemas up to"),
        (not_ours, "is not a Mailward store"),
        (no_database, "not a database"),
        (missing_key, "not among the keys given"),
    ],
    ids=["a schema of the future", "another program's database", "no database at all", "a key that is missing"],
)
def test_a_store_that_cannot_be_used_is_said_and_left_alone(
    harm: Callable[[House], None], says: str, tmp_path: Path, dns: str
) -> None:
    house = House(tmp_path)
    house.config.write_text(CONFIG.format(workers=1, dns=dns, limits="", more=""))
    assert house.run("user", "list")[0] == 0, "this makes the store"
    harm(house)
    house.config.write_text(CONFIG.format(workers=1, dns=dns, limits="", more=""))
    before = house.file.read_bytes()
    done = mailward("serve", "--config", str(house.config), check=False)
    assert done.returncode == 3
    assert says in done.stderr and "Traceback" not in done.stderr
    assert house.file.read_bytes() == before
