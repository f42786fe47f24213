"""A model goes into the store and comes out the same on every node; what is wrong with it is a sentence."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.learning.shelf import Shelf, fetch, load, shelve
from models import artefact
from models.artefact import Artefact
from models.errors import ArtefactDamaged, ArtefactError
from store.artefacts import rows
from store.artefacts.rows import NoModel
from store.changes.engine import Store
from store.schema import keys
from store.schema.rows import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped model without its language model, which is large."""
    made = tmp_path / "model"
    made.mkdir()
    for name in ("bayes.npz", "calibration.json", "weights.json"):
        shutil.copy(artefact.DEFAULT / name, made)
    card = json.loads((artefact.DEFAULT / "card.json").read_text())
    card["files"] = {name: digest for name, digest in card["files"].items() if (made / name).is_file()}
    (made / "card.json").write_text(json.dumps(card | {"id": "test-1"}))
    return made


async def test_every_node_gets_the_same_files(store: Store, folder: Path, tmp_path: Path) -> None:
    row = await shelve(store, folder, "ann")
    assert (row.id, row.by) == ("test-1", "ann")
    for node in ("a", "b"):
        where = await fetch(store, "test-1", tmp_path / node)
        assert {file.name: file.read_bytes() for file in where.iterdir()} == {
            file.name: file.read_bytes() for file in folder.iterdir()
        }
    assert (await load(store, "test-1", tmp_path / "a")).id == "test-1"
    assert len(list((tmp_path / "a").iterdir())) == 1


async def test_two_workers_may_fetch_at_once(store: Store, folder: Path, tmp_path: Path) -> None:
    await shelve(store, folder, "ann")
    found = await asyncio.gather(*(load(store, "test-1", tmp_path / "node") for _ in range(4)))
    assert {each.id for each in found} == {"test-1"}
    assert len(list((tmp_path / "node").iterdir())) == 1


def _outdated(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"schema": "0" * 16}))


def _damaged(folder: Path) -> None:
    (folder / "bayes.npz").write_bytes((folder / "bayes.npz").read_bytes()[:-9])


def _foreign(folder: Path) -> None:
    (folder / "card.json").write_text('{"name": "somebody else\'s"}')


def _escaping(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"id": "../../etc/passwd"}))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_outdated, "train again"),
        (_damaged, "not the file its card.json describes"),
        (_foreign, "cannot be read"),
        (_escaping, "gives the model the id"),
    ],
)
async def test_what_cannot_be_used_is_not_taken_in(store: Store, folder: Path, spoil: object, sentence: str) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(ArtefactError, match=sentence):
        await shelve(store, folder, "ann")
    assert await store.read(rows.every) == []


async def test_a_file_that_changed_on_a_node_is_fetched_again(store: Store, folder: Path, tmp_path: Path) -> None:
    await shelve(store, folder, "ann")
    where = await fetch(store, "test-1", tmp_path / "node")
    (where / "bayes.npz").write_bytes(b"")
    with pytest.raises(ArtefactDamaged, match=r"bayes\.npz"):
        await load(store, "test-1", tmp_path / "node")
    assert (await load(store, "test-1", tmp_path / "node")).id == "test-1"


async def test_a_row_with_a_strange_file_writes_nothing(store: Store, folder: Path, tmp_path: Path) -> None:
    row = await shelve(store, folder, "ann")
    files = {**row.files, "../escape": row.files["card.json"]}
    await store.write(lambda txn: txn.kv.put(keys.MODEL + b"mtest-1", pack(replace(row, files=files))))
    with pytest.raises(ArtefactDamaged, match="fsck"):
        await fetch(store, "test-1", tmp_path / "node")
    assert not (tmp_path / "node").exists()


async def test_a_model_that_is_not_there_is_a_sentence(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NoModel, match="model list"):
        await fetch(store, "m9", tmp_path)


class Used:
    """Remembers what it was told to use."""

    def __init__(self, store: Store, tmp_path: Path, *, is_fixed: bool = False) -> None:
        self.judging: list[str] = []
        self.trying: list[str | None] = []
        own = artefact.load()
        self.shelf = Shelf(store, tmp_path / "node", own, self._use, self._try_out, is_fixed=is_fixed, poll_s=0.01)

    def _use(self, model: Artefact) -> None:
        self.judging.append(model.id)

    def _try_out(self, model: Artefact | None) -> None:
        self.trying.append(model.id if model is not None else None)


async def test_a_worker_takes_over_what_is_promoted_and_goes_back(store: Store, folder: Path, tmp_path: Path) -> None:
    used = Used(store, tmp_path)
    await shelve(store, folder, "ann")
    await used.shelf.catch_up()
    assert used.judging == []
    await store.write(lambda txn: rows.promote(txn, "test-1"))
    await used.shelf.catch_up()
    await used.shelf.catch_up()
    assert used.judging == ["test-1"]
    await store.write(rows.roll_back)
    await store.write(lambda txn: rows.shadow(txn, "test-1"))
    await used.shelf.catch_up()
    assert used.judging == ["test-1", artefact.load().id]
    assert used.trying == ["test-1"]
    await store.write(lambda txn: rows.shadow(txn, ""))
    await used.shelf.catch_up()
    assert used.trying == ["test-1", None]


async def test_a_worker_follows_by_itself(store: Store, folder: Path, tmp_path: Path) -> None:
    used = Used(store, tmp_path)
    await shelve(store, folder, "ann")
    task = asyncio.create_task(used.shelf.follow())
    await store.write(lambda txn: rows.promote(txn, "test-1"))
    async with asyncio.timeout(10):
        while not used.judging:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_cannot_be_used_leaves_the_model_that_judges(store: Store, folder: Path, tmp_path: Path) -> None:
    used = Used(store, tmp_path)
    row = await shelve(store, folder, "ann")
    await store.write(lambda txn: txn.kv.put(keys.MODEL + b"mtest-1", pack(replace(row, files={}))))
    await store.write(lambda txn: rows.promote(txn, "test-1"))
    await used.shelf.catch_up()
    assert used.judging == []


async def test_a_model_that_the_configuration_fixes_stays(store: Store, folder: Path, tmp_path: Path) -> None:
    used = Used(store, tmp_path, is_fixed=True)
    await shelve(store, folder, "ann")
    await store.write(lambda txn: rows.promote(txn, "test-1"))
    await used.shelf.catch_up()
    assert used.judging == []


async def test_a_row_that_cannot_be_read_stops_nobody_and_is_put_right(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    used = Used(store, tmp_path)
    await shelve(store, folder, "ann")
    await store.write(lambda txn: txn.kv.put(keys.MODEL + b"u", b"\x01garbage"))
    await used.shelf.catch_up()
    assert used.judging == []
    await store.write(lambda txn: rows.promote(txn, "test-1"))
    await used.shelf.catch_up()
    assert used.judging == ["test-1"]
