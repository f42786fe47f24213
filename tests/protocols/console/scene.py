"""A console with mail in it, served on a real socket of this machine."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
from argon2 import PasswordHasher

from gateway.learning.labels import label_of_octets
from gateway.mailauth.results import ArcResult, AuthResults, DkimResult, DmarcResult, IprevResult, SpfResult
from gateway.pipeline.verdict import Action, Thresholds, by_threshold, squash
from gateway.quarantine.acts import Quarantine
from protocols.console.routes import routes
from protocols.console.services import ConsoleServices, ConsoleSettings
from protocols.http.app import build_app
from protocols.http.server import HttpServer
from protocols.http.settings import HttpSettings
from store.accounts import account as accounts
from store.accounts.account import Account
from store.accounts.login import Logins, LoginSettings
from store.audit import chain
from store.blob.contract import BlobId
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store, StoreTxn
from store.kv.memory import MemoryKeyValueStore
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, Held, HeldCopy
from store.trace import rows as traces
from store.trace.rows import OutcomeRow, ReasonRow, Trace
from tests.protocols.console import mails
from tests.protocols.console.mails import ADMIN, ANA, BOB, MARIA, PRIOR, Sample, octets

NOW = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
PASSWORD = "correct horse 7"
_HASH = PasswordHasher(1, 8, 1).hash(PASSWORD)  # weak, so that a test may sign in often
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Clock:
    """Time that moves when a test says so."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Scene:
    """Everything a test of the console touches."""

    store: Store
    services: ConsoleServices
    clock: Clock
    url: str = ""
    people: dict[str, Account] = field(default_factory=dict)

    async def add(self, sample: Sample) -> str:
        """Judge a sample as written and keep it as the reception would; its id."""
        raw = octets(sample)
        staged = await self.store.blobs.stage(raw)

        def body(txn: StoreTxn) -> str:
            blob = txn.keep(staged)
            trace = self._trace(sample, blob, len(raw))
            traces.put(txn, trace)
            if trace.action == "quarantine":
                self._hold(txn, sample, trace)
            return trace.id

        return await self.store.write(body)

    def account(self, address: str) -> int | None:
        return self.people[address].id if address in self.people else None

    def _trace(self, sample: Sample, blob: BlobId, size: int) -> Trace:
        at = self.clock() - timedelta(minutes=sample.minutes_ago)
        reasons = sorted((PRIOR, *sample.reasons), key=lambda r: -abs(r[1]))
        probability = squash(sum(nats for _, nats, _ in reasons))
        action = Action.QUARANTINE if sample.rule else by_threshold(probability, Thresholds())
        name = action.name.lower()
        return Trace(
            id=reception_id(sample, at),
            received_ms=_ms(at),
            ip="203.0.113.77",
            helo="mx.sender.example",
            tls="TLSv1.3",
            mail_from=sample.address,
            header_from=f"{sample.name} <{sample.address}>" if sample.name else sample.address,
            subject=sample.subject,
            size=size,
            blob=blob,
            category=sample.category,
            action=name,
            probability=probability,
            rule=sample.rule,
            reasons=tuple(ReasonRow(*r) for r in reasons),
            model_ids=("bayes-3", "combiner-7"),
            policy_id="default",
            auth=msgspec.json.encode(_auth(sample)),
            outcomes=tuple(OutcomeRow(a, self.account(a), "", name) for a in sample.to),
            ms={"parse": 0.6, "facts": 11.4, "checks": 7.9, "models": 4.2, "store": 1.3},
            links=sample.links,
        )

    def _hold(self, txn: StoreTxn, sample: Sample, trace: Trace) -> None:
        why = next((r.sentence for r in trace.reasons if r.signal == trace.rule), "")
        why = why or next(r.sentence for r in trace.reasons if r.nats > 0)
        assert trace.blob is not None
        quarantine.put(
            txn,
            Held(
                trace.id,
                trace.blob,
                trace.received_ms,
                trace.received_ms + 30 * 86_400_000,
                trace.category,
                trace.probability,
                int(abs(trace.probability - 0.85) * 10_000),
                trace.mail_from,
                trace.header_from,
                trace.subject,
                why,
                tuple(HeldCopy(o.address, o.account, "", HELD) for o in trace.outcomes),
            ),
        )
        chain.record(txn, trace.received_ms, "mailward", "quarantine.hold", trace.id, trace.category)


def reception_id(sample: Sample, at: datetime) -> str:
    return f"{int(at.timestamp()):010x}{sample.key}"


def id_of(key: str) -> str:
    """The reception id of a sample of ``mails``."""
    sample = next(s for s in (*mails.HELD, *mails.OTHERS) if s.key == key)
    return reception_id(sample, NOW - timedelta(minutes=sample.minutes_ago))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _auth(sample: Sample) -> AuthResults:
    domain = sample.address.rpartition("@")[2]
    if sample.auth == "none":
        return AuthResults(iprev=IprevResult("temperror", "", "the DNS did not answer in time"))
    good = sample.auth == "pass"
    return AuthResults(
        spf_mailfrom=SpfResult(
            "pass" if good else "softfail", domain, mechanism="ip4:203.0.113.0/24" if good else "~all"
        ),
        dkim=(
            DkimResult(
                "pass" if good else "fail", domain, "s1", "rsa-sha256", 2048, reason="" if good else "body changed"
            ),
        ),
        dmarc=DmarcResult(
            "pass" if good else "fail", "none", "none", domain, domain, domain, aligned_spf=good, aligned_dkim=good
        ),
        arc=ArcResult("none"),
        iprev=IprevResult("pass", f"mx.{domain}"),
    )


@asynccontextmanager
async def scene(samples: tuple[Sample, ...], settings: ConsoleSettings | None = None) -> AsyncIterator[Scene]:
    """A served console: an administrator, three people, and the samples."""
    kv = MemoryKeyValueStore()
    store = Store(kv, Blobs(kv), Announcer())
    clock = Clock()
    logins = Logins(store, LoginSettings(failures=3))
    acts = Quarantine(store, label_of_octets, clock)
    services = ConsoleServices(store, logins, acts, settings or ConsoleSettings(), clock)
    made = Scene(store, services, clock)

    def people(txn: StoreTxn) -> dict[str, Account]:
        named = ((ADMIN, "Admin", ("admin",)), (ANA, "Ana Ruiz", ()), (BOB, "Bob Ott", ()), (MARIA, "Maria Koch", ()))
        return {a: accounts.create(txn, a, n, _HASH, 1_770_000_000, roles=roles) for a, n, roles in named}

    made.people = await store.write(people)
    for sample in samples:
        await made.add(sample)
    sock = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(build_app(routes(services), HttpSettings()), HttpSettings(), None)
    await server.start(sock)
    made.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    try:
        yield made
    finally:
        services.close()
        await server.close(2.0)
        logins.close()
        await store.close()


class Browser(httpx.AsyncClient):
    """A browser without script: cookies, forms, redirects."""

    async def sign_in(self, login: str = ADMIN, password: str = PASSWORD) -> httpx.Response:
        page = await self.get("/login")
        form = {"csrf": token_of(page), "login": login, "password": password}
        return await self.post("/login", data=form, headers={"Origin": str(self.base_url).rstrip("/")})

    async def submit(self, path: str, fields: dict[str, object], page: str = "/queue") -> httpx.Response:
        """Post a form with the token of a page, as that page's form would."""
        token = token_of(await self.get(page))
        return await self.post(path, data={"csrf": token, **fields}, headers={"Origin": str(self.base_url).rstrip("/")})


def token_of(page: httpx.Response) -> str:
    found = _CSRF.search(page.text)
    assert found is not None, page.text[:500]
    return found[1]


def browser(made: Scene) -> Browser:
    return Browser(base_url=made.url, follow_redirects=True, timeout=20)
