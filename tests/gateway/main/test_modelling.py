"""``mailward model``, ``labels`` and ``train --from-feedback`` over a store on disk, as an administrator runs them."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from gateway.config import load
from gateway.learning.labels import label_of_octets
from gateway.learning.opinions import give
from gateway.main import feedback
from gateway.main.command import main
from gateway.main.storage import open_store
from models import artefact
from models.artefact import Artefact
from store.accounts import account as accounts
from store.artefacts import rows
from store.artefacts.rows import Difference
from store.audit import chain
from store.changes.engine import Store, StoreTxn
from store.labels import rows as labels
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import assert_sound, deliver, new_account
from training.feedback import Comparison, Figures
from training.main import Options, train
from training.modern.compose import mails

ANN, BOB = "ann@b.example", "bob@b.example"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mailward.toml"
    path.write_text('[domain."b.example"]\n[model]\nlanguage = false\n')
    within(path, lambda store: new_account(store, BOB))
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of few mails."""
    root = tmp_path_factory.mktemp("small")
    for number, mail in enumerate(mails(1, 3, held_out=False)):
        folder = root / ("spam" if mail.label.is_unwanted else "ham")
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.eml").write_bytes(mail.octets)
    train(root / "ham", root / "spam", root / "model", options=Options(composed=False))
    for name in artefact.LANGUAGE_FILES:
        assert (root / "model" / name).is_file(), "of the shipped model"
    return root / "model"


def within(path: Path, work: Callable[[Store], Awaitable[object]]) -> object:
    async def run() -> object:
        store = await open_store(load(path))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def run(path: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*words, "--config", str(path)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def answered(path: Path, *words: str) -> tuple[int, dict[str, object]]:
    """The same for one JSON object on standard output, with progress elsewhere."""
    done = CliRunner().invoke(main, [*words, "--config", str(path), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    assert done.stdout, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return done.exit_code, found


def in_use(path: Path) -> rows.InUse:
    found = within(path, lambda store: store.read(rows.in_use))
    assert isinstance(found, rows.InUse)
    return found


def acts(path: Path) -> list[tuple[str, str]]:
    async def read(store: Store) -> list[tuple[str, str]]:
        return [(each.act, each.target) for each in await store.read(lambda view: list(chain.entries(view)))]

    found = within(path, read)
    assert isinstance(found, list)
    return found


def test_a_model_is_added_promoted_and_rolled_back_with_audit_entries(config: Path, small: Path) -> None:
    name = artefact.read_card(small).id
    assert run(config, "model", "rollback")[0] == 2
    assert run(config, "model", "add", str(small)) == (0, f"  the store has model {name}\n")
    code, told = run(config, "model", "promote", name)
    assert code == 0 and f"{name} judges from now on: there are too few held-out labels" in told
    assert f"{name}" in run(config, "model", "list")[1].splitlines()[1]
    listed = json.loads(run(config, "model", "list", "--json")[1])
    assert (listed["id"], listed["state"]) == (name, "in use")
    assert run(config, "model", "rollback") == (0, "  shipped judges from now on\n")
    assert in_use(config).active == ""
    assert [act for act, _ in acts(config)] == ["model.add", "model.promote", "model.rollback"]
    assert run(config, "model", "drop", name)[0] == 0
    within(config, assert_sound)


def test_a_card_is_shown_of_the_store_of_a_folder_and_of_what_is_shipped(config: Path, small: Path) -> None:
    name = artefact.read_card(small).id
    run(config, "model", "promote", str(small))
    for words in (("card",), ("card", name), ("card", str(small))):
        code, told = run(config, "model", *words)
        assert code == 0 and f"model     {name}" in told and "yours" in told
    assert json.loads(run(config, "model", "card", "--json")[1])["id"] == name
    assert json.loads(CliRunner().invoke(main, ["model", "card", "--json"]).output)["id"] == artefact.load().id
    code, told = run(config, "model", "card", "no-such")
    assert code == 2 and "`mailward model list` names them" in told


def test_what_cannot_be_used_is_refused_with_a_sentence(config: Path, small: Path, tmp_path: Path) -> None:
    bad = Path(shutil.copytree(small, tmp_path / "bad"))
    (bad / "bayes.npz").write_bytes(b"\0")
    for words in (("add", str(bad)), ("promote", str(bad)), ("shadow", str(bad)), ("promote", "no-such")):
        code, told = run(config, "model", *words)
        assert code == 2 and told.startswith("mailward: ") and len(told.splitlines()) == 1
    assert in_use(config) == rows.InUse()
    config.write_text(config.read_text() + f'directory = "{small}"\n')
    code, told = run(config, "model", "promote", str(small))
    assert code == 2 and "fixes the model that judges" in told


def test_a_trial_is_begun_told_of_and_ended(config: Path, small: Path) -> None:
    assert run(config, "model", "shadow", "--report")[0] == 1
    assert run(config, "model", "shadow")[0] == 2
    assert run(config, "model", "shadow", str(small))[0] == 0
    name = in_use(config).shadow
    seen = [Difference("r1", "accept", "junk", 0.3, 0.7)]
    pairs = {("accept", "junk"): 1, ("accept", "accept"): 99}

    async def fill(store: Store) -> None:
        await store.write(lambda txn: rows.count(txn, name, pairs, seen))
        one = label_of_octets("r1", b"Subject: x\r\n\r\nhello\r\n", True, "command line", NOW)
        await store.write(lambda txn: give(txn, one, "delete"))

    within(config, fill)
    told = run(config, "model", "shadow", "--report")[1]
    assert "100 mails, the same for 99 (99.00%)" in told
    assert "1  accept would have been junk" in told
    assert "of 1 that differ and people labelled, it was right about 1" in told
    report = json.loads(run(config, "model", "shadow", "--report", "--json")[1])
    assert report["right"] == {"labelled": 1, "trial": 1} and report["mails"] == 100
    assert run(config, "model", "shadow", "--stop")[0] == 0
    assert in_use(config).shadow == ""


def figures(name: str, loss: float) -> Figures:
    return Figures(name, 50, 1, 50, 2, loss)


@pytest.mark.parametrize(("loss", "promoted"), [(0.3, False), (0.1, True), (0.202, True)])
def test_a_model_that_is_worse_on_own_labels_is_not_promoted(
    config: Path, small: Path, monkeypatch: pytest.MonkeyPatch, loss: float, promoted: bool
) -> None:
    def told(current: Artefact, candidate: Artefact, *_: object, **__: object) -> Comparison:
        return Comparison(figures(current.id, 0.2), figures(candidate.id, loss))

    monkeypatch.setattr(feedback, "compare", told)
    code, said = run(config, "model", "promote", str(small))
    assert (code == 0, bool(in_use(config).active)) == (promoted, promoted)
    assert f"loss {loss:.3f}" in said and "loss 0.200" in said
    if not promoted:
        assert "--force does so all the same" in said
        assert run(config, "model", "promote", str(small), "--force")[0] == 0
        assert in_use(config).active


async def _teach(store: Store) -> None:
    """Composed mails in Bob's mailbox, labelled by the command line; Bob disagrees about one, alone."""
    bob = await store.read(lambda view: accounts.find(view, BOB))
    assert bob is not None
    for number, mail in enumerate(list(mails(1, 5, held_out=True)) + list(mails(1, 6, held_out=False))[:60]):
        email = await deliver(store, bob, mail.octets)
        one = label_of_octets(f"r{number:04d}", mail.octets, mail.label.is_unwanted, "command line", NOW + number)

        def say(txn: StoreTxn, one: labels.Label = one, blob: bytes = email.blob) -> None:
            give(txn, replace(one, blob=blob), "release")

        await store.write(say)
    mine = label_of_octets("r9999", b"Subject: mine\r\n\r\nonly for me\r\n", True, BOB, NOW)
    await store.write(lambda txn: give(txn, mine, "move"))


@pytest.mark.timeout(240)
def test_a_model_is_trained_from_what_people_labelled(config: Path, tmp_path: Path) -> None:
    words = ("train", "--from-feedback", "--no-composed", "--out", str(tmp_path / "out"))
    code, told = run(config, *words)
    assert code == 2 and "the store has no labels to learn from" in told
    within(config, _teach)
    code, answer = answered(config, *words)
    assert answer["left_out"] == {feedback.SINGLE: 1}
    assert isinstance(answer["mails"], int) and answer["mails"] > 60
    assert answer["promoted"] is (code == 0)
    assert "loss" in str(answer["why"])
    code, answer = answered(config, *words, "--force")
    assert code == 0
    assert in_use(config).active == answer["id"]
    assert ("model.promote", in_use(config).active) in acts(config)


def test_labels_are_listed_conflicts_found_and_a_persons_taken_back(config: Path) -> None:
    octets = b"Subject: Offer\r\n\r\n" + b" ".join(b"word%c%c" % (a, b) for a in b"abcdef" for b in b"uvwxyz")

    async def fill(store: Store) -> None:
        await new_account(store, ANN)
        for name, by, is_spam in (("1", ANN, True), ("2", BOB, False), ("3", BOB, True)):
            text = octets if name != "3" else b"Subject: y\r\n\r\nanother thing altogether\r\n"
            one = label_of_octets(name, text, is_spam, by, NOW)
            await store.write(lambda txn, one=one: give(txn, one, "move"))  # type: ignore[misc]

    within(config, fill)
    listed = [json.loads(line) for line in run(config, "labels", "list", "--json")[1].splitlines()]
    assert [(each["id"], each["by"], each["said"], each["counts_for"]) for each in listed] == [
        ("3", BOB, "unwanted", "its author"),
        ("2", BOB, "wanted", "its author"),
        ("1", ANN, "unwanted", "its author"),
    ]
    code, told = run(config, "labels", "conflicts", "--json")
    found = json.loads(told)
    assert code == 1 and (found["wanted"]["by"], found["unwanted"]["by"]) == (BOB, ANN)
    assert run(config, "labels", "undo", "--by", BOB) == (0, f"  2 labels of {BOB} are unlearned\n")
    assert run(config, "labels", "conflicts") == (0, "  nobody contradicts anybody\n")
    assert run(config, "labels", "undo", "--by", BOB)[0] == 1
    assert run(config, "labels", "undo", "--by", ANN, "--mail", "1")[0] == 0
    assert run(config, "labels", "list") == (0, "")
    assert [act for act, _ in acts(config)] == ["labels.undo", "labels.undo"]
    within(config, assert_sound)
