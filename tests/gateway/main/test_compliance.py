"""``mailward hold``, ``retention``, ``audit`` and ``erase`` as an administrator types them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.config import load
from gateway.main.command import main
from gateway.main.compliance_commands import PLACES
from gateway.main.storage import open_store
from store.accounts import account as accounts
from store.changes.engine import Store
from store.mail import emails
from store.mail.model import ROLES, EmailId
from store.retention.rows import QUARANTINE
from tests.support.mail_store import Letter, deliver, new_account

BOB = "bob@b.example"
ROOT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, str]]


def with_store(path: Path, work: Callable[[Store], Awaitable[object]]) -> object:
    async def run() -> object:
        store = await open_store(load(path))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose store has an account with two mails."""
    path = tmp_path / "mailward.toml"
    path.write_text('[domain."b.example"]\n')

    async def fill(store: Store) -> None:
        bob = await new_account(store, BOB)
        for number in (1, 2):
            await deliver(store, bob, Letter(f"Mail {number}", f"{number}@a.example").octets())

    with_store(path, fill)
    return path


@pytest.fixture
def run(config: Path) -> Run:
    def invoke(*words: str, **_: object) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*words, "--config", str(config)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code, done.output

    return invoke


def lines(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def destroy_one(config: Path) -> None:
    async def work(store: Store) -> None:
        bob = await store.read(lambda view: accounts.find(view, BOB))
        assert bob is not None
        number = await store.read(lambda view: next(view.account(bob.id).scan_prefix(b"E"))[0])
        email = EmailId(int.from_bytes(number[1:9], "big"))
        await store.write(lambda txn: emails.destroy(txn.account(bob.id), email))

    with_store(config, work)


def test_a_hold_from_its_placing_to_its_release(config: Path, run: Run, tmp_path: Path) -> None:
    code, said = run(
        "hold", "place", "case-7", "--account", "Bob@B.example", "--until", "2026-03-02", "--reason", "court"
    )
    assert code == 0 and "nothing of it goes" in said
    assert run("hold", "place", "case-7", "--domain", "x.example")[0] == 1
    destroy_one(config)
    [row] = lines(run("hold", "list", "--json")[1])
    assert (row["case"], row["accounts"], row["before"]) == ("case-7", [BOB], "2026-03-03T00:00:00.000Z")
    [shown] = lines(run("hold", "show", "case-7", "--json")[1])
    assert shown["mails"] == {"mailbox": 1, "kept back": 1}
    [gone] = lines(run("hold", "mail", "case-7", "--state", "kept back", "--match", "mail", "--json")[1])
    assert gone["subject"] == "Mail 1" and "legal hold case-7" in str(gone["note"])
    code, said = run("hold", "export", "case-7", "--to", str(tmp_path / "out"))
    assert code == 0 and "2 mails in 2 files" in said and len(list((tmp_path / "out").glob("*.eml"))) == 2
    assert run("hold", "export", "case-7", "--to", str(tmp_path / "out"))[0] == 1
    assert "0 kept-back" in run("retention", "run")[1]
    assert run("hold", "release", "case-7")[0] == 0 and run("hold", "release", "case-7")[0] == 1
    assert "1 kept-back" in run("retention", "run")[1]
    acts = [row["act"] for row in lines(run("audit", "list", "--json")[1])]
    assert acts == ["hold.place", "hold.export", "hold.release"]
    assert run("fsck") == (0, run("fsck")[1])


def test_a_rule_is_seen_before_it_acts(run: Run) -> None:
    assert run("retention", "add", "old", "--delete-days", "10")[0] == 0
    assert run("retention", "add", "none")[0] == 1
    assert "old: deletes 10 days after receipt" in run("retention", "list")[1]
    assert "old: would delete 2 mails" in run("retention", "preview")[1]
    [counted] = lines(run("retention", "preview", "--json")[1])
    assert counted["rules"]["old"]["mails"] == 2  # type: ignore[index]
    assert "old: deleted 2 mails" in run("retention", "run")[1]
    assert "old: deleted 0 mails" in run("retention", "run")[1]
    assert run("retention", "remove", "old")[0] == 0 and run("retention", "remove", "old")[0] == 1


def test_the_trail_is_verified_against_a_seal_kept_outside(run: Run) -> None:
    run("hold", "place", "a", "--person", "eve@e.example")
    _, said = run("audit", "head")
    [head] = lines(run("audit", "head", "--json")[1])
    assert said == f"--seq 1 --head {head['head']}\n"
    run("hold", "release", "a")
    code, said = run("audit", "verify", *said.split())
    assert code == 0 and "2 entries, the chain holds" in said
    code, said = run("audit", "verify", "--seq", "1", "--head", "00" * 32)
    assert code == 1 and "breaks at entry 1: is not the entry whose seal was kept outside" in said
    code, said = run("audit", "verify", "--seq", "3", "--head", "00" * 32, "--json")
    assert code == 1 and "not there any more" in str(lines(said)[0]["broken"])
    assert run("audit", "verify", "--seq", "1")[0] == 2 and run("audit", "verify", "--seq", "1", "--head", "xy")[0] == 2


def test_the_trail_is_exported_with_pseudonyms_unless_names_are_asked_for(run: Run) -> None:
    run("hold", "place", "a", "--person", "eve@e.example")
    plain, named = run("audit", "export")[1], run("audit", "export", "--names")[1]
    assert "eve@" not in plain and '"people": ["eve@e.example"]' in named
    assert "eve@e.example" in run("audit", "list", "--about", "a")[1]


def test_an_outsider_checks_the_export_as_the_manual_says(run: Run) -> None:
    for name in ("a", "b", "ünïcode"):
        run("hold", "place", name, "--person", "eve@e.example")
    exported = run("audit", "export")[1]
    program = (ROOT / "docs" / "retention.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]

    def checked(text: str) -> int:
        done = subprocess.run([sys.executable, "-c", program], input=text, text=True, capture_output=True, check=False)
        return done.returncode

    assert len(exported.splitlines()) == 3
    assert checked(exported) == 0
    assert checked(exported.replace("hold.place", "hold.plan", 1)) == 1
    assert checked("".join(exported.splitlines(keepends=True)[::2])) == 1, "a line is missing"


def test_a_person_is_erased_with_a_receipt(run: Run, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    assert "would erase 2 mail" in run("erase", BOB, "--dry-run")[1] and not receipt.exists()
    code, said = run("erase", BOB, "--reason", "asked", "--receipt", str(receipt))
    assert code == 0 and "erased 2 mail" in said and "erased 1 account" in said
    assert receipt.stat().st_mode & 0o777 == 0o600
    assert json.loads(receipt.read_text())["erased"]["mail"] == 2
    code, said = run("erase", "--check", str(receipt))
    assert code == 0 and "the receipt holds" in said
    assert run("erase", BOB, "--receipt", str(receipt))[0] == 1, "a receipt is never written over"
    receipt.write_text(receipt.read_text().replace("asked", "wished"))
    code, said = run("erase", "--check", str(receipt))
    assert code == 1 and "was changed" in said
    assert "nothing is known" in run("erase", BOB, "--dry-run")[1]
    assert "the chain holds" in run("audit", "verify")[1]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("erase",), 2),
        (("erase", "nobody"), 1),
        (("hold", "place", "a"), 1),
        (("hold", "place", "a", "--account", "nobody"), 2),
        (("hold", "place", "a", "--domain", "x", "--from", "yesterday"), 2),
        (("hold", "show", "ghost"), 1),
        (("hold", "mail", "ghost"), 1),
        (("retention", "add", "a", "--delete-days", "3", "--mailbox", "attic"), 2),
        (("retention", "add", "a", "--keep-days", "9", "--delete-days", "3"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_what_cannot_be_done_is_said(run: Run, words: tuple[str, ...], code: int) -> None:
    got, said = run(*words)
    assert got == code and said.strip() and "Traceback" not in said


def test_rules_know_every_mailbox() -> None:
    assert (*ROLES, QUARANTINE) == PLACES
