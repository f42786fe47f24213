"""Relaying: a job a recipient, tried until the next host takes it or says never. RFC 5321 §4.5.4."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import aiosmtplib
import msgspec
import structlog

from store.audit import chain
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import Store, StoreTxn
from store.kv.contract import StoreError
from store.queue import jobs
from store.queue.jobs import Job

log = structlog.get_logger()

RELAY = "relay"
LEASE_MS = 10 * 60_000


class RelayBody(msgspec.Struct, frozen=True, array_like=True):
    """What a relay job needs."""

    reception: str
    mail_from: str  #: "" is the null sender
    recipient: str
    target: str  #: "host:port"
    blob: bytes


def relay_job(
    txn: StoreTxn, reception: str, mail_from: str, recipient: str, target: str, blob: BlobId, now_ms: int
) -> Job:
    """A job for one recipient, with the link that keeps the octets until it is done."""
    job_id = f"{RELAY}-{reception}-{recipient}"
    txn.link(blob, b"j" + job_id.encode())
    body = msgspec.msgpack.encode(RelayBody(reception, mail_from, recipient, target, blob))
    return Job(job_id, RELAY, body, now_ms, now_ms)


class Relay:
    """Works off relay jobs; every worker may run one, leases keep them apart."""

    def __init__(
        self,
        store: Store,
        hostname: str,
        clock: Callable[[], datetime],
        *,
        timeout_s: float = 60.0,
        poll_s: float = 5.0,
    ) -> None:
        self._store = store
        self._hostname = hostname
        self._clock = clock
        self._timeout_s = timeout_s
        self._poll_s = poll_s

    async def run(self) -> None:
        """Work until cancelled; wakes on announcements, and looks by itself now and then."""
        with self._store.subscribe(0) as listener:
            while True:
                try:
                    busy = await self.work_once()
                except StoreError as error:
                    log.warning("relay.store", error=repr(error))
                    busy = 0
                if not busy:
                    await listener.wait(self._poll_s)

    async def work_once(self) -> int:
        """Claim and try what is due; how many were tried."""
        due = await jobs.claim(self._store, frozenset({RELAY}), self._now_ms(), LEASE_MS)
        await asyncio.gather(*(self._attempt(job) for job in due))
        return len(due)

    async def _attempt(self, job: Job) -> None:
        body = msgspec.msgpack.decode(job.body, type=RelayBody)
        try:
            octets = await self._store.blobs.read(BlobId(body.blob))
            await self._send(body, octets)
        except BlobMissing:
            await self._give_up(job, body, "the mail's octets are gone")
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            text = "; ".join(f"{refused.code} {refused.message}" for refused in error.recipients)
            await self._failed(job, body, text, permanent=bool(codes) and all(500 <= code < 600 for code in codes))
        except aiosmtplib.SMTPResponseException as error:
            await self._failed(job, body, f"{error.code} {error.message}", permanent=500 <= error.code < 600)
        except (aiosmtplib.SMTPException, OSError) as error:
            await self._failed(job, body, repr(error), permanent=False)
        else:
            await self._finish(job, body, "relay.delivered", body.target)

    async def _send(self, body: RelayBody, octets: bytes) -> None:
        host, _, port = body.target.rpartition(":")
        client = aiosmtplib.SMTP(
            hostname=host.strip("[]"),
            port=int(port),
            local_hostname=self._hostname,
            timeout=self._timeout_s,
            start_tls=None,
            validate_certs=False,  # opportunistic TLS, as between MTAs (RFC 7435)
        )
        async with client:
            await client.sendmail(body.mail_from, [body.recipient], octets)

    async def _failed(self, job: Job, body: RelayBody, error: str, *, permanent: bool) -> None:
        log.info("relay.failed", reception=body.reception, rcpt=body.recipient, error=error, permanent=permanent)
        if permanent:
            await self._give_up(job, body, error)
        elif not await jobs.retry(self._store, job, error, self._now_ms()):
            await self._record_failure(body, error)

    async def _give_up(self, job: Job, body: RelayBody, error: str) -> None:
        await jobs.bury(self._store, job, error)
        await self._record_failure(body, error)

    async def _record_failure(self, body: RelayBody, error: str) -> None:
        """Put it in the audit trail and keep the buried job: no bounce is sent, which could be backscatter."""
        now_ms = self._now_ms()
        detail = f"{body.recipient}: {error}"
        await self._store.write(
            lambda txn: chain.record(txn, now_ms, "mailward", "relay.failed", body.reception, detail)
        )

    async def _finish(self, job: Job, body: RelayBody, act: str, detail: str) -> None:
        def forget(txn: StoreTxn) -> None:
            jobs.remove(txn, job)
            txn.unlink(BlobId(body.blob), b"j" + job.id.encode())

        await self._store.write(forget)
        log.info(act, reception=body.reception, rcpt=body.recipient, target=detail)

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)
