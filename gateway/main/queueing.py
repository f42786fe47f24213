"""``mailward queue``: what waits, what was given up, and what a person does about it."""

import json
import sys
from pathlib import Path

from gateway.main.administration import COMMAND_LINE, when, with_store
from gateway.main.services import utc_now
from gateway.outbound import relay
from store.audit import chain
from store.changes.engine import Store, StoreTxn
from store.queue import jobs
from store.queue.jobs import Job


def list_queue(config_path: Path, *, as_json: bool) -> int:
    """Every job; the exit code is 1 when some were given up."""

    async def work(store: Store) -> int:
        waiting, buried = await store.read(lambda view: (jobs.waiting(view), jobs.buried(view)))
        for job in waiting:
            _show(job, _state(job), as_json)
        for job in buried:
            _show(job, "given up", as_json)
        return 1 if buried else 0

    return with_store(config_path, work)


def _state(job: Job) -> str:
    """Upkeep is a job of its kind's own name, which comes again and again."""
    if job.lease:
        return "running"
    return "regular" if job.id == job.kind else "waiting"


def _show(job: Job, state: str, as_json: bool) -> None:
    if as_json:
        row = {"id": job.id, "kind": job.kind, "state": state, "attempts": job.attempts, "due": when(job.due_ms)}
        print(json.dumps(row | {"error": job.last_error or None}))
    else:
        print(f"  {state:<8} {job.attempts:>3} attempts  due {when(job.due_ms)}  {job.id}  {job.last_error}")


def retry_jobs(config_path: Path, job_ids: tuple[str, ...], *, all_given_up: bool, as_json: bool) -> int:
    """Let jobs come up now, as if new; with ``all_given_up`` every one that was given up."""

    async def work(store: Store) -> int:
        wanted = list(job_ids)
        if all_given_up:
            wanted += [job.id for job in await store.read(jobs.buried) if job.kind != jobs.UNREADABLE]
        missing = 0
        for job_id in dict.fromkeys(wanted):
            retried = await store.write(lambda txn, name=job_id: _retry(txn, name))  # type: ignore[misc]
            if as_json:
                print(json.dumps({"id": job_id, "retried": retried is not None}))
            elif retried is not None:
                print(f"  {job_id} comes up now")
            if retried is None:
                print(f"mailward: {job_id}: no such job, or it is being worked on at this moment", file=sys.stderr)
                missing += 1
        return 1 if missing else 0

    return with_store(config_path, work)


def _retry(txn: StoreTxn, job_id: str) -> Job | None:
    now_ms = _now_ms()
    job = jobs.revive(txn, job_id, now_ms)
    if job is not None:
        chain.record(txn, now_ms, COMMAND_LINE, "queue.retry", job.id, job.last_error)
    return job


def drop_job(config_path: Path, job_id: str, *, as_json: bool) -> int:
    """Give a job up for good; the exit code is 1 when there is none of this id."""

    async def work(store: Store) -> int:
        dropped = await store.write(lambda txn: relay.drop(txn, job_id, COMMAND_LINE, _now_ms()))
        if as_json:
            print(json.dumps({"id": job_id, "dropped": dropped is not None}))
        elif dropped is not None:
            print(f"  dropped {dropped.id}")
        if dropped is None:
            print(f"mailward: no job with the id {job_id} waits or was given up", file=sys.stderr)
        return 0 if dropped is not None else 1

    return with_store(config_path, work)


def _now_ms() -> int:
    return int(utc_now().timestamp() * 1000)
