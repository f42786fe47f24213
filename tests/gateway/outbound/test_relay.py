"""Relaying to a live next host: taken, put off, refused for good, or nobody there."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from gateway.outbound.relay import BACKOFF_MS, GIVE_UP_MS, Failure, Relay, RelayBody, drop, relay_job
from gateway.work.runner import Runner
from store.audit import chain
from store.blob.chunks import chunk_key
from store.blob.contract import BlobId
from store.changes.engine import Store, StoreTxn
from store.queue import jobs
from store.queue.jobs import Job
from store.upkeep.collect import has_link
from tests.gateway.outbound.sink import Sink, closed_port, sink

MAIL = b"Subject: hi\r\n\r\n.a line with a dot\r\n"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(slots=True)
class Clock:
    now: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.now

    @property
    def ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def forward(self, ms: int) -> None:
        self.now += timedelta(milliseconds=ms)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def relay(store: Store, clock: Clock) -> Relay:
    return Relay(store, "mx.example.com", clock, timeout_s=10.0)


@pytest.fixture
def runner(store: Store, relay: Relay, clock: Clock) -> Runner:
    return Runner(store, [relay.kind()], clock)


async def enqueue(
    store: Store,
    port: int,
    *,
    sender: str = "ana@shop.example",
    to: Sequence[str] = ("ann@relayed.example",),
    octets: bytes = MAIL,
) -> BlobId:
    staged = await store.blobs.stage(octets)

    def body(txn: StoreTxn) -> BlobId:
        blob, now_ms = txn.keep(staged), int(NOW.timestamp() * 1000)
        for recipient in to:
            jobs.put(txn, relay_job(txn, "id1", sender, recipient, f"127.0.0.1:{port}", blob, now_ms))
        return blob

    return await store.write(body)


async def waiting(store: Store) -> list[Job]:
    return await store.read(jobs.waiting)


async def buried(store: Store) -> list[Job]:
    return await store.read(jobs.buried)


async def audited(store: Store) -> list[tuple[str, str, str]]:
    return [(e.act, e.target, e.detail) for e in await store.read(lambda view: list(chain.entries(view)))]


async def is_linked(store: Store, blob: BlobId) -> bool:
    return await store.read(lambda view: has_link(view, blob))


async def test_a_mail_is_handed_over_and_forgotten(store: Store, runner: Runner) -> None:
    async with sink() as host:
        blob = await enqueue(store, host.port)
        assert await runner.work_once() == 1
    assert [mail[:3] for mail in host.mails] == [("ana@shop.example", ["ann@relayed.example"], MAIL)]
    assert await waiting(store) == await buried(store) == await audited(store) == []
    assert not await is_linked(store, blob)
    assert await runner.work_once() == 0


async def test_each_recipient_is_a_job_of_its_own(store: Store, runner: Runner) -> None:
    async with sink() as host:
        blob = await enqueue(store, host.port, to=["ann@relayed.example", "bob@relayed.example"])
        assert await runner.work_once() == 2
    assert sorted(mail[1] for mail in host.mails) == [["ann@relayed.example"], ["bob@relayed.example"]]
    assert not await is_linked(store, blob)


async def test_the_null_sender_stays_null(store: Store, runner: Runner) -> None:
    async with sink() as host:
        await enqueue(store, host.port, sender="")
        await runner.work_once()
    assert host.mails[0][0] in {"", "<>", None}


EIGHT_BIT = "Subject: hi\r\n\r\nGrüße\r\n".encode()


async def test_eight_bit_octets_arrive_as_they_were_and_are_announced(store: Store, runner: Runner) -> None:
    async with sink() as host:
        await enqueue(store, host.port, octets=EIGHT_BIT)
        await runner.work_once()
    assert host.mails[0][2] == EIGHT_BIT
    assert "BODY=8BITMIME" in host.mails[0][3]


async def test_an_ordinary_mail_announces_nothing(store: Store, runner: Runner) -> None:
    async with sink(enable_SMTPUTF8=True) as host:
        await enqueue(store, host.port)
        await runner.work_once()
    assert [option for option in host.mails[0][3] if not option.startswith("SIZE=")] == []


@pytest.mark.parametrize("sender", ["añá@shop.example", "ana@shop.example"], ids=["address", "header"])
async def test_what_is_not_ascii_goes_by_smtputf8(store: Store, runner: Runner, sender: str) -> None:
    async with sink(enable_SMTPUTF8=True) as host:
        await enqueue(store, host.port, sender=sender, octets="Subject: Grüße\r\n\r\n".encode())
        await runner.work_once()
    assert host.mails[0][0] == sender
    assert "SMTPUTF8" in host.mails[0][3]


async def test_an_address_that_the_next_host_cannot_take_is_given_up(store: Store, runner: Runner) -> None:
    """RFC 6531 §3.5; and nothing else in the queue suffers."""
    async with sink() as host:
        await enqueue(store, host.port, to=["añá@relayed.example", "ann@relayed.example"])
        assert await runner.work_once() == 2
    assert [job.last_error for job in await buried(store)] == ["SMTPUTF8 is not supported by this server"]
    assert len(host.mails) == 1


@pytest.mark.parametrize("step", ["at_mail", "at_rcpt", "at_data"])
async def test_a_mail_put_off_is_tried_again_later(store: Store, runner: Runner, clock: Clock, step: str) -> None:
    async with sink() as host:
        blob = await enqueue(store, host.port)
        setattr(host, step, "451 4.3.0 come back")
        await runner.work_once()
        [job] = await waiting(store)
        assert job.attempts == 1
        assert 0.75 * BACKOFF_MS[0] <= job.due_ms - clock.ms <= BACKOFF_MS[0]
        assert job.last_error == "451 4.3.0 come back"
        assert await runner.work_once() == 0
        assert await is_linked(store, blob)
        setattr(host, step, "")
        clock.forward(BACKOFF_MS[0])
        assert await runner.work_once() == 1
        assert len(host.mails) == 1
    assert await waiting(store) == await audited(store) == []


@pytest.mark.parametrize("step", ["at_mail", "at_rcpt", "at_data"])
async def test_a_mail_refused_for_good_is_kept_aside_and_audited(store: Store, runner: Runner, step: str) -> None:
    async with sink() as host:
        blob = await enqueue(store, host.port)
        setattr(host, step, "550 5.1.1 no such user")
        await runner.work_once()
    assert await waiting(store) == []
    assert [job.last_error for job in await buried(store)] == ["550 5.1.1 no such user"]
    assert await audited(store) == [("relay.failed", "id1", "ann@relayed.example: 550 5.1.1 no such user")]
    assert await is_linked(store, blob)


async def test_a_host_that_is_not_there_is_tried_again(store: Store, runner: Runner, clock: Clock) -> None:
    await enqueue(store, closed_port())
    await runner.work_once()
    [job] = await waiting(store)
    assert clock.ms + 0.75 * BACKOFF_MS[0] <= job.due_ms <= clock.ms + BACKOFF_MS[0]
    assert "127.0.0.1" in job.last_error
    assert await buried(store) == []


async def test_a_host_that_stays_away_is_given_up_after_days(store: Store, runner: Runner, clock: Clock) -> None:
    await enqueue(store, closed_port())
    await runner.work_once()
    clock.forward(GIVE_UP_MS)
    await runner.work_once()
    assert await waiting(store) == []
    assert len(await buried(store)) == 1
    assert [act for act, _, _ in await audited(store)] == ["relay.failed"]


async def test_octets_that_are_gone_are_given_up(store: Store, runner: Runner) -> None:
    async with sink() as host:
        blob = await enqueue(store, host.port)
        await store.blobs.remove(blob)
        await runner.work_once()
    [job] = await buried(store)
    assert job.last_error == "the mail's octets are gone"
    assert host.mails == []
    assert await store.write(lambda txn: drop(txn, job.id, "admin", 1)) is not None  # the store is sound again


async def test_octets_that_cannot_be_read_are_noted_and_not_tried_for_ever(store: Store, runner: Runner) -> None:
    async with sink() as host:
        blob = await enqueue(store, host.port)
        await store.kv.write(lambda txn: txn.put(chunk_key(blob, 0), b"damage"))
        await runner.work_once()
    [job] = await waiting(store)
    assert job.last_error.startswith("the mail's octets cannot be read: ")
    assert host.mails == []
    assert await store.write(lambda txn: drop(txn, job.id, "admin", 1)) is not None  # the store is sound again


@pytest.mark.parametrize("answer", ["451 later", "550 never"], ids=["waiting", "given up"])
async def test_a_job_is_dropped_with_its_octets(store: Store, runner: Runner, answer: str) -> None:
    async with sink() as host:
        host.at_data = answer
        blob = await enqueue(store, host.port)
        await runner.work_once()
    job_id = "relay-id1-ann@relayed.example"
    assert await is_linked(store, blob)
    dropped = await store.write(lambda txn: drop(txn, job_id, "admin", 1))
    assert dropped is not None and dropped.id == job_id
    assert await waiting(store) == await buried(store) == []
    assert not await is_linked(store, blob)
    assert (await audited(store))[-1] == ("queue.drop", "id1", f"ann@relayed.example: {answer}")
    before = await audited(store)
    assert await store.write(lambda txn: drop(txn, job_id, "admin", 1)) is None
    assert await audited(store) == before


async def test_a_job_dropped_while_it_is_tried_does_not_come_back(store: Store, relay: Relay, runner: Runner) -> None:
    async with sink() as host:
        host.at_data = "451 later"
        await enqueue(store, host.port)
        [job] = await waiting(store)
        real = relay._try

        async def dropped_meanwhile(body: RelayBody) -> Failure | None:
            await store.write(lambda txn: drop(txn, job.id, "admin", 1))
            return await real(body)

        relay._try = dropped_meanwhile  # type: ignore[method-assign]
        await runner.work_once()
    assert await waiting(store) == await buried(store) == []


async def test_a_host_that_hangs_up_is_tried_again(store: Store, runner: Runner) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 next.example\r\n")
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    await enqueue(store, server.sockets[0].getsockname()[1])
    await runner.work_once()
    server.close()
    assert len(await waiting(store)) == 1


async def test_tls_is_used_where_the_next_host_has_it_whoever_signed_it(store: Store, runner: Runner) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("next.example").configure_cert(context)
    async with sink(tls_context=context, require_starttls=True) as host:
        await enqueue(store, host.port)
        await runner.work_once()
    assert len(host.mails) == 1
    assert await waiting(store) == []


async def test_tls_that_fails_is_done_without(store: Store, runner: Runner) -> None:
    """RFC 7435: a next host whose TLS is broken gets the mail in clear, rather than never."""
    without_a_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with sink(tls_context=without_a_certificate) as host:
        await enqueue(store, host.port)
        await runner.work_once()
    assert len(host.mails) == 1
    assert await waiting(store) == []


async def test_two_relays_hand_a_mail_over_once(store: Store, clock: Clock) -> None:
    async with sink() as host:
        await enqueue(store, host.port, to=[f"r{n}@relayed.example" for n in range(12)])
        runners = [Runner(store, [Relay(store, "mx.example.com", clock).kind()], clock) for _ in range(2)]
        while sum(await asyncio.gather(*(each.work_once() for each in runners))):
            pass
    assert sorted(mail[1][0] for mail in host.mails) == sorted(f"r{n}@relayed.example" for n in range(12))


async def test_a_new_job_wakes_the_relay(store: Store, clock: Clock) -> None:
    runner = Runner(store, [Relay(store, "mx.example.com", clock).kind()], clock, poll_s=60.0)
    task = asyncio.create_task(runner.run())
    async with sink() as host, asyncio.timeout(20):
        await asyncio.sleep(0)
        await enqueue(store, host.port)
        await _taken(host)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _taken(host: Sink) -> None:
    while not host.mails:
        await asyncio.sleep(0.001)
