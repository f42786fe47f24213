"""A whole gateway over one store, opened again and again, whose writes fail when the test says so."""

import pickle
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from gateway.config import parse
from gateway.dns.zone import Zone, ZoneResolver
from gateway.envelope import Peer, Recipient
from gateway.main.services import Services, build
from gateway.reply import Reply
from gateway.settings import Config
from store.accounts import account as accounts
from store.blob.chunks import list_ids
from store.blob.folder import FolderObjects
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store, StoreView
from store.kv.contract import KeyValueStore, WriteTxn
from store.kv.foundationdb import FoundationKeyValueStore
from store.kv.memory import MemoryKeyValueStore
from store.kv.rocksdb import RocksKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from store.labels import rows as labels
from store.mail import emails, mailboxes, reading
from store.policy import entries as policy
from store.quarantine import held as quarantine
from store.queue import jobs
from store.upkeep.collect import has_link
from tests.gateway.outbound.sink import Sink
from tests.support.faulty_kv import FaultyKeyValueStore
from tests.support.fdb_cluster import Cluster
from tests.support.fdb_double import Double
from tests.support.foundationdb import ManualClock
from tests.support.mail_store import assert_sound, new_account

ZONE = Zone.of(
    {
        "partner.example": {"MX": ["10 mx.partner.example"], "TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
        "_dmarc.partner.example": {"TXT": ["v=DMARC1; p=reject"]},
        "mx.partner.example": {"A": ["198.51.100.25"]},
        "25.100.51.198.in-addr.arpa": {"PTR": ["mx.partner.example"]},
    }
)
PEER = Peer(ip_address("198.51.100.25"), 50_000, "mx.partner.example")
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

Summary = Counter[str]
_ROWS_AT_ONCE = 32  # a row has up to 64 KiB, a transaction of FoundationDB 10 MB


@dataclass(slots=True)
class Clock:
    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)

    @property
    def ms(self) -> int:
        return int(self.now.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Fault:
    """Which write fails, and how. With ``stays`` everything after it fails too, as after a crash."""

    at: int | None = None
    after_commit: bool = False
    stays: bool = True


@dataclass(slots=True)
class World:
    """Services over the file, with the clock and the next host they see."""

    services: Services
    kv: FaultyKeyValueStore
    clock: Clock
    next_host: Sink

    @property
    def store(self) -> Store:
        return self.services.store

    async def receive(self, octets: bytes, *addresses: str) -> Reply:
        """What the edge does between RCPT and the reply."""
        to: list[Recipient] = []
        for address in addresses or ("ana@example.com",):
            found = await self.services.recipients.resolve(address)
            assert isinstance(found, Recipient), found
            to.append(found)
        envelope = self.services.begin(PEER, "bob@partner.example", tuple(to), False)
        return await self.services.reception.receive(envelope, octets)

    async def held(self) -> list[str]:
        """Ids of what is held."""
        return await self.store.read(lambda view: [held.id for held in quarantine.by_doubt(view)])

    async def summary(self) -> Summary:
        return await self.store.read(summary_of)

    async def unlinked(self) -> int:
        """Blobs, whole or not, that nothing links to."""
        return await self.store.read(lambda view: sum(not has_link(view, blob) for blob in list_ids(view.kv)))

    async def assert_sound(self) -> None:
        await assert_sound(self.store)


def config_of(folder: Path, relay_port: int) -> Config:
    return parse(
        {
            "server": {"hostname": "mx.example.com", "data": "data"},
            "domain": {"example.com": {}, "relayed.example": {"deliver": f"smtp:127.0.0.1:{relay_port}"}},
            "traps": {"addresses": ["trap@example.com"]},
            "model": {"language": False},
        },
        folder,
    )


def _quiet(*_: object) -> None:
    """Nobody reads the journal of these tests."""


async def _open_kv(backend: str, folder: Path) -> KeyValueStore:
    """The folder's store. What the doubles hold is in memory: they begin with the rows that ``_leave`` wrote down."""
    if backend == "sqlite":
        return await SqliteKeyValueStore.open(folder / "store.sqlite")
    if backend == "rocksdb":
        return await RocksKeyValueStore.open(folder / "store.rocks")
    kv: KeyValueStore = MemoryKeyValueStore()
    if backend == "foundationdb":
        binding = Double(Cluster(ManualClock()))
        kv = await FoundationKeyValueStore.open("foundationdb:?prefix=faults", binding=binding)
    rows = pickle.loads((folder / "rows").read_bytes()) if (folder / "rows").exists() else []
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        await kv.write(partial(_put_all, rows=rows[at : at + _ROWS_AT_ONCE]))
    return kv


def _put_all(txn: WriteTxn, rows: list[tuple[bytes, bytes]]) -> None:
    for key, value in rows:
        txn.put(key, value)


async def _leave(backend: str, kv: KeyValueStore, folder: Path) -> None:
    if backend in ("memory", "foundationdb"):
        rows = await kv.read(lambda view: list(view.scan(b"", b"\xff" * 8)))
        (folder / "rows").write_bytes(pickle.dumps(rows))


@asynccontextmanager
async def opened(
    folder: Path,
    clock: Clock,
    next_host: Sink,
    fault: Fault | None = None,
    *,
    in_files: bool = False,
    backend: str = "sqlite",
) -> AsyncIterator[World]:
    """The gateway over the folder's store; closed again at the end, as after a crash or a stop.

    With ``in_files`` large blobs are files beside the store.
    """
    fault = fault or Fault()
    inner = await _open_kv(backend, folder)
    kv = FaultyKeyValueStore(inner, fault.at, after_commit=fault.after_commit, stays=fault.stays)
    store = Store(kv, Blobs(kv, objects=FolderObjects(folder / "blobs") if in_files else None), Announcer())
    services = await build(
        config_of(folder, next_host.port), clock=clock, announce=_quiet, resolver=ZoneResolver(ZONE), store=store
    )
    try:
        yield World(services, kv, clock, next_host)
    finally:
        await _leave(backend, inner, folder)
        await services.close()


async def settle_in(world: World) -> None:
    """Two accounts for the mails of a test."""
    for address in ("ana@example.com", "ben@example.com"):
        await new_account(world.store, address)


def summary_of(view: StoreView) -> Summary:
    """Everything that people could notice, without ids and times: comparable between runs."""
    found: Summary = Counter()
    for account in accounts.all_accounts(view):
        mine = view.account(account.id)
        for mailbox in mailboxes.list_all(mine):
            for _, email_id in reading.placements(mine, mailbox.id):
                email, flags = emails.get(mine, email_id), emails.state(mine, email_id)
                words = "".join(f" {word}" for word in sorted(flags.keywords if flags else ()))
                found[f"{account.address} {mailbox.role} {email.subject if email else '?'}{words}"] += 1
    for held in quarantine.newest(view):
        for copy in held.copies:
            found[f"{copy.state} {copy.address} {held.subject}"] += 1
    for state, each in (("waiting", jobs.waiting(view)), ("buried", jobs.buried(view))):
        for job in each:
            found[f"{state} {job.id.rpartition('-')[2]} {'failed' if job.last_error else ''}"] += 1
    for _, label in labels.after(view, 0):
        found[f"label {label.is_spam} {label.by}"] += 1
    for entry in policy.everything(view):
        found[f"policy {entry.kind} {entry.subject}"] += 1
    return found
