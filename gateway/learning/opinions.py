"""What somebody says about a mail: an example for the models, and a mark on its sender's standing."""

from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec

from gateway.envelope import Envelope, Peer, ReceptionId
from gateway.mailauth.results import AuthResults
from gateway.reputation import history
from gateway.reputation.history import Names
from store.changes.engine import StoreTxn, StoreView
from store.labels import rows as labels
from store.labels.rows import Label
from store.trace import rows as trace
from store.trace.rows import Trace, author


def give(txn: StoreTxn, label: Label) -> None:
    """Record an opinion and count it for the sender, as far as he was proven. Said twice it counts once, and a change
    of mind takes the first one back. Reads two rows, and writes at most four beside the label's."""
    view = StoreView(txn.kv)
    before = labels.get(view, label.id)
    labels.put(txn, label)
    row = trace.get(view, label.id)
    who = names_in(row) if row is not None else None
    if who is not None:
        said = before.is_spam if before is not None and before.by != "trap" else None
        history.confirm(txn, who, label.at_ms, is_spam=label.is_spam, before=said)


def names_in(row: Trace) -> Names | None:
    """Under which names a judged mail's sender is remembered; None when its trace does not tell any more."""
    try:
        auth = msgspec.json.decode(row.auth, type=AuthResults)
        peer = Peer(ip_address(row.ip), 0, row.helo)
    except (msgspec.DecodeError, ValueError):
        return None
    received = datetime.fromtimestamp(row.received_ms / 1000, UTC)
    envelope = Envelope(ReceptionId(row.id), peer, row.mail_from or None, (), received)
    return history.names_of(history.normal(author(row.header_from)[1]), envelope, auth)
