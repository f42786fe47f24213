"""Counts what strangers' programs send to one person in an hour: a flood of sign-ups hides the one mail that matters.

Somebody enters the person's address in hundreds of honest forms. Each of the confirmations is harmless and signed; only
that so many come at once is not. Counters are rows that end with their hour.
"""

import re

from gateway.envelope import Envelope
from models.view import MailView
from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import counter
from store.message.model import Message
from store.schema import expiring, keys

HOUR_MS = 3_600_000
_KIND = b"rb"
_RECIPIENTS = 20  #: of one mail that are counted
_LONGEST = 320  #: octets of an address in a key
_SIGN_UP = re.compile(
    r"(?:confirm|verify|activate|bestätig|aktivier|confirmez|confirma|bevestig)\w{0,12}\b.{0,60}"
    r"\b(?:subscription|e-?mail|account|address|registration|anmeldung|konto|adresse|inscription|newsletter)|"
    r"\bwelcome to\b|\bwillkommen bei\b|\bthank(?:s| you) for (?:signing up|subscribing|registering)",
    re.I,
)


def is_by_program(message: Message, view: MailView) -> bool:
    """What a form sends when somebody signs up: it asks for confirmation, or says that a program made it.

    Marks of bulk mail do not count: a busy mailing list is not a flood of sign-ups.
    """
    if any(message.headers.first(name) for name in ("List-Id", "List-Post")):
        return False
    automatic = message.headers.text("Auto-Submitted").strip().lower()
    return automatic.startswith("auto-generated") or _SIGN_UP.search(view.subject[:300]) is not None


def count(txn: StoreTxn, envelope: Envelope, now_ms: int) -> None:
    """Count a stranger's automatic mail, in the transaction that keeps it: a row a recipient."""
    for recipient in envelope.rcpt_to[:_RECIPIENTS]:
        key = _key(recipient.address, now_ms // HOUR_MS)
        expiring.add_until(txn.kv, key, 1, (now_ms // HOUR_MS + 2) * HOUR_MS, now_ms)


def flood(view: StoreView | StoreTxn, envelope: Envelope, now_ms: int) -> int:
    """How many came in this hour and the last for the recipient with the most."""
    hour = now_ms // HOUR_MS
    return max((_in_hours(view, r.address, hour, now_ms) for r in envelope.rcpt_to[:_RECIPIENTS]), default=0)


def _in_hours(view: StoreView | StoreTxn, address: str, hour: int, now_ms: int) -> int:
    rows = (expiring.get(view.kv, _key(address, each), now_ms) for each in (hour - 1, hour))
    return sum(counter(row) for row in rows if row is not None)


def _key(address: str, hour: int) -> bytes:
    return keys.REPUTATION + _KIND + keys.u32(hour) + address.lower().encode("utf-8", "replace")[:_LONGEST]
