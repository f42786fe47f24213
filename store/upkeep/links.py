"""Proving what spans the parts of the store: links and their owners, jobs and their octets, accounts and their rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from store.blob.chunks import fault_of, shape_of
from store.blob.contract import BlobId
from store.changes.engine import StoreView
from store.mail import emails
from store.quarantine import held as quarantine
from store.queue import jobs
from store.queue.jobs import Job
from store.schema import keys

_BLOB_OCTETS = 32
RELAY = "relay"  #: the kind of job that keeps a mail's octets


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant that does not hold."""

    where: str
    what: str


def check_links(view: StoreView) -> Iterator[Finding]:
    """Every link leads from something that is there to octets that are there as a whole."""
    known = {job.id for job in (*jobs.waiting(view), *jobs.buried(view))}
    for key, _ in view.kv.scan(keys.LINK, keys.prefix_end(keys.LINK)):
        blob, owner = BlobId(key[1 : 1 + _BLOB_OCTETS]), key[1 + _BLOB_OCTETS :]
        where = f"link of {blob.hex()[:16]}"
        if shape_of(view.kv, blob) is None:
            yield Finding(where, f"{_named(owner)}: its octets are not there as a whole")
        if not _is_there(view, blob, owner, known):
            yield Finding(where, f"{_named(owner)} is not there, so the octets are never collected")


def _is_there(view: StoreView, blob: BlobId, owner: bytes, known_jobs: set[str]) -> bool:
    """Whether the owner of a link exists and means this blob; owners of kinds unknown here are believed."""
    kind, rest = owner[:1], owner[1:]
    if kind == b"q":
        held = quarantine.get(view, rest.decode("utf-8", "replace"))
        return held is not None and held.is_held and held.blob == blob
    if kind == b"j":
        return rest.decode("utf-8", "replace") in known_jobs
    if kind == keys.SCOPE and rest[4:5] == b"E":
        email = view.kv.get(keys.SCOPE + rest[:4] + rest[4:])
        return email is not None and emails.read_email(email).blob == blob
    if kind == keys.SCOPE and rest[4:5] == b"P":
        return view.kv.get(owner + blob) is not None
    return True


def _named(owner: bytes) -> str:
    kind, rest = owner[:1], owner[1:]
    if kind == keys.SCOPE and len(rest) == 4 + 1 + 8:
        what = {b"E": "email", b"P": "upload at"}.get(rest[4:5], "row")
        return f"account {keys.read_u32(rest[:4])} {what} {keys.read_u64(rest[5:])}"
    names = {b"q": "quarantine", b"j": "job"}
    return f"{names[kind]} {rest.decode('utf-8', 'replace')}" if kind in names else repr(owner)


def check_jobs(view: StoreView) -> Iterator[Finding]:
    """A relay job, waiting or given up, keeps its mail; a waiting one comes up once."""
    kept = {
        key[2 + _BLOB_OCTETS :]: BlobId(key[1 : 1 + _BLOB_OCTETS])
        for key, _ in view.kv.scan(keys.LINK, keys.prefix_end(keys.LINK))
        if key[1 + _BLOB_OCTETS : 2 + _BLOB_OCTETS] == b"j"
    }
    waiting = jobs.waiting(view)
    for job in (*waiting, *jobs.buried(view)):
        if job.kind == jobs.UNREADABLE:
            yield Finding(f"job {job.id}", job.last_error)
        if job.kind == RELAY:
            yield from _check_octets(view, job, kept.get(job.id.encode()))
    due = {key for key, _ in view.kv.scan(keys.JOB_DUE, keys.prefix_end(keys.JOB_DUE))}
    wanted = {keys.job_due(job.kind, job.due_ms, job.id) for job in waiting if job.kind != jobs.UNREADABLE}
    for each in sorted(wanted - due):
        yield Finding(f"job {_job_at(each)}", "never comes up")
    for each in sorted(due - wanted):
        yield Finding(f"job {_job_at(each)}", "comes up but has no such row")


def _job_at(place: bytes) -> str:
    """The job's id, from its place in the order of its kind."""
    return place[len(keys.JOB_DUE) :].partition(b"\x00")[2][8:].decode("utf-8", "replace")


def _check_octets(view: StoreView, job: Job, blob: BlobId | None) -> Iterator[Finding]:
    if blob is None:
        yield Finding(f"job {job.id}", "its octets are not linked and would be collected")
    elif (fault := fault_of(view.kv, blob)) is not None:
        yield Finding(f"job {job.id}", f"its octets: {fault}")


def check_strays(view: StoreView) -> Iterator[Finding]:
    """No rows of an account that is gone, and no address that leads to one."""
    accounts = {key[1:5] for key, _ in view.kv.scan(keys.ACCOUNT, keys.prefix_end(keys.ACCOUNT))}
    position, end = keys.SCOPE, keys.prefix_end(keys.SCOPE)
    while (row := next(view.kv.scan(position, end, limit=1), None)) is not None:
        number = row[0][1:5]
        if number not in accounts:
            yield Finding(f"account {keys.read_u32(number)}", "is gone, but rows of it are there")
        position = keys.prefix_end(keys.SCOPE + number)
    for key, number in view.kv.scan(keys.ADDRESS, keys.prefix_end(keys.ADDRESS)):
        if number not in accounts:
            yield Finding(f"address {key[1:].decode()}", "leads to an account that is gone")


def check_uploads(view: StoreView) -> Iterator[Finding]:
    """Every upload that waits is linked, whole, and of the size it says."""
    for number in [key[1:5] for key, _ in view.kv.scan(keys.ACCOUNT, keys.prefix_end(keys.ACCOUNT))]:
        scope = keys.SCOPE + number
        for key, size in view.kv.scan(scope + b"P", scope + b"Q"):
            owner, blob = key[: len(scope) + 9], BlobId(key[len(scope) + 9 :])
            where = f"account {keys.read_u32(number)} upload {blob.hex()[:16]}"
            shape = shape_of(view.kv, blob)
            if view.kv.get(keys.link(blob, owner)) is None:
                yield Finding(where, "its octets are not linked and would be collected")
            if shape is None or shape.size != keys.read_u64(size):
                yield Finding(where, "its octets are not there as a whole")
