"""``mailward explain``: why a mail was judged as it was, and on demand which words and sentences did it."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.checks.spoken import in_language
from gateway.cli.closer import closer_json, closer_lines
from gateway.cli.verdicts import plain, table, word
from gateway.config import load
from gateway.learning.closer import Closer, CloserLook
from gateway.main.administration import when, with_store
from gateway.main.failures import told_plainly
from gateway.main.offline import NoNetwork
from gateway.main.services import build_judging, load_model, policy_of, protected_of
from gateway.pipeline.verdict import Action, Policy, Reason, Thresholds, Verdict
from gateway.pipeline.whatif import Bounds, what_if
from gateway.sentences.phrases import of_locale
from gateway.settings import Config
from store.blob.contract import BlobMissing
from store.changes.engine import Store
from store.trace import rows as trace
from store.trace.rows import Trace

NOT_READ = "its octets are not kept (any more), it is too large, or it was written by one of our own people"


def explain(reception: str, config_path: Path, *, words: bool, as_json: bool) -> int:
    """1 when no such mail is known, or it is to be read again and its octets are not kept."""
    with told_plainly():
        config = load(config_path)
        policy = policy_of(config, load_model(config))
    language = of_locale(os.environ, config.verdict.language)

    async def work(store: Store) -> int:
        row = await store.read(lambda view: trace.get(view, reception))
        if row is None:
            print(f"mailward: no mail with the id {reception} is known", file=sys.stderr)
            return 1
        closer = await _closer(config, store, row) if words else None
        if words and closer is None:
            print(f"mailward: {reception} cannot be read again: {NOT_READ}", file=sys.stderr)
            return 1
        if as_json:
            print(json.dumps(trace_json(row, policy) | (closer_json(closer) if closer else {}), ensure_ascii=False))
            return 0
        print(explained(row, policy, language))
        if closer is not None:
            print("\n".join(closer_lines(closer, language)))
        return 0

    return with_store(config_path, work)


async def _closer(config: Config, store: Store, row: Trace) -> Closer | None:
    """Judged anew from what was kept, with the model and the rules of today, without asking anybody."""
    if row.blob is None:
        return None
    try:
        octets = await store.blobs.read(row.blob)
    except BlobMissing:
        return None
    with ThreadPoolExecutor(1, "judge") as threads:
        judging = build_judging(config, load_model(config), store, None, threads, NoNetwork())
        try:
            return await CloserLook(judging.judge, judging.scorer, protected_of(config)).of_trace(row, octets)
        finally:
            await judging.close()


def verdict_of(row: Trace) -> Verdict:
    """The verdict as it was, from its trace. A trap's mail was taken in, so it counts as accepted."""
    action = Action.ACCEPT if row.action == "trap" else Action[row.action.upper()]
    reasons = tuple(Reason(r.signal, r.nats, r.sentence) for r in row.reasons)
    return Verdict(action, row.category, row.probability, reasons, row.rule, row.policy_id, row.model_ids)


def explained(row: Trace, policy: Policy, language: str) -> str:
    then = Policy(policy.prior, policy.weights, Thresholds(*row.thresholds), policy.at_least, policy.at_most)
    head = f"{row.id}  {when(row.received_ms)}  from {row.ip} ({row.helo})"
    shown = table("", verdict_of(row), then, language)
    lines = [head, f"  {plain(row.header_from, 70)}  {plain(row.subject, 80)}", shown]
    signals = {reason.sentence: reason.signal for reason in row.reasons}
    for copy in row.outcomes:
        why = plain(in_language(signals.get(copy.why, copy.rule), copy.why, language), 100)
        lines.append(f"  {word(copy.action, language):<10} {copy.address} {copy.relay} {why}".rstrip())
    lines.append("  ms: " + "  ".join(f"{name} {ms:.1f}" for name, ms in row.ms.items()))
    return "\n".join(lines)


def trace_json(row: Trace, policy: Policy | None = None) -> dict[str, Any]:
    """A trace for machines; with a policy also what would have changed the verdict."""
    verdict = verdict_of(row)
    told: dict[str, Any] = {
        "id": row.id,
        "at": when(row.received_ms),
        "ip": row.ip,
        "helo": row.helo,
        "mail_from": row.mail_from,
        "from": row.header_from,
        "subject": row.subject,
        "size": row.size,
        "action": row.action,
        "category": row.category,
        "probability": row.probability,
        "log_odds": verdict.log_odds,
        "score": verdict.score,
        "rule": row.rule or None,
        "reasons": [{"signal": r.signal, "nats": r.nats, "sentence": r.sentence} for r in row.reasons],
        "model": list(row.model_ids),
        "auth": json.loads(row.auth),
        "recipients": [
            {"address": c.address, "action": c.action, "rule": c.rule or None, "why": c.why} for c in row.outcomes
        ],
        "ms": row.ms,
    }
    if policy is not None and row.action != "trap":
        bounds = Bounds(Thresholds(*row.thresholds), policy.at_least, policy.at_most)
        found = what_if(verdict.reasons, verdict.action, verdict.rule, bounds)
        told["what_if"] = {"without": list(found.without), "rule": found.rule or None, "missing": found.missing}
    return told
