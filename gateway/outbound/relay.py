"""Relaying: a job a recipient, tried until the next host takes it or says never. RFC 5321 §4.5.4."""

import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import aiosmtplib
import msgspec
import structlog

from gateway.outbound.return_path import ReturnPaths
from gateway.outbound.smarthost import SmartHost, options_for
from gateway.work.kinds import Effect, JobFailed, Kind
from store.audit import chain
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import Store, StoreTxn
from store.kv.contract import StoreError, StoreUnavailable
from store.queue import jobs
from store.queue.jobs import Job

log = structlog.get_logger()

RELAY = "relay"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
#: Waits between attempts; the last one repeats until ``GIVE_UP_MS``.
BACKOFF_MS = (MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS)
GIVE_UP_MS = 5 * 24 * HOUR_MS  # RFC 5321 §4.5.4.1: at least four to five days


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


def drop(txn: StoreTxn, job_id: str, by: str, now_ms: int) -> Job | None:
    """Give a job up for good, with the octets it kept, as a person wants it; None when there is no such job."""
    job = jobs.drop(txn, job_id)
    if job is None:
        return None
    try:
        body = _body_of(job)
    except JobFailed:  # no relay job, or one that cannot be read: the octets it may keep are found by fsck
        chain.record(txn, now_ms, by, "queue.drop", job.id, job.last_error)
    else:
        txn.unlink(BlobId(body.blob), b"j" + job.id.encode())
        chain.record(txn, now_ms, by, "queue.drop", body.reception, f"{body.recipient}: {job.last_error}")
    return job


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the next host did not take a mail."""

    text: str
    is_permanent: bool


class Relay:
    """Does relay jobs."""

    def __init__(
        self,
        store: Store,
        hostname: str,
        clock: Callable[[], datetime],
        way_out: SmartHost | None = None,
        return_paths: ReturnPaths | None = None,
        *,
        timeout_s: float = 60.0,
    ) -> None:
        """``way_out`` has a login and TLS of its own; who hands mail there does it as the configuration says."""
        self._way_out = way_out
        self._return_paths = return_paths
        self._store = store
        self._hostname = hostname
        self._clock = clock
        self._timeout_s = timeout_s

    def kind(self) -> Kind:
        """Relaying as a kind of job. As Postfix: tried again quickly at first, then hourly."""
        return Kind(
            RELAY,
            self.attempt,
            at_once=10,
            pauses_s=tuple(ms / 1000 for ms in BACKOFF_MS),
            give_up_s=GIVE_UP_MS / 1000,
            given_up=self._given_up,
        )

    async def attempt(self, job: Job) -> Effect:
        """One try. Raises JobFailed, StoreError."""
        body = _body_of(job)
        failure = await self._try(body)
        if failure is not None:
            log.info("relay.failed", reception=body.reception, rcpt=body.recipient, **asdict(failure))
            raise JobFailed(failure.text, is_permanent=failure.is_permanent)
        log.info("relay.delivered", reception=body.reception, rcpt=body.recipient, target=body.target)
        return lambda txn: txn.unlink(BlobId(body.blob), b"j" + job.id.encode())

    def _given_up(self, txn: StoreTxn, job: Job, why: str) -> None:
        """No bounce is sent, which could be backscatter: what failed for good is kept aside with its octets, and
        stands in the audit trail."""
        now_ms = int(self._clock().timestamp() * 1000)
        try:
            body = _body_of(job)
        except JobFailed:
            chain.record(txn, now_ms, "mailward", "relay.failed", job.id, why)
        else:
            chain.record(txn, now_ms, "mailward", "relay.failed", body.reception, f"{body.recipient}: {why}")

    async def _try(self, body: RelayBody) -> Failure | None:
        """Hand the mail over; what went wrong, or None."""
        try:
            octets = await self._store.blobs.read(BlobId(body.blob))
            await self._send(body, octets)
        except BlobMissing:
            return Failure("the mail's octets are gone", is_permanent=True)
        except StoreUnavailable:
            raise  # nobody's fault but the moment's: the lease ends and it comes again
        except StoreError as error:
            return Failure(f"the mail's octets cannot be read: {error}", is_permanent=False)
        except aiosmtplib.SMTPRecipientsRefused as error:
            text = "; ".join(f"{refused.code} {refused.message}" for refused in error.recipients)
            return Failure(text, is_permanent=all(500 <= refused.code < 600 for refused in error.recipients))
        except aiosmtplib.SMTPResponseException as error:
            return Failure(f"{error.code} {error.message}", is_permanent=500 <= error.code < 600)
        except aiosmtplib.SMTPNotSupported as error:
            return Failure(str(error), is_permanent=True)  # RFC 6531 §3.5: it cannot go on this way
        except (aiosmtplib.SMTPException, OSError) as error:
            return Failure(repr(error), is_permanent=False)
        except ValueError as error:
            return Failure(f"cannot be put on the wire: {error}", is_permanent=True)
        return None

    async def _send(self, body: RelayBody, octets: bytes) -> None:
        sender, is_way_out = body.mail_from, self._way_out is not None and body.target == self._way_out.name
        if is_way_out and self._return_paths is not None:
            sender = await self._return_paths.signed(sender)
        client = await (self._way_out.connect() if is_way_out and self._way_out else self._connect(body.target))
        async with client:
            options = options_for(client, sender, [body.recipient], octets)
            await client.sendmail(sender, [body.recipient], octets, mail_options=options)

    async def _connect(self, target: str) -> aiosmtplib.SMTP:
        """A connection under TLS where the next host can, as between MTAs: rather in clear than never (RFC 7435)."""
        client = self._client(target, start_tls=None)
        try:
            await client.connect()
        except aiosmtplib.SMTPConnectResponseError:
            raise  # it does not want us at all
        except (ssl.SSLError, aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPResponseException) as error:
            log.info("relay.tls.failed", target=target, error=repr(error))
            client.close()
            client = self._client(target, start_tls=False)
            await client.connect()
        return client

    def _client(self, target: str, *, start_tls: bool | None) -> aiosmtplib.SMTP:
        host, _, port = target.rpartition(":")
        return aiosmtplib.SMTP(
            hostname=host.strip("[]"),
            port=int(port),
            local_hostname=self._hostname,
            timeout=self._timeout_s,
            start_tls=start_tls,
            validate_certs=False,
        )


def _body_of(job: Job) -> RelayBody:
    """Raises JobFailed."""
    try:
        return msgspec.msgpack.decode(job.body, type=RelayBody)
    except msgspec.DecodeError as error:
        raise JobFailed(f"what it needs cannot be read: {error}", is_permanent=True) from error
