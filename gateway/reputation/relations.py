"""Who in the organisation wrote to whom, so that an answer to our own mail is known.

One row a mail that a user filed as sent: under a digest of its Message-ID, the account and digests of the recipients.
An incoming mail is an answer when it names that Message-ID, comes from one of those recipients, proven, and is
addressed to the account that wrote: each of the three alone can be guessed, overheard or forged.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

from gateway.content.hosts import to_ascii
from gateway.envelope import Envelope
from store.changes.engine import AccountId, StoreTxn, StoreView
from store.mail.digest import Digest
from store.message.headers import message_ids
from store.message.model import Message
from store.schema import expiring, keys

DAY_MS = 86_400_000
KEEP_MS = 90 * DAY_MS  #: how long an answer is expected
RECIPIENTS = 100  #: of one mail that are remembered
_YOUNG_MS = 7 * DAY_MS  #: a mail filed later than this after its Date is an old one being imported
_AHEAD_MS = DAY_MS  #: how wrong the clock of a mail program may be
_REPLY_TO, _REFERENCES = 2, 4  #: ids looked up: of In-Reply-To, and the newest ones of References
_SPACE = keys.REPUTATION + b"w"
_ADDRESS_OCTETS = 8


def record_sent(txn: StoreTxn, account: AccountId, mail: Digest, now_ms: int, also: Iterable[str] = ()) -> None:
    """Remember a mail that a user filed as sent or sent, in the transaction that does so: one row. Old mail is not.

    ``also`` are recipients that the envelope names, and perhaps no field does.
    """
    if not mail.message_ids or mail.sent_ms is None or not -_YOUNG_MS <= mail.sent_ms - now_ms <= _AHEAD_MS:
        return
    named = (one.email for field in ("To", "Cc", "Bcc") for one in mail.addresses.get(field, ())[:RECIPIENTS])
    known = dict.fromkeys(_of_address(address) for address in (*also, *named) if "@" in address)
    if known:
        value = keys.u32(account) + b"".join(list(known)[:RECIPIENTS])
        expiring.put_until(txn.kv, _key(mail.message_ids[0]), value, now_ms + KEEP_MS)


Answer = Literal["", "expected", "other"]


def answer(view: StoreView, message: Message, author: str, envelope: Envelope, now_ms: int) -> Answer:
    """Whether a mail answers one that a recipient of it wrote, and comes from whom it was written to ("expected") or
    from somebody else ("other"): at most six rows read. "" for no answer. Whether the author is proven is not asked.
    """
    found: Answer = ""
    ids = answered_ids(message)
    accounts = set(_accounts(envelope)) if ids else set()
    if not accounts:
        return found
    wanted = _of_address(author)
    for each in ids:
        row = expiring.get(view.kv, _key(each), now_ms)
        if row is None or keys.read_u32(row[:4]) not in accounts:
            continue
        known = row[4:]
        if any(known[at : at + _ADDRESS_OCTETS] == wanted for at in range(0, len(known), _ADDRESS_OCTETS)):
            return "expected"
        found = "other"
    return found


def answered_ids(message: Message) -> tuple[str, ...]:
    """The Message-IDs a mail says it answers, nearest first. RFC 5322 §3.6.4."""
    headers = message.headers
    reply_to, references = headers.first("In-Reply-To"), headers.first("References")
    near = message_ids(reply_to.raw)[:_REPLY_TO] if reply_to is not None else ()
    far = message_ids(references.raw)[-_REFERENCES:] if references is not None else ()
    return tuple(dict.fromkeys((*near, *reversed(far))))


def _accounts(envelope: Envelope) -> Iterable[int]:
    for recipient in envelope.rcpt_to:
        for each in (recipient, *recipient.members):
            if each.account is not None:
                yield each.account


def _of_address(address: str) -> bytes:
    local, _, domain = address.rpartition("@")
    whole = f"{local}@{to_ascii(domain)}".lower()
    return blake2b(whole.encode("utf-8", "replace"), digest_size=_ADDRESS_OCTETS, person=b"mailward to").digest()


def _key(message_id: str) -> bytes:
    octets = message_id.encode("utf-8", "replace")
    return _SPACE + blake2b(octets, digest_size=16, person=b"mailward sent").digest()
