"""``mailward queue drop``: by id, once, and it stands in the audit trail."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.config import load
from gateway.main.command import main
from gateway.main.services import open_store
from gateway.outbound.relay import relay_job
from store.audit import chain
from store.changes.engine import Store, StoreTxn
from store.queue import jobs

JOB = "relay-id1-ann@relayed.example"


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


def test_a_job_is_dropped_once_and_leaves_an_audit_entry(config: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*arguments, "--config", str(config)])
        return done.exit_code, done.output

    assert JOB in run("queue", "list")[1]
    assert run("queue", "drop", JOB) == (0, "  dropped relay-id1-ann@relayed.example\n")
    assert run("queue", "list") == (0, "")
    code, said = run("queue", "drop", JOB)
    assert code == 1 and f"no job with the id {JOB}" in said
    assert run("fsck") == (0, "  the store is sound\n")
    entries = with_store(config, lambda store: store.read(lambda view: list(chain.entries(view))))
    assert [(e.actor, e.act, e.target) for e in entries] == [("command line", "queue.drop", "id1")]  # type: ignore[attr-defined]
