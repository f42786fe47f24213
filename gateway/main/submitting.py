"""The way out, built from the configuration: return paths, signing keys, the relay, and its own judge."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.checks import OUTGOING, dlp
from gateway.checks import clamav as clamav_check
from gateway.checks import pyzor as pyzor_check
from gateway.config import ConfigError, host_and_port
from gateway.content.facts import ContentFacts
from gateway.content.hosts import to_ascii
from gateway.delivery.commit import Outcome
from gateway.delivery.recipients import Recipients
from gateway.delivery.submitted import Filing
from gateway.envelope import Envelope, RelayTarget
from gateway.learning.scorer import ModelScorer
from gateway.mailauth.results import AuthResults
from gateway.mailauth.seal import UnusableKey
from gateway.mailauth.sign import Signer, load_signer
from gateway.net.clamd_client import ClamdClient
from gateway.net.pyzor_client import PyzorClient
from gateway.observe.stages import Stages
from gateway.outbound.return_path import ReturnPaths
from gateway.outbound.senders import Limits, Senders
from gateway.outbound.smarthost import SmartHost
from gateway.pipeline.budget import ReadingBudget
from gateway.pipeline.evidence import Check
from gateway.pipeline.facts import DataFacts, Protected
from gateway.pipeline.gather import Gatherer
from gateway.pipeline.judge import Judge
from gateway.pipeline.verdict import Action, Policy, Thresholds
from gateway.reputation.facts import SenderHistory
from gateway.sentences import sentences
from gateway.settings import Config
from gateway.submission import Submissions
from models.artefact import Artefact
from models.view import MailView
from store.accounts.login import Logins
from store.changes.engine import Store
from store.message.model import Message

#: Log-odds that a mail of somebody who signed in is unwanted, before anything is known of it: far below a stranger's.
PRIOR = -2.5
#: What decides by itself about mail from elsewhere, and means nothing about mail of our own people.
_NOT_OURS = ("dmarc.", "lists.", "bounce.")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the way out shares with the way in."""

    store: Store
    logins: Logins
    recipients: Recipients
    return_paths: ReturnPaths
    relay: SmartHost | None
    scorer: ModelScorer
    artefact: Artefact
    protected: Protected
    floors: Mapping[str, Action]
    pyzor: PyzorClient | None
    threads: Executor
    reading: ReadingBudget
    at_once: asyncio.Semaphore
    clock: Callable[[], datetime]
    announce: Callable[[Outcome, Stages], None]


def submissions_of(config: Config, parts: Parts) -> Submissions:
    """Raises ConfigError."""
    policy = policy_of(config, parts.artefact, parts.floors)
    rules = tuple(dlp.rule_of(rule) for rule in config.dlp)
    awaiting: tuple[Check[DataFacts], ...] = (
        *((pyzor_check.check(parts.pyzor),) if parts.pyzor is not None else ()),
        *((clamav_check.check(ClamdClient(config.clamav)),) if config.clamav.socket or config.clamav.host else ()),
    )
    judge = Judge(
        (*OUTGOING, *((dlp.check(rules),) if rules else ())),
        awaiting,
        parts.scorer,
        policy,
        doubt=config.model.doubt,
        threads=parts.threads,
        reading=parts.reading,
    )
    days = {name: domain.quarantine_days for name, domain in config.domain.items() if domain.quarantine_days}
    limits = Limits(config.outbound.per_hour, config.outbound.per_day)
    return Submissions(
        parts.store,
        parts.logins,
        parts.recipients,
        Senders(parts.recipients.is_ours, limits),
        Gatherer(_signed_in, _nothing, parts.protected, parts.threads),
        judge,
        Filing(parts.store, config.quarantine.keep_days, policy.thresholds, days),
        parts.return_paths,
        signers_of(config),
        parts.relay,
        config.server.hostname,
        parts.at_once,
        parts.clock,
        parts.announce,
        config.outbound.hide_client,
        config.outbound.suspend_after,
    )


async def _signed_in(envelope: Envelope, message: Message) -> AuthResults:
    """Signing in is the proof: there is nothing to look up about the client's host."""
    return AuthResults()


async def _nothing(
    envelope: Envelope, content: ContentFacts, auth: AuthResults, view: MailView, message: Message
) -> SenderHistory:
    """What is known of an account is looked up by the submission itself."""
    return SenderHistory()


def policy_of(config: Config, artefact: Artefact, floors: Mapping[str, Action]) -> Policy:
    """The same weights, thresholds of its own, and no Junk: up to ``outbound.hold`` a mail goes."""
    outbound = config.outbound
    own = {name: action for name, action in floors.items() if not name.startswith(_NOT_OURS)}
    return Policy(
        PRIOR,
        artefact.weights.signals,
        Thresholds(outbound.hold, outbound.hold, outbound.refuse),
        {**own, **dlp.FLOORS},
        policy_id="outbound",
        sentences=sentences(config.verdict.language),
    )


def return_paths_of(config: Config, store: Store, clock: Callable[[], datetime]) -> ReturnPaths:
    modes = {name: domain.return_path for name, domain in config.domain.items() if domain.return_path != "off"}
    return ReturnPaths(store, modes, config.outbound.return_path_days, clock)


def smarthost_of(config: Config) -> SmartHost | None:
    """None without ``outbound.relay``. Raises ConfigError."""
    outbound = config.outbound
    if not outbound.relay:
        return None
    password = ""
    if outbound.password_file:
        try:
            password = Path(outbound.password_file).read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"outbound.password_file: {outbound.password_file}: cannot be read: {error}") from error
    return SmartHost(
        RelayTarget(*host_and_port(outbound.relay)),
        config.server.hostname,
        outbound.tls,
        outbound.user,
        password,
        Path(outbound.ca_file) if outbound.ca_file else None,
        outbound.relay_s,
    )


def signers_of(config: Config) -> dict[str, tuple[Signer, ...]]:
    """Keys by domain. Raises ConfigError."""
    return {
        to_ascii(name): tuple(_signer(to_ascii(name), key.selector, key.key) for key in domain.dkim)
        for name, domain in config.domain.items()
        if domain.dkim
    }


def _signer(domain: str, selector: str, file: str) -> Signer:
    where = f'domain."{domain}".dkim: {file}'
    try:
        return load_signer(Path(file).read_bytes(), domain, selector)
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror}") from error
    except UnusableKey as error:
        raise ConfigError(f"{where}: {error}") from error
