"""A PostgreSQL primary dies under delivery load, its standby takes over, and nothing acknowledged is lost.

    python -m benchmarks.postgres_failover [--senders N] [--before S] [--after S] [--server]

Starts a primary with a streaming standby and synchronous replication, delivers mail into it from many senders at
once, kills the primary with SIGKILL, promotes the standby while the senders go on, and counts. With ``--server`` the
mails go by SMTP through a real ``mailward serve``; without, into the store as the gateway commits them. Exits 1 when
a mail that was acknowledged is missing, is there twice, or ``fsck`` finds anything.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiosmtplib

from benchmarks.delivering import Delivery, mails, make_accounts
from gateway.dns.zone import Zone
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountId, Store, StoreView
from store.kv.contract import StoreUnavailable
from store.kv.postgres import PostgresKeyValueStore
from store.mail import reading
from store.trace import rows as trace
from store.upkeep import fsck
from tests.support import postgres
from tests.support.gateway import CONFIG, dns_server, serving
from tests.support.postgres import Pair

ACCOUNTS = 8
OCTETS = 4096


@dataclass(slots=True)
class Counts:
    """What became of the mails."""

    acknowledged: int = 0
    refused: int = 0  #: told 4xx: the sender keeps the mail and tries again
    acknowledged_after: int = 0  #: of those acknowledged, by the new primary
    found: int = 0
    missing: int = 0  #: acknowledged, and not there
    twice: int = 0
    silence_s: float = 0.0  #: the longest time without any mail acknowledged, since the death of the primary
    longest_s: float = 0.0  #: that a sender waited for one answer
    findings: list[str] = field(default_factory=list)  #: of fsck

    @property
    def is_good(self) -> bool:
        return not (self.missing or self.twice or self.findings) and self.acknowledged_after > 0


Send = Callable[[int, AccountId, str, bytes], Awaitable[str]]
"""Hands one mail over, as sender N; its id once acknowledged. Raises StoreUnavailable, OSError, SMTPException."""


@dataclass(slots=True)
class Load:
    """Senders that go on until told to stop; after a mail that was refused they try with the next one."""

    send: Send
    accounts: list[AccountId]
    counts: Counts = field(default_factory=Counts)
    acknowledged: set[str] = field(default_factory=set)
    died: float | None = None
    has_new_primary: bool = False
    last: float = 0.0
    is_over: bool = False

    async def run(self, number: int) -> None:
        account = self.accounts[number % len(self.accounts)]
        for reception, octets in mails(OCTETS, number):
            if self.is_over:
                return
            started = time.monotonic()
            try:
                self.acknowledged.add(await self.send(number, account, reception, octets))
            except (StoreUnavailable, OSError, aiosmtplib.SMTPException):
                self.counts.refused += 1
            else:
                self._count()
            self.counts.longest_s = max(self.counts.longest_s, time.monotonic() - started)

    def _count(self) -> None:
        now = time.monotonic()
        self.counts.acknowledged += 1
        if self.died is not None:
            self.counts.acknowledged_after += self.has_new_primary
            self.counts.silence_s = max(self.counts.silence_s, now - max(self.last, self.died))
        self.last = now


@dataclass(frozen=True, slots=True)
class Plan:
    senders: int = 16
    before_s: float = 2.0  #: of load before the primary dies
    away_s: float = 1.0  #: until somebody promotes the standby
    after_s: float = 3.0  #: of load after that


async def into_the_store(pair: Pair, plan: Plan) -> Counts:
    """Deliver as the gateway commits, without a server in front."""
    store = await _opened(pair)
    with ThreadPoolExecutor(1) as threads:
        delivery = Delivery(store, threads)

        async def send(_: int, account: AccountId, reception: str, octets: bytes) -> str:
            await delivery.deliver(account, reception, octets)
            return reception

        load = Load(send, await make_accounts(store, ACCOUNTS))
        await _fail_over(load, pair, plan)
    await store.close()
    return await _counted(pair, load)


async def through_a_server(pair: Pair, plan: Plan) -> Counts:
    """Deliver by SMTP to ``mailward serve`` with two workers."""
    with tempfile.TemporaryDirectory() as folder, dns_server(Zone.of({})) as dns:
        more = f'[store]\nurl = "{pair.url()}"\n[model]\nlanguage = false\n'
        config = CONFIG.format(workers=2, dns=dns, limits="messages_per_connection = 100000", more=more)
        (Path(folder) / "mailward.toml").write_text(config)
        with serving(Path(folder), dns) as gateway:
            store = await _opened(pair)
            load = Load(_Smtp(gateway.listen["smtp"]).send, await make_accounts(store, ACCOUNTS))
            await store.close()
            await _fail_over(load, pair, plan)
    return await _counted(pair, load)


@dataclass(slots=True)
class _Smtp:
    """A connection for each sender, made anew after a failure."""

    address: tuple[str, int]
    clients: dict[int, aiosmtplib.SMTP] = field(default_factory=dict)

    async def send(self, number: int, account: AccountId, reception: str, octets: bytes) -> str:
        client = self.clients.get(number)
        if client is None or not client.is_connected:
            host, port = self.address
            client = aiosmtplib.SMTP(hostname=host, port=port, timeout=120, start_tls=False)
            await client.connect()
            self.clients[number] = client
        to = [f"user{account - 1}@example.com"]
        _, answer = await client.sendmail("bob@partner.example", to, octets)
        return answer.split()[-1]


async def _opened(pair: Pair) -> Store:
    kv = await PostgresKeyValueStore.open(pair.url())
    return Store(kv, Blobs(kv), Announcer())


async def _fail_over(load: Load, pair: Pair, plan: Plan) -> None:
    sending = [asyncio.create_task(load.run(number)) for number in range(plan.senders)]
    await asyncio.sleep(plan.before_s)
    load.died = time.monotonic()
    await asyncio.to_thread(pair.primary.die)
    await asyncio.sleep(plan.away_s)
    await asyncio.to_thread(pair.take_over)
    load.has_new_primary = True
    until = time.monotonic() + 60
    while not load.counts.acknowledged_after and time.monotonic() < until:
        await asyncio.sleep(0.01)
    await asyncio.sleep(plan.after_s)
    load.is_over = True
    await asyncio.gather(*sending)


async def _counted(pair: Pair, load: Load) -> Counts:
    """Look at what the standby, now primary, has."""
    store = await _opened(pair)
    copies, by_reception = await store.read(lambda view: _found(view, load.accounts))
    counts = load.counts
    counts.found = sum(copies.values())
    counts.missing = sum(copies[by_reception.get(each, b"")] == 0 for each in load.acknowledged)
    counts.twice = sum(times > 1 for times in copies.values())
    counts.findings = [str(finding) for finding in await fsck.findings_of(store)]
    await store.close()
    return counts


def _found(view: StoreView, accounts: list[AccountId]) -> tuple[Counter[bytes], dict[str, bytes]]:
    """How often each mail's octets, all different, are in an account; and which octets each acknowledgement means."""
    copies = Counter(bytes(email.blob) for account in accounts for email in reading.every_email(view.account(account)))
    by_reception: dict[str, bytes] = {}
    while batch := list(trace.after(view, max(by_reception, default=""), 1_000)):
        by_reception |= {row.id: bytes(row.blob or b"") for row in batch}
    return copies, by_reception


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--senders", type=int, default=64)
    parser.add_argument("--before", type=float, default=10.0, help="seconds of load before the primary dies")
    parser.add_argument("--away", type=float, default=5.0, help="seconds until the standby is promoted")
    parser.add_argument("--after", type=float, default=10.0, help="seconds of load after that")
    parser.add_argument("--server", action="store_true", help="by SMTP through a real server")
    given = parser.parse_args()
    plan = Plan(given.senders, given.before, given.away, given.after)
    with postgres.replicated() as pair:
        counts = asyncio.run((through_a_server if given.server else into_the_store)(pair, plan))
    print(json.dumps(asdict(counts), indent=2))
    sys.exit(0 if counts.is_good else 1)


if __name__ == "__main__":
    main()
