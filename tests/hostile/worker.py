"""Judges hostile mails as a worker of ``mailward serve`` does, in a process of its own, and measures what each costs.

``python -m tests.hostile.worker FOLDER``: each file of the folder is a mail as it comes after DATA. A JSON line each.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path

from structlog.testing import capture_logs

from gateway.delivery.commit import Outcome
from gateway.dns.zone import Zone, ZoneResolver
from gateway.envelope import Peer
from gateway.mailauth.authenticate import warm_up
from gateway.main.memory import Trimmer, give_back_large_blocks
from gateway.main.services import Services, build
from gateway.observe.stages import Stages
from gateway.settings import Config, Domain, Model, Server
from store.accounts import account as accounts
from store.changes.engine import AccountId
from store.search.indexing import Indexer, IndexSettings
from tests.gateway.mailauth.mailroom import rsa_key
from tests.support.mail_store import new_store

WARM = b"From: ana@shop.example\r\nTo: maria@example.com\r\nSubject: %s\r\n\r\nHello Maria, see you tomorrow.\r\n"
ZONE = Zone.of(
    {
        "shop.example": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]},
        "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=reject"]},
        "sel._domainkey.shop.example": {"TXT": [rsa_key().record]},
    }
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one mail cost the worker."""

    name: str
    octets: int
    cpu_s: float  #: of all threads, from its octets to the reply, the commit included
    peak_mb: float  #: of resident memory above what the process held before, the octets themselves included
    stall_s: float  #: for which the event loop answered nobody else
    stage_ms: dict[str, float]
    reply: int
    action: str
    probability: float
    signals: tuple[str, ...]
    errors: tuple[str, ...]  #: log lines of failures
    index_cpu_s: float  #: of making it found by a search, the job after the commit


class Stall:
    """The longest time for which the loop's other work waited, by its own clock and that of the processor."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def watch(self) -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            self.worst = max(self.worst, time.perf_counter() - started - 0.001)


def _memory_mb(name: str) -> float:
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def _services(outcomes: list[tuple[Outcome, Stages]]) -> Services:
    config = Config(
        server=Server(hostname="mx.example.com"),
        domain={"example.com": Domain()},
        model=Model(doubt=(0.0, 1.0), language_share=1.0),  # every mail is read by both models
    )
    store = new_store()
    services = await build(
        config,
        announce=lambda outcome, stages: outcomes.append((outcome, stages)),
        resolver=ZoneResolver(ZONE),
        store=store,
    )
    await store.write(lambda txn: accounts.create(txn, "maria@example.com", "Maria", "", 1_772_445_600))
    await asyncio.to_thread(services.judging.scorer.warm_up)
    await warm_up()
    return services


async def _judge(services: Services, path: Path, outcomes: list[tuple[Outcome, Stages]]) -> Cost:
    recipient = await services.resolve("maria@example.com", "ana@shop.example")
    receive = Trimmer(services.reception.receive).receive
    peer = Peer(ip_address("192.0.2.7"), 50_000, "mx.shop.example")
    _forget_peak()
    before = _memory_mb("VmRSS")
    octets = path.read_bytes()
    envelope = services.begin(peer, "ana@shop.example", (recipient,), False)  # type: ignore[arg-type]
    stall = Stall()
    watching = asyncio.create_task(stall.watch())
    await asyncio.sleep(0.01)
    outcomes.clear()
    with capture_logs() as logs:
        started = time.process_time()
        reply = await receive(envelope, octets)
        cpu_s = time.process_time() - started
        started = time.process_time()
        await Indexer(services.store, IndexSettings()).catch_up(AccountId(1))
        index_cpu_s = time.process_time() - started
    watching.cancel()
    peak = _memory_mb("VmHWM") - before
    (outcome, stages) = outcomes[0] if outcomes else (None, Stages())
    trace = outcome.trace if outcome is not None else None
    return Cost(
        path.name,
        len(octets),
        cpu_s,
        peak,
        stall.worst,
        {name: round(ms, 1) for name, ms in stages.ms.items()},
        reply.code,
        trace.action if trace else "",
        trace.probability if trace else -1.0,
        tuple(reason.signal for reason in trace.reasons) if trace else (),
        tuple(f"{line['event']}: {line}"[:300] for line in logs if line["log_level"] in ("error", "critical")),
        index_cpu_s,
    )


async def _run(folder: Path) -> None:
    outcomes: list[tuple[Outcome, Stages]] = []
    services = await _services(outcomes)
    (folder / ".warm").mkdir(exist_ok=True)
    for number in range(3):
        warm = folder / ".warm" / str(number)
        warm.write_bytes(WARM % str(number).encode())
        await _judge(services, warm, outcomes)
    for path in sorted(each for each in folder.iterdir() if each.is_file()):
        print(json.dumps(asdict(await _judge(services, path, outcomes))), flush=True)
    await services.close()


if __name__ == "__main__":
    give_back_large_blocks()
    asyncio.run(_run(Path(sys.argv[1])))
