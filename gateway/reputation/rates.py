"""How much mail one network, one sender and one recipient may have in an hour.

Counters move in the transaction that keeps a mail, so they cost no commit of their own and agree on every node; MAIL
and RCPT only read them. So many mails as are being received at once may come beyond a limit.
"""

from dataclasses import dataclass

from gateway.envelope import Envelope, Peer
from gateway.reply import Reply
from gateway.reputation.history import network_of
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import counter
from store.schema import expiring, keys

HOUR_MS = 3_600_000
_NETWORK, _SENDER, _RECIPIENT = b"rn", b"rs", b"rr"
_LONGEST = 320  #: octets of an address in a key

NETWORK_FULL = Reply(451, "4.7.1", "too much mail from your network in this hour, please try again later")
SENDER_FULL = Reply(451, "4.7.1", "too much mail from this sender in this hour, please try again later")
RECIPIENT_FULL = Reply(452, "4.2.1", "too much mail for this recipient in this hour, please try again later")


@dataclass(frozen=True, slots=True)
class RateSettings:
    """Mails an hour; 0 is without a limit."""

    network: int = 0  #: from one /24 or /56
    sender: int = 0  #: by one MAIL FROM; bounces, which have none, are not counted
    recipient: int = 0  #: for one address


class Rates:
    """The limits in force."""

    def __init__(self, store: Store, settings: RateSettings) -> None:
        self._store = store
        self._settings = settings

    async def of_sender(self, peer: Peer, mail_from: str, now_ms: int) -> Reply | None:
        """Why this client may not send now; None: it may. Raises StoreUnavailable."""
        if self._settings.network == self._settings.sender == 0:
            return None
        return await self._store.read(lambda view: self._sender_refused(view, peer, mail_from, now_ms))

    async def of_recipient(self, address: str, now_ms: int) -> Reply | None:
        """Why this address gets no more now; None: it does. Raises StoreUnavailable."""
        limit = self._settings.recipient
        if not limit:
            return None
        key = _key(_RECIPIENT, _name(address), now_ms)
        is_full = await self._store.read(lambda view: _is_full(view, limit, key, now_ms))
        return RECIPIENT_FULL if is_full else None

    def _sender_refused(self, view: StoreView, peer: Peer, mail_from: str, now_ms: int) -> Reply | None:
        settings, network = self._settings, network_of(peer.ip)
        if network and _is_full(view, settings.network, _key(_NETWORK, network, now_ms), now_ms):
            return NETWORK_FULL
        if mail_from and _is_full(view, settings.sender, _key(_SENDER, _name(mail_from), now_ms), now_ms):
            return SENDER_FULL
        return None

    def count(self, txn: StoreTxn, envelope: Envelope) -> None:
        """Count a mail, in the transaction that keeps it."""
        settings, now_ms = self._settings, int(envelope.received_at.timestamp() * 1000)
        network = network_of(envelope.peer.ip)
        if settings.network and network:
            _add(txn, _key(_NETWORK, network, now_ms), now_ms)
        if settings.sender and envelope.mail_from:
            _add(txn, _key(_SENDER, _name(envelope.mail_from), now_ms), now_ms)
        if settings.recipient:
            for recipient in envelope.rcpt_to:
                _add(txn, _key(_RECIPIENT, _name(recipient.address), now_ms), now_ms)


def _add(txn: StoreTxn, key: bytes, now_ms: int) -> None:
    expiring.add_until(txn.kv, key, 1, (now_ms // HOUR_MS + 1) * HOUR_MS, now_ms)


def _is_full(view: StoreView, limit: int, key: bytes, now_ms: int) -> bool:
    value = expiring.get(view.kv, key, now_ms) if limit else None
    return value is not None and counter(value) >= limit


def _name(address: str) -> bytes:
    return address.lower().encode("utf-8", "replace")[:_LONGEST]


def _key(kind: bytes, name: bytes, now_ms: int) -> bytes:
    return keys.REPUTATION + kind + keys.u32(now_ms // HOUR_MS) + name
