"""``mailward quarantine release --for``: one recipient's copy, the others wait on."""

import asyncio
from pathlib import Path

from click.testing import CliRunner

from gateway.config import load
from gateway.main.command import main
from gateway.main.storage import open_store
from store.changes.engine import StoreTxn
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, Held, HeldCopy
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import Letter, new_account

BOB, ANN = "bob@b.example", "ann@b.example"


def test_one_copy_is_released_and_the_other_waits(tmp_path: Path) -> None:
    path = tmp_path / "mailward.toml"
    path.write_text('[domain."b.example"]\n')

    async def fill() -> None:
        store = await open_store(load(path))
        people = [await new_account(store, address) for address in (BOB, ANN)]
        staged = await store.blobs.stage(Letter().octets())

        def hold(txn: StoreTxn) -> None:
            copies = tuple(HeldCopy(each.address, each.id, "", HELD) for each in people)
            quarantine.put(txn, Held("id1", txn.keep(staged), NOW, NOW, "spam", 0.9, 5, "", "", "", "", copies))

        await store.write(hold)
        await store.close()

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["quarantine", *words, "--config", str(path)])
        return done.exit_code, done.output

    asyncio.run(fill())
    assert run("release", "id1", "--for", BOB) == (0, f"  released to {BOB}\n")
    assert "id1" in run("list")[1]
    code, said = run("delete", "id1", "--for", BOB)
    assert code == 1 and f"is held for {BOB} (any more)" in said
    assert run("delete", "id1") == (0, f"  deleted for {ANN}\n")
    assert run("list") == (0, "")
