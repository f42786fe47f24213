"""Everything below the protocols, built from the configuration."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path

import msgspec
import structlog

from gateway.checks import ALL_SIGNALS, PURE
from gateway.checks import clamav as clamav_check
from gateway.checks import dnslists as dnslists_check
from gateway.checks import pyzor as pyzor_check
from gateway.config import ConfigError, dns_server, host_and_port, relay_of
from gateway.content.facts import ContentFacts
from gateway.delivery.commit import Commit, Outcome
from gateway.delivery.journal import journal
from gateway.delivery.recipients import Recipients, RelayDomain
from gateway.dns.cache import CachingResolver
from gateway.dns.resolver import Resolver
from gateway.dns.settings import UpstreamSettings
from gateway.dns.upstream import Server, UpstreamResolver, system_servers
from gateway.dns.zone import BadZone, Zone, ZoneResolver
from gateway.dnslists.asking import AskSettings, DnsLists
from gateway.dnslists.definition import BadList, known_lists, read_list
from gateway.dnslists.zonefile import BadZoneFile
from gateway.envelope import Envelope, Peer, Recipient, RelayTarget, reception_id
from gateway.learning.labels import label_of_octets, label_of_view
from gateway.learning.local import LocalOpinions
from gateway.learning.moves import Moves
from gateway.learning.scorer import ModelScorer
from gateway.learning.shadow import Shadow
from gateway.learning.shelf import Shelf
from gateway.mailauth.authenticate import authenticate
from gateway.mailauth.results import AuthResults
from gateway.mailauth.settings import AuthSettings
from gateway.main.opining import second_reader_of
from gateway.main.sealing import sealer_of
from gateway.main.shelving import shelf_of
from gateway.main.storage import open_store
from gateway.main.submitting import Parts, return_paths_of, smarthost_of, submissions_of
from gateway.main.submitting import policy_of as outgoing_policy_of
from gateway.net.clamd_client import ClamdClient
from gateway.net.pyzor_client import PyzorClient, PyzorSettings
from gateway.observe.stages import Stages
from gateway.observe.tally import Tally
from gateway.outbound.relay import Relay
from gateway.outbound.return_path import ReturnPaths
from gateway.pipeline.budget import ReadingBudget
from gateway.pipeline.evidence import Check
from gateway.pipeline.facts import DataFacts, Protected
from gateway.pipeline.gather import Gatherer
from gateway.pipeline.greylist import Greylist, GreylistSettings
from gateway.pipeline.judge import Judge
from gateway.pipeline.rules import AT_LEAST, AT_MOST
from gateway.pipeline.verdict import Action, Policy, Thresholds
from gateway.policy.reading import book_of
from gateway.quarantine.acts import Quarantine
from gateway.reception import Reception
from gateway.reply import MAILBOX_FULL, MAILBOX_FULL_FOR_GOOD, Reply
from gateway.reputation import history
from gateway.reputation.facts import SenderHistory
from gateway.reputation.rates import Rates, RateSettings
from gateway.sentences import sentences
from gateway.settings import Config
from gateway.submission import Submissions
from gateway.traps.matching import Traps
from models.artefact import Artefact, load
from models.view import MailView
from store.accounts.login import Logins
from store.changes.engine import Store
from store.labels.rows import Label
from store.message.model import Message

log = structlog.get_logger()

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Judging:
    """What it takes to judge a mail, with or without a store behind it."""

    gatherer: Gatherer
    judge: Judge
    scorer: ModelScorer
    pyzor: PyzorClient | None

    async def close(self) -> None:
        if self.pyzor is not None:
            await self.pyzor.close()


@dataclass(frozen=True, slots=True)
class Services:
    """One worker's services."""

    config: Config
    store: Store
    logins: Logins
    judging: Judging
    reception: Reception
    recipients: Recipients
    rates: Rates
    quarantine: Quarantine
    relay: Relay
    opinions: LocalOpinions
    moves: Moves
    tally: Tally
    clock: Clock
    submissions: Submissions
    shelf: Shelf
    shadow: Shadow

    def begin(self, peer: Peer, mail_from: str | None, to: tuple[Recipient, ...], smtputf8: bool) -> Envelope:
        now = self.clock()
        return Envelope(reception_id(now, secrets.randbits(35)), peer, mail_from, to, now, smtputf8)

    async def admit(self, peer: Peer, mail_from: str) -> Reply | None:
        """Why a client may not send now, None when it may. Raises StoreUnavailable."""
        return await self.rates.of_sender(peer, mail_from, self._now_ms())

    async def resolve(self, address: str, sender: str = "", octets: int = 0) -> Recipient | Reply:
        """The answer to RCPT. Raises StoreUnavailable."""
        found = await self.recipients.resolve(address, sender, octets)
        if isinstance(found, Recipient):
            return await self.rates.of_recipient(found.address, self._now_ms()) or found
        return found

    def _now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)

    async def close(self) -> None:
        await self.tally.add()
        await self.judging.close()
        self.logins.close()
        await self.store.close()


async def build(
    config: Config,
    *,
    clock: Clock = utc_now,
    announce: Callable[[Outcome, Stages], None] | None = None,
    resolver: Resolver | None = None,
    store: Store | None = None,
) -> Services:
    """Everything from the configuration, over ``store`` when one is given: it is closed with the services.

    Raises ConfigError, ArtefactError, StoreError.
    """
    artefact = load_model(config)
    store = store or await open_store(config)
    opinions = LocalOpinions(store)
    await opinions.catch_up()
    # One thread: a worker is one core's worth, and two that both want the interpreter only wait for each other
    # (measured: 230 to 265 mails a second with one, 170 to 220 with two).
    threads = ThreadPoolExecutor(1, "judge")
    reading = ReadingBudget(config.model.language_share)
    judging = build_judging(config, artefact, store, opinions, threads, resolver, reading)
    judging.judge.second = second_reader_of(config, store, clock)
    thresholds = judging.judge.policy.thresholds

    def label_of(reception: str, facts: DataFacts, is_spam: bool, by: str, at_ms: int) -> Label:
        return label_of_view(reception, facts.view, is_spam, by, at_ms)

    rates = Rates(store, RateSettings(config.rates.network, config.rates.sender, config.rates.recipient))
    commit = Commit(
        store,
        config.server.hostname,
        config.quarantine.keep_days,
        (thresholds.junk, thresholds.hold, thresholds.refuse),
        label_of,
        threads,
        {name: domain.quarantine_days for name, domain in config.domain.items() if domain.quarantine_days},
        rates=rates,
        reports_traps=reports_spam(config),
        sealer=sealer_of(config),
    )
    at_once = asyncio.Semaphore(config.limits.judging_at_once)
    tally = Tally(store, (signal.name for signal in ALL_SIGNALS), lambda: clock().timestamp())
    reception = Reception(
        judging.gatherer,
        judging.judge,
        commit,
        at_once,
        clock,
        counted(tally, announce or journal),
        greylist_of(config, store),
        full_reply(config),
    )
    logins, return_paths, relay = Logins(store), return_paths_of(config, store, clock), smarthost_of(config)
    recipients = recipients_of(config, store, return_paths)
    parts = Parts(
        *(store, logins, recipients, return_paths, relay, judging.scorer, artefact, judging.gatherer.protected),
        *(floors_of(config), judging.pyzor, threads, reading, at_once, clock, announce or journal),
    )
    out = submissions_of(config, parts)

    def policies(model: Artefact) -> tuple[Policy, Policy]:
        return policy_of(config, model), outgoing_policy_of(config, model, floors_of(config))

    shelf, shadow = shelf_of(config, store, artefact, judging.scorer, judging.judge, out.judge, policies, threads)
    await shelf.catch_up()
    return Services(
        config,
        store,
        logins,
        judging,
        reception,
        recipients,
        rates,
        Quarantine(store, label_of_octets, clock, reports_spam=reports_spam(config)),
        Relay(store, config.server.hostname, clock, relay, return_paths),
        opinions,
        Moves(store),
        tally,
        clock,
        out,
        shelf,
        shadow,
    )


def counted(tally: Tally, announce: Callable[[Outcome, Stages], None]) -> Callable[[Outcome, Stages], None]:
    """Announces a mail, and counts what it showed."""

    def told(outcome: Outcome, stages: Stages) -> None:
        row = outcome.trace
        if row.action != "defer":  # it comes again, and counts then
            tally.count((reason.signal for reason in row.reasons), is_unwanted=row.action != "accept")
        announce(outcome, stages)

    return told


def load_model(config: Config) -> Artefact:
    """The configured model, or the shipped one. Raises ArtefactError."""
    artefact = load(Path(config.model.directory) if config.model.directory else None)
    if config.model.language:
        _ = artefact.language  # its files are checked now, not when the first mail is judged
    return artefact


def build_judging(
    config: Config,
    artefact: Artefact,
    store: Store,
    opinions: LocalOpinions | None,
    threads: Executor | None,
    resolver: Resolver | None = None,
    reading: ReadingBudget | None = None,
) -> Judging:
    """The judge and its sources. ``resolver`` None takes the configured one, ``reading`` None sets no limit."""
    dns = resolver or resolver_of(config)
    settings = AuthSettings(
        authserv_id=config.server.hostname,
        max_queries=config.dns.queries_per_mail,
        deadline_s=config.dns.seconds_per_mail,
        trusted_sealers=frozenset(name.lower().rstrip(".") for name in config.auth.trusted_sealers),
    )

    async def authenticated(envelope: Envelope, message: Message) -> AuthResults:
        return await authenticate(envelope, message, dns, settings)

    async def remembered(
        envelope: Envelope, content: ContentFacts, auth: AuthResults, view: MailView, message: Message
    ) -> SenderHistory:
        return await history.sender_history(store, envelope, content, auth, view, message)

    pyzor = pyzor_of(config)
    lists = dnslists_of(config, dns)
    awaiting: tuple[Check[DataFacts], ...] = (
        *((pyzor_check.check(pyzor),) if pyzor is not None else ()),
        *((dnslists_check.check(lists),) if lists is not None else ()),
        *((clamav_check.check(ClamdClient(config.clamav)),) if config.clamav.socket or config.clamav.host else ()),
    )
    scorer = ModelScorer(artefact, opinions, use_language=config.model.language)
    judge = Judge(
        PURE, awaiting, scorer, policy_of(config, artefact), doubt=config.model.doubt, threads=threads, reading=reading
    )
    return Judging(Gatherer(authenticated, remembered, protected_of(config), threads), judge, scorer, pyzor)


def resolver_of(config: Config) -> Resolver:
    """A fixture zone when one is configured, else the network behind a cache. Raises ConfigError."""
    if config.dns.zone:
        try:
            return ZoneResolver(Zone.parse(Path(config.dns.zone).read_text("utf-8")))
        except (OSError, BadZone) as error:
            raise ConfigError(f"dns.zone: {config.dns.zone}: {error}") from error
    servers = tuple(Server(*dns_server(text)) for text in config.dns.servers) or system_servers()
    settings = UpstreamSettings(try_s=config.dns.timeout_s, total_s=config.dns.timeout_s * 2)
    return CachingResolver(UpstreamResolver(servers, settings))


def dnslists_of(config: Config, resolver: Resolver) -> DnsLists | None:
    """The DNS lists in use, their offline copies read; None without any. Raises ConfigError."""
    settings = config.dnslists
    try:
        own = {name: read_list(name, msgspec.structs.asdict(each)) for name, each in settings.own.items()}
        available = {**known_lists(), **own}
        for name in (*settings.use, *settings.files):
            if name not in available:
                raise ConfigError(f"dnslists: {name!r} is not known; known: {', '.join(sorted(available))}")
        in_use = [available[name] for name in dict.fromkeys(settings.use)]
        for each in in_use:
            if not (each.zone or settings.key or each.name in settings.files):
                raise ConfigError(f"dnslists: {each.name} is only for those who have a key; set dnslists.key")
        if not in_use:
            return None
        files = {name: Path(file) for name, file in settings.files.items() if name in settings.use}
        asking = AskSettings(settings.queries_per_mail, settings.seconds_per_mail)
        lists = DnsLists(resolver, in_use, settings.key, files, asking)
        lists.load()
    except (BadList, BadZoneFile, OSError) as error:
        raise ConfigError(f"dnslists: {error}") from error
    return lists


def greylist_of(config: Config, store: Store) -> Greylist | None:
    settings = config.greylist
    if not settings.enabled:
        return None
    return Greylist(store, GreylistSettings(settings.from_probability, settings.wait_s))


def pyzor_of(config: Config) -> PyzorClient | None:
    servers = tuple(host_and_port(text) for text in config.pyzor.servers)
    return PyzorClient(PyzorSettings(servers=servers, timeout_s=config.pyzor.timeout_s)) if servers else None


def reports_spam(config: Config) -> bool:
    """Whether Pyzor servers may be told of spam."""
    return bool(config.pyzor.servers) and config.pyzor.report


def policy_of(config: Config, artefact: Artefact) -> Policy:
    verdict = config.verdict
    thresholds = Thresholds(verdict.junk, verdict.hold, verdict.refuse)
    return Policy(
        artefact.weights.prior,
        artefact.weights.signals,
        thresholds,
        floors_of(config),
        AT_MOST,
        sentences=sentences(verdict.language),
        by_recipient=book_of(config, {signal.name for signal in ALL_SIGNALS}),
    )


def floors_of(config: Config) -> dict[str, Action]:
    """What single signals decide at least, as configured."""
    floors = dict(AT_LEAST)
    if config.clamav.on_virus == "refuse":
        floors[clamav_check.VIRUS.name] = Action.REJECT
    if config.clamav.on_failure == "defer":
        floors[clamav_check.UNREACHABLE.name] = Action.DEFER
    return floors


def protected_of(config: Config) -> Protected:
    own = tuple(sorted(config.domain))
    partners = tuple(sorted({p.lower() for d in config.domain.values() for p in d.partners}))
    names = tuple(parseaddr(text) for d in config.domain.values() for text in d.protect)
    return Protected(own + partners, own, tuple((name or address, address.lower()) for name, address in names))


def recipients_of(config: Config, store: Store, return_paths: ReturnPaths | None = None) -> Recipients:
    local = frozenset(name for name, domain in config.domain.items() if domain.deliver == "local")
    relayed: dict[str, RelayDomain] = {}
    for name, domain in config.domain.items():
        target = relay_of(domain)
        if target is not None:
            known = None if isinstance(domain.recipients, str) else frozenset(p.lower() for p in domain.recipients)
            relayed[name] = RelayDomain(RelayTarget(*target), known)
    outside = RelayTarget(*host_and_port(config.outbound.relay)) if config.outbound.relay else None
    traps = Traps(config.traps.addresses, config.traps.domains)
    return Recipients(store, local, relayed, traps, outside=outside, full=full_reply(config), return_paths=return_paths)


def full_reply(config: Config) -> Reply:
    """What senders to a full mailbox are told."""
    return MAILBOX_FULL if config.quota.when_full == "later" else MAILBOX_FULL_FOR_GOOD
