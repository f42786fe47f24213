"""New emails from octets: what Email/set create and Email/import share. RFC 8621 §4.6, §4.8."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.reputation.relations import record_sent
from protocols.jmap import ids
from protocols.jmap.context import Context, ms_of_date
from protocols.jmap.errors import Refusal, invalid_properties
from store.blob.contract import Staged
from store.changes.engine import AccountTxn, AccountView
from store.mail import emails, mailboxes
from store.mail.emails import MAX_KEYWORDS, NewEmail
from store.mail.model import MailboxId
from store.mail.parsing import Digest, digest_octets
from store.mail.quota import OverQuota

IN_THREAD_OCTETS = 64 * 1024
_KEYWORD = re.compile(r"[!#$&'+-\[^-z|}~]{1,255}")  # RFC 8621 §4.1.1, without ( ) { ] % * " \


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mail read and staged outside the transaction that adds it."""

    staged: Staged
    digest: Digest
    mailboxes: frozenset[str]  #: ids as given, creation ids among them
    keywords: frozenset[str]
    received_ms: int


async def prepare(context: Context, octets: bytes, mailbox_ids: Any, keywords: Any, received_at: Any) -> Prepared:
    """Check what belongs to the store and read the mail. Raises Refusal."""
    wanted = true_keys(mailbox_ids, "mailboxIds")
    if not wanted:
        raise invalid_properties("an email is in at least one mailbox", "mailboxIds")
    flags = check_keywords(true_keys(keywords, "keywords")) if keywords is not None else frozenset()
    received_ms = _received_ms(context, received_at)
    if len(octets) > IN_THREAD_OCTETS:
        digest = await asyncio.to_thread(digest_octets, octets)
    else:
        digest = digest_octets(octets)
    return Prepared(await context.store.blobs.stage(octets), digest, wanted, flags, received_ms)


def _received_ms(context: Context, received_at: Any) -> int:
    if received_at is None:
        return context.now_ms()
    try:
        return max(ms_of_date(str(received_at)), 0)
    except (ValueError, OverflowError) as error:
        raise invalid_properties(str(error), "receivedAt") from error


def insert(txn: AccountTxn, new: Prepared, resolve: Callable[[str], str]) -> dict[str, Any]:
    """Add a prepared mail; what the server sets is returned. Raises Refusal."""
    into = find_mailboxes(txn, new.mailboxes, resolve)
    try:
        email, _ = emails.add(txn, NewEmail(new.staged.id, new.digest, new.received_ms, new.keywords), into)
    except OverQuota as error:
        raise Refusal("overQuota", str(error)) from error
    blob = txn.store.keep(new.staged)
    if any(each is not None and each.role == "sent" for each in (mailboxes.get(txn, one) for one in into)):
        record_sent(txn.store, txn.account, new.digest, txn.store.now_ms)
    return {
        "id": ids.email_id(email.id),
        "blobId": ids.blob_id(blob),
        "threadId": ids.thread_id(email.thread),
        "size": email.size,
    }


def find_mailboxes(view: AccountView, wanted: frozenset[str], resolve: Callable[[str], str]) -> list[MailboxId]:
    """Raises Refusal when one does not exist."""
    found: list[MailboxId] = []
    for text in sorted(wanted):
        number = ids.number_of("M", resolve(text))
        mailbox = mailboxes.get(view, number) if number is not None else None
        if mailbox is None:
            raise invalid_properties("no such mailbox", "mailboxIds")
        found.append(mailbox.id)
    return found


def true_keys(value: Any, name: str) -> frozenset[str]:
    """The keys of a set written as an object of trues. Raises Refusal."""
    if not isinstance(value, dict) or any(one is not True for one in value.values()):
        raise invalid_properties(f"{name} is an object whose values are true", name)
    return frozenset(value)


def check_keywords(wanted: frozenset[str]) -> frozenset[str]:
    """Lower case. Raises Refusal. RFC 8621 §4.1.1."""
    lower = frozenset(keyword.lower() for keyword in wanted)
    if len(lower) > MAX_KEYWORDS or not all(_KEYWORD.fullmatch(keyword) for keyword in lower):
        raise invalid_properties("not a keyword, or too many", "keywords")
    return lower
