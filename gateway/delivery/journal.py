"""The canonical log line: one a mail and recipient, key order fixed, everything an operator greps for (docs/log.md)."""

from typing import Any

import msgspec
import structlog

from gateway.delivery.commit import Outcome
from gateway.mailauth.results import AuthResults, passing_domains
from gateway.observe.stages import Stages
from gateway.pipeline.verdict import PRIOR, score_of
from store.trace.rows import OutcomeRow, ReasonRow, Trace

log = structlog.get_logger()

SIGNALS = 8  #: with their nats, the strongest first
NAMED_FROM_NATS = 0.05


def journal(outcome: Outcome, stages: Stages) -> None:
    shared = _shared(outcome)
    ends = {"model": list(outcome.trace.model_ids), "policy": outcome.trace.policy_id, "ms": stages.ms}
    for copy in outcome.trace.outcomes:
        log.info("message", **shared, **_own(copy, outcome.trace), **ends)


def _shared(outcome: Outcome) -> dict[str, Any]:
    """What is the same for all recipients."""
    row = outcome.trace
    log_odds = sum(reason.nats for reason in row.reasons)
    return {
        "id": row.id,
        "message_id": outcome.message_id,
        "ip": row.ip,
        "helo": row.helo,
        "tls": row.tls,
        "mail_from": row.mail_from,
        "from": row.header_from,
        "size": row.size,
        "auth": auth_summary(row.auth),
        "verdict": row.category,
        "p": round(row.probability, 4),
        "score": score_of(log_odds),
        "signals": strongest(row.reasons),
    }


def _own(copy: OutcomeRow, row: Trace) -> dict[str, Any]:
    """What became of one recipient's copy, and what decided."""
    return {
        "rcpt": copy.address,
        "act": copy.action,
        "rule": copy.rule or row.rule,
        "why": copy.why,
        "relay": copy.relay,
        "email": copy.email,
    }


def strongest(reasons: tuple[ReasonRow, ...]) -> dict[str, float]:
    """The signals that moved the sum most, with what each added; the prior is the same for every mail and left out."""
    named = sorted((r for r in reasons if r.signal != PRIOR.name), key=lambda r: -abs(r.nats))
    return {r.signal: round(r.nats, 2) for r in named[:SIGNALS] if abs(r.nats) >= NAMED_FROM_NATS}


def auth_summary(octets: bytes) -> dict[str, str]:
    """Results as in RFC 8601, and who vouches: {"spf": "pass", "dkim": "pass shop.example", ...}."""
    auth = msgspec.json.decode(octets, type=AuthResults)
    signed = ",".join(passing_domains(auth.dkim)[:3])
    dkim = f"pass {signed}" if signed else auth.dkim[0].result if auth.dkim else "none"
    return {
        "spf": auth.spf_mailfrom.result,
        "dkim": dkim,
        "dmarc": auth.dmarc.result,
        "arc": auth.arc.result,
        "iprev": auth.iprev.result,
    }
