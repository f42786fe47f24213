"""``mailward queue``: what waits and was given up; let one run, or give it up, which stands in the audit trail."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.config import load
from gateway.main.command import main
from gateway.main.storage import open_store
from gateway.outbound.relay import relay_job
from store.audit import chain
from store.changes.engine import Store, StoreTxn
from store.queue import jobs
from store.queue.jobs import Wish
from store.schema import keys

JOB = "relay-id1-ann@relayed.example"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose store has one mail that waits."""
    path = tmp_path / "mailward.toml"
    path.write_text('[domain."relayed.example"]\ndeliver = "smtp:127.0.0.1:9"\n')

    async def enqueue(store: Store) -> None:
        staged = await store.blobs.stage(b"Subject: x\r\n\r\n")

        def body(txn: StoreTxn) -> None:
            jobs.put(txn, relay_job(txn, "id1", "", "ann@relayed.example", "127.0.0.1:9", txn.keep(staged), 1))

        await store.write(body)

    with_store(path, enqueue)
    return path


def with_store(path: Path, work: object) -> object:
    async def run() -> object:
        store = await open_store(load(path))
        try:
            return await work(store)  # type: ignore[operator]
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.fixture
def run(config: Path) -> Run:
    """Runs a command: its exit code, and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*arguments, "--config", str(config)])
        return done.exit_code, done.output

    return run


def listed(run: Run) -> list[tuple[str, str, int]]:
    rows = [json.loads(line) for line in run("queue", "list", "--json")[1].splitlines()]
    return [(row["id"], row["state"], row["attempts"]) for row in rows]


def give_up(config: Path) -> None:
    async def work(store: Store) -> None:
        await jobs.claim(store, [Wish("relay", 1, 1)], 2)
        [job] = await store.read(jobs.waiting)
        await store.write(lambda txn: jobs.bury(txn, job, "550 never"))

    with_store(config, work)


@pytest.mark.parametrize("which", [JOB, "--all"])
def test_a_job_that_was_given_up_is_told_by_the_exit_code_until_it_is_tried_again(
    config: Path, run: Run, which: str
) -> None:
    assert listed(run) == [(JOB, "waiting", 0)]
    give_up(config)
    assert run("queue", "list")[0] == 1
    assert listed(run) == [(JOB, "given up", 1)]
    assert run("queue", "retry", which) == (0, f"  {JOB} comes up now\n")
    assert run("queue", "list")[0] == 0
    assert listed(run) == [(JOB, "waiting", 0)]
    entries = with_store(config, lambda store: store.read(lambda view: list(chain.entries(view))))
    assert [(e.act, e.target) for e in entries] == [("queue.retry", JOB)]  # type: ignore[attr-defined]


def test_what_cannot_be_tried_again_is_told(config: Path, run: Run) -> None:
    assert run("queue", "retry", "no-such-job")[0] == 1
    assert run("queue", "retry")[0] == 2
    assert run("queue", "retry", "--all") == (0, "")

    async def damage(store: Store) -> None:
        await store.kv.write(lambda txn: txn.put(keys.job(JOB), b"?"))
        await jobs.claim(store, [Wish("relay", 1, 1)], 2)

    with_store(config, damage)
    assert listed(run) == [(JOB, "given up", 0)]
    assert "its row cannot be read" in run("queue", "list")[1]
    assert run("queue", "retry", JOB)[0] == 1
    assert run("queue", "drop", JOB)[0] == 0


def test_a_job_is_dropped_once_and_leaves_an_audit_entry(config: Path, run: Run) -> None:
    assert JOB in run("queue", "list")[1]
    assert run("queue", "drop", JOB) == (0, "  dropped relay-id1-ann@relayed.example\n")
    assert run("queue", "list") == (0, "")
    code, said = run("queue", "drop", JOB)
    assert code == 1 and f"no job with the id {JOB}" in said
    assert run("fsck") == (0, "  the store is sound\n")
    entries = with_store(config, lambda store: store.read(lambda view: list(chain.entries(view))))
    assert [(e.actor, e.act, e.target) for e in entries] == [("command line", "queue.drop", "id1")]  # type: ignore[attr-defined]


def test_a_machine_reads_what_became_of_each_job(config: Path, run: Run) -> None:
    give_up(config)

    def rows(*arguments: str) -> tuple[int, list[object]]:
        code, said = run("queue", *arguments, "--json")
        return code, [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    assert rows("retry", JOB, "other") == (1, [{"id": JOB, "retried": True}, {"id": "other", "retried": False}])
    assert rows("drop", JOB) == (0, [{"id": JOB, "dropped": True}])
    assert rows("drop", JOB) == (1, [{"id": JOB, "dropped": False}])
