"""Telling Pyzor servers about spam, as a job after the commit that learned it. Only when ``pyzor.report`` allows it.

What leaves the machine is a digest of the mail's text, not the mail.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from gateway.net.pyzor_client import PyzorClient
from gateway.work.kinds import DAY_S, Effect, JobFailed, Kind
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import Store, StoreTxn
from store.queue.jobs import Job

log = structlog.get_logger()

KIND = "pyzor-report"
GIVE_UP_S = DAY_S  #: a report is worth little later, so nobody is asked to look after it


def report_job(txn: StoreTxn, reception: str, blob: BlobId, now_ms: int) -> Job:
    """A job for one mail, with the link that keeps its octets until it is done."""
    job_id = f"{KIND}-{reception}"
    txn.link(blob, b"j" + job_id.encode())
    return Job(job_id, KIND, bytes(blob), now_ms, now_ms)


def kind(store: Store, client: PyzorClient | None, clock: Callable[[], datetime]) -> Kind:
    """Reporting as a kind of job; without a client what waits is dropped, as it may not be told any more."""

    async def report(job: Job) -> Effect:
        """One try. Raises JobFailed, StoreError."""
        blob = BlobId(job.body)
        try:
            octets = await store.blobs.read(blob) if client is not None else b""
        except BlobMissing:
            octets = b""
        if client is not None and octets:
            result = await client.report(octets)
            is_late = clock().timestamp() * 1000 - job.created_ms > GIVE_UP_S * 1000
            if result.error and result.is_passing and not is_late:
                raise JobFailed(result.error)
            log.info("pyzor.reported", job=job.id, digest=result.digest, error=result.error)
        return lambda txn: txn.unlink(blob, b"j" + job.id.encode())

    return Kind(KIND, report, pauses_s=(30.0, 300.0, 3600.0), give_up_s=2 * GIVE_UP_S)
