"""The receipt of an erasure: what went, what was kept and why. Its hash is sealed in the audit trail, its text is not.

The receipt is for the person and names them; the store keeps only the hash, so the receipt itself can be checked later
and is not one more place that remembers.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from gateway.retention.erase import Tally, forget_name
from gateway.retention.person import Leftover, Person
from store.audit import chain
from store.audit.sealing import seal_all
from store.changes.engine import Store, StoreTxn, StoreView

FORMAT = 1
ERASE = "erase"


class ReceiptDamaged(Exception):
    """The file is no receipt of ours, or was changed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a receipt is worth today."""

    faults: tuple[str, ...]  #: why it does not hold
    back: tuple[Leftover, ...]  #: rows that name the person and that the receipt does not speak of


async def conclude(
    store: Store, who: Person, tally: Tally, leftovers: list[Leftover], *, at: str, by: str, reason: str
) -> dict[str, Any]:
    """The receipt, sealed by an audit entry in the transaction that forgets the person's pseudonym."""
    body: dict[str, Any] = {
        "receipt": FORMAT,
        "address": who.address,
        "at": at,
        "by": by,
        "reason": reason,
        "erased": tally.erased,
        "kept": [{"kind": kind, "count": count, "why": why} for (kind, why), count in sorted(tally.kept.items())],
        "still_named_in": [{"kind": each.kind, "rows": each.count, "why": each.why} for each in leftovers],
    }
    digest = digest_of(body)
    detail = ", ".join(f"{count} {kind}" for kind, count in tally.erased.items()) or "nothing"

    def seal(txn: StoreTxn) -> None:
        forget_name(txn, who)
        chain.record(txn, txn.now_ms, by, ERASE, digest, detail)

    await store.write(seal)
    await seal_all(store)
    entry = (await store.read(lambda view: chain.about(view, digest, 1)))[0]
    return body | {"sha256": digest, "audit": {"seq": entry.seq, "seal": entry.seal.hex()}}


def digest_of(body: dict[str, Any]) -> str:
    """SHA-256 of the receipt without its last two fields, as JSON with sorted keys and no spaces, in UTF-8."""
    inner = {name: value for name, value in body.items() if name not in {"sha256", "audit"}}
    text = json.dumps(inner, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def read(octets: bytes) -> dict[str, Any]:
    """Raises ReceiptDamaged."""
    try:
        body = json.loads(octets)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ReceiptDamaged(f"the receipt is no JSON: {error}") from error
    if not isinstance(body, dict) or body.get("receipt") != FORMAT or not isinstance(body.get("address"), str):
        raise ReceiptDamaged("the file is no receipt of this program")
    audit = body.get("audit")
    if not isinstance(audit, dict) or not isinstance(audit.get("seq"), int) or not isinstance(audit.get("seal"), str):
        raise ReceiptDamaged("the receipt names no audit entry")
    if not isinstance(body.get("still_named_in"), list) or digest_of(body) != body.get("sha256"):
        raise ReceiptDamaged("the receipt was changed: its text does not fit its own hash")
    return body


def check_seal(view: StoreView, body: dict[str, Any]) -> tuple[str, ...]:
    """Why the audit trail does not vouch for the receipt; nothing when it does."""
    entry = next(chain.sealed(view, max(body["audit"]["seq"], 1), 1), None)
    if entry is None or entry.seq != body["audit"]["seq"]:
        gone = body["audit"]["seq"] <= chain.base_of(view.kv).seq
        return ("its audit entry was let go by age" if gone else "its audit entry is not there",)
    if entry.act != ERASE or entry.target != body["sha256"]:
        return (f"audit entry {entry.seq} is about something else",)
    if entry.seal.hex() != body["audit"]["seal"] or chain.seal_of(entry) != entry.seal:
        return (f"audit entry {entry.seq} was changed",)
    return ()


def unspoken(body: dict[str, Any], found: list[Leftover]) -> tuple[Leftover, ...]:
    """Rows that name the person although the receipt does not say so: what came since, or came back."""
    told = {str(each["kind"]): int(each["rows"]) for each in body["still_named_in"]}
    return tuple(each for each in found if each.count > told.get(each.kind, 0))
