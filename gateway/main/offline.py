"""Judging mail from files, without a server: the same judge, and by default no network at all."""

import asyncio
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from gateway.config import ConfigError
from gateway.dns.resolver import Answer, Resolver, Status, failed
from gateway.envelope import Envelope, Peer, ReceptionId, Recipient
from gateway.learning.local import LocalOpinions
from gateway.main.services import build_judging, load_model
from gateway.main.storage import open_store
from gateway.observe.stages import Stages
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.settings import Config
from store.message.fields import scan_block
from store.message.headers import parse_date
from store.message.mime import parse_message
from store.message.model import Headers, Limits
from store.message.notes import Notes

ID = ReceptionId("offline")


class NoNetwork:
    """A resolver that cannot tell: every answer is temporary, so nothing counts for or against a mail."""

    async def query(self, name: str, rdtype: str) -> Answer:
        return failed(name, rdtype, Status.TIMEOUT)


@dataclass(frozen=True, slots=True)
class Told:
    """What SMTP would have said about a mail in a file; "" takes it from the mail itself."""

    ip: str = ""
    helo: str = ""
    mail_from: str = ""
    recipients: tuple[str, ...] = ()


def check_told(told: Told) -> None:
    """Raises ConfigError where the operator wrote what no client could have been."""
    try:
        ip_address(told.ip or "127.0.0.1")
    except ValueError:
        raise ConfigError(f"--ip: {told.ip!r} is no IP address") from None


@dataclass(frozen=True, slots=True)
class Judged:
    """One mail's verdict with everything that ``--json`` prints."""

    path: str
    judgement: Judgement | None
    facts: DataFacts | None
    ms: dict[str, float]
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Reasons' nats, the prior included, sum to the log-odds of ``probability``."""
        if self.judgement is None:
            return {
                "path": self.path,
                "action": None,
                "category": None,
                "probability": None,
                "score": None,
                "reasons": [],
                "ms": self.ms,
                "error": self.error,
            }
        verdict = self.judgement.verdict
        return {
            "path": self.path,
            "action": verdict.action.name.lower(),
            "category": verdict.category,
            "probability": verdict.probability,
            "log_odds": math.fsum(r.nats for r in verdict.reasons),
            "score": verdict.score,
            "rule": verdict.rule or None,
            "reasons": [{"signal": r.signal, "nats": r.nats, "sentence": r.sentence} for r in verdict.reasons],
            "model": list(verdict.model_ids),
            "language_model": self.judgement.asked_language_model,
            "ms": self.ms,
            "error": self.error,
        }


class OfflineJudge:
    """Judges octets one after another; open it with ``async with``."""

    def __init__(self, config: Config, *, use_dns: bool = False) -> None:
        self._config = config
        self._use_dns = use_dns

    async def __aenter__(self) -> "OfflineJudge":
        artefact = load_model(self._config)
        self._store = await open_store(None)
        resolver: Resolver | None = None if self._use_dns else NoNetwork()
        opinions: LocalOpinions | None = None
        self._judging = build_judging(self._config, artefact, self._store, opinions, None, resolver)
        self.policy = self._judging.judge.policy
        await asyncio.to_thread(self._judging.scorer.warm_up)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._judging.close()
        await self._store.close()

    async def judge(self, path: str, octets: bytes, told: Told | None = None) -> Judged:
        """Never raises for what a mail holds; what breaks is in ``error``."""
        stages = Stages()
        try:
            with stages.measure("parse"):
                message = parse_message(octets)
                envelope = envelope_in(message.headers, told or Told())
            facts = await self._judging.gatherer.facts(envelope, octets, stages, message)
            judgement = await self._judging.judge.judge(facts, stages)
        except Exception as error:  # the boundary of one mail: a report over thousands must reach its end
            return Judged(path, None, None, stages.ms, repr(error))
        return Judged(path, judgement, facts, stages.ms)


def envelope_of(octets: bytes, told: Told) -> Envelope:
    """The envelope as far as a file still tells: Return-Path, Delivered-To, and the mail's own date.

    Without a Return-Path the writer stands for the sender: a file that was never delivered is no bounce.
    """
    return envelope_in(scan_block(octets, 0, len(octets), Limits(), Notes()).headers, told)


def envelope_in(headers: Headers, told: Told) -> Envelope:
    """The same, of a header that was read already."""
    returned, written = headers.first("Return-Path"), headers.first("From")
    author = next((a.email for a in written.addresses()), "") if written is not None else ""
    sender = told.mail_from or (author if returned is None else returned.text().strip().strip("<>"))
    recipients = told.recipients or tuple(
        a.email for name in ("Delivered-To", "X-Original-To") for f in headers.all(name)[:1] for a in f.addresses()
    )
    return Envelope(
        ID,
        Peer(ip_address(told.ip or "127.0.0.1"), 0, told.helo),
        sender or None,
        tuple(Recipient(address) for address in recipients),
        _date_of(headers),
    )


def _date_of(headers: Headers) -> datetime:
    """When the mail came, by its topmost Received, else by its Date: old mail is judged at its own time."""
    received = headers.first("Received")
    if received is not None:
        found = parse_date(received.raw.rpartition(b";")[2])
        if found is not None:
            return found
    written = headers.first("Date")
    return (parse_date(written.raw) if written is not None else None) or datetime.now(UTC)
