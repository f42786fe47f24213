"""``mailward store reindex``: one account or all, told for machines, going on where it was interrupted."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.config import load
from gateway.main.command import main
from gateway.main.storage import open_store
from store.mail.filters import Phrase, Place, Words
from store.search import state as states
from store.search.finding import Question, find
from store.search.indexing import Indexer
from store.upkeep import fsck
from tests.support.mail_store import Letter, deliver, new_account


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mailward.toml"
    path.write_text('[domain."b.example"]\ndeliver = "local"\n')
    return path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["store", "reindex", *arguments])
    return result.exit_code, result.stdout


def test_every_account_is_indexed_anew_and_mail_is_found(config: Path) -> None:
    async def fill() -> None:
        store = await open_store(load(config))
        for address in ("bob@b.example", "eve@b.example"):
            account = await new_account(store, address)
            for number in range(3):
                await deliver(store, account, Letter(f"Plan {number}", f"{number}@a").octets())
        await Indexer(store).catch_up(account.id)
        await Indexer(store).start_over(account.id)  # and interrupted
        await store.close()

    async def look() -> tuple[list[int], list[int], int]:
        store = await open_store(load(config))
        found = [
            len((await find(store, one, Question(Words(Place.TEXT, (Phrase("see you at noon"),))))).ids)  # type: ignore[arg-type]
            for one in (1, 2)
        ]
        state = [await store.read(lambda view, one=one: states.get(view.account(one))) for one in (1, 2)]  # type: ignore[misc]
        wrong = await fsck.findings_of(store)
        await store.close()
        return found, [sum(part.mails for part in each.serving.segments) for each in state], len(wrong)

    asyncio.run(fill())
    code, text = run("--json", "--config", str(config))
    assert (code, json.loads(text)) == (0, {"accounts": 2, "mails": 6})
    assert asyncio.run(look()) == ([3, 3], [3, 3], 0)
    code, text = run("eve@b.example", "--config", str(config))
    assert (code, text) == (0, "  3 mails of 1 accounts are indexed anew\n")
    assert asyncio.run(look()) == ([3, 3], [3, 3], 0)


def test_an_account_that_is_none_is_a_sentence(config: Path) -> None:
    code, _ = run("nobody@b.example", "--config", str(config))
    assert code == 1
