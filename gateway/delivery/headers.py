"""The header fields we put on top of a mail: trace, authentication, and the verdict that explains itself."""

import re
from datetime import datetime
from email.utils import format_datetime

from gateway.mailauth.header import authentication_results, received_spf
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.verdict import Action, Verdict

WHY_REASONS = 4  #: strongest reasons named in X-Mailward-Why
NAMED_FROM_NATS = 0.2
#: What gives a Received line its structure: a client's name for itself must not write clauses of its own.
_SPECIAL = re.compile(r"[\s()<>;,\"\\@]")


def result_headers(facts: DataFacts, verdict: Verdict, hostname: str) -> list[tuple[str, str]]:
    """Top to bottom, as they will stand in the mail. Values are plain text; ``stamp`` folds and sanitises."""
    envelope = facts.envelope
    is_spam = verdict.action >= Action.JUNK
    headers = [
        ("Return-Path", f"<{envelope.mail_from or ''}>"),
        ("X-Mailward-Id", envelope.id),
        (
            "X-Mailward-Verdict",
            f"{verdict.category}; action={verdict.action.name.lower()}; p={verdict.probability:.4f}",
        ),
        ("X-Mailward-Why", why(verdict)),
        ("X-Spam-Flag", "YES" if is_spam else "NO"),
        ("X-Spam-Score", f"{verdict.score:.1f}"),
        ("X-Spam-Level", "*" * max(0, min(20, int(verdict.score)))),
        ("X-Spam-Status", spam_status(verdict, is_spam)),
        ("Authentication-Results", authentication_results(facts.auth, hostname, str(envelope.peer.ip))),
        ("Received-SPF", received_spf(facts.auth.spf_mailfrom, envelope, hostname)),
        ("Received", received(facts, hostname, envelope.received_at)),
    ]
    return [(name, value) for name, value in headers if value]


def spam_status(verdict: Verdict, is_spam: bool) -> str:
    tests = ",".join(r.signal.replace(".", "_").upper() for r in verdict.reasons if r.signal != "prior" and r.nats)
    return f"{'Yes' if is_spam else 'No'}, score={verdict.score:.1f} required=5.0 tests={tests or 'none'}"


def why(verdict: Verdict) -> str:
    """The rule that decided, and the strongest reasons for the side that won, as sentences."""
    side = 1 if verdict.action >= Action.JUNK else -1
    ruling = [r.sentence for r in verdict.reasons if r.signal == verdict.rule and not r.nats]
    named = [r.sentence for r in verdict.reasons if r.nats * side >= NAMED_FROM_NATS and r.signal != "prior"]
    return "; ".join([*ruling, *named][:WHY_REASONS])


def explanation(verdict: Verdict) -> str:
    """What decided, in a sentence: the rule's, else the strongest reason for the side that won."""
    side = 1 if verdict.action >= Action.JUNK else -1
    ruling = (r.sentence for r in verdict.reasons if r.signal == verdict.rule)
    strongest = (r.sentence for r in verdict.reasons if r.nats * side > 0 and r.signal != "prior")
    return next(ruling, next(strongest, ""))


def received(facts: DataFacts, hostname: str, at: datetime) -> str:
    """RFC 5321 §4.4, RFC 8314 for the TLS part."""
    envelope = facts.envelope
    protocol = "UTF8SMTP" if envelope.smtputf8 else "ESMTP"
    secured = f" ({envelope.peer.tls})" if envelope.peer.tls else ""
    literal = f"[{envelope.peer.ip}]" if envelope.peer.ip.version == 4 else f"[IPv6:{envelope.peer.ip}]"
    name = facts.auth.iprev.name if facts.auth.iprev.result == "pass" else "unknown"
    client = f"{_SPECIAL.sub('?', envelope.peer.helo) or 'unknown'} ({_SPECIAL.sub('?', name)} {literal})"
    return (
        f"from {client} by {hostname} with "
        f"{protocol}{'S' if envelope.peer.tls else ''}{secured} id {envelope.id}; {format_datetime(at)}"
    )
