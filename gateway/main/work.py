"""Every kind of work a worker does beside its protocols, in one place: jobs after a commit, and regular upkeep.

A new kind is one line here. Work that a mail causes is put in the queue in the mail's own transaction
(``store.queue.jobs.put``, or ``want`` for work that looks at the store when it runs); upkeep has ``every_s`` and
needs no more than this line.
"""

import asyncio

import structlog

from gateway.learning import refreshing
from gateway.main.services import Services
from gateway.traps import reporting
from gateway.work import searching
from gateway.work.kinds import HOUR_S, MINUTE_S, Kind
from gateway.work.runner import Runner
from protocols.jmap.settings import JmapSettings
from store.audit import chain, sealing
from store.kv.sqlite import SqliteKeyValueStore
from store.queue.jobs import Job
from store.schema import expiring
from store.search.indexing import IndexSettings
from store.upkeep import retention
from store.upkeep.accounts import look_after as look_after_accounts
from store.upkeep.collect import Collector, sweep_objects
from store.upkeep.expire import end_uploads
from store.upkeep.retention import Ages

log = structlog.get_logger()

UPKEEP_S = 5 * MINUTE_S
COLLECT_PAUSE_S = 5 * MINUTE_S  #: between seeing a blob without links and removing it: a mail may be about to link it

GIVE_BACK_OCTETS = 64 << 20  #: free pages of SQLite that are kept for what comes; and given back at a time


def kinds_of(services: Services) -> tuple[Kind, ...]:
    """The work of one worker."""
    store, config = services.store, services.config

    def now_ms() -> int:
        return int(services.clock().timestamp() * 1000)

    async def expire_held(_: Job) -> None:
        await services.quarantine.expire()

    async def expire_uploads(_: Job) -> None:
        await end_uploads(store, now_ms() - JmapSettings().upload_keep_s * 1000)

    async def look_after(_: Job) -> None:
        await look_after_accounts(store, config.history.changes)

    async def collect(_: Job) -> None:
        collector = Collector(store)
        await collector.collect()
        await asyncio.sleep(COLLECT_PAUSE_S)
        await collector.collect()

    async def sweep_blobs(_: Job) -> None:
        if swept := await sweep_objects(store, services.clock().hour):
            log.info("blobs.swept", objects=swept)

    async def sweep(_: Job) -> None:
        while await store.write(lambda txn: expiring.sweep(txn.kv, now_ms())) == expiring.BATCH:
            pass

    async def refresh_labels(_: Job) -> None:
        if made := await refreshing.refresh(store):
            log.info("labels.refreshed", labels=made)

    async def give_back(_: Job) -> None:
        if isinstance(store.kv, SqliteKeyValueStore) and (await store.kv.room()).reclaimable > GIVE_BACK_OCTETS:
            log.info("store.compacted", octets=await store.kv.compact(at_most=GIVE_BACK_OCTETS))

    async def retain(_: Job) -> None:
        report = await retention.run(store, Ages(config.retention.trace_days, config.retention.audit_days))
        await sealing.seal_all(store)
        head = await store.read(lambda view: chain.head_of(view.kv))
        log.info("retention.run", **report.totals())
        log.info("audit.head", seq=head.seq, head=head.seal.hex())  # a copy outside: `audit verify --head --seq`

    return (
        services.relay.kind(),
        reporting.kind(store, services.judging.pyzor, services.clock),
        *searching.kinds(store, IndexSettings(config.search.words)),
        Kind("expire-held", expire_held, every_s=UPKEEP_S),
        Kind("look-after-accounts", look_after, every_s=UPKEEP_S),
        Kind("expire-uploads", expire_uploads, every_s=UPKEEP_S),
        Kind("sweep-expired", sweep, every_s=UPKEEP_S),
        Kind("refresh-labels", refresh_labels, every_s=HOUR_S),
        Kind("retention", retain, every_s=HOUR_S),
        Kind("give-back-disk", give_back, every_s=10 * MINUTE_S),
        Kind("collect-blobs", collect, every_s=UPKEEP_S, lease_s=2 * COLLECT_PAUSE_S),  # it mostly sleeps
        Kind("sweep-blobs", sweep_blobs, every_s=HOUR_S),
    )


def runner_of(services: Services) -> Runner:
    return Runner(services.store, kinds_of(services), services.clock)
