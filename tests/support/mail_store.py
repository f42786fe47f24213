"""A store in memory with accounts in it, and mails to deliver: what tests of mail start from."""

from dataclasses import dataclass, field

from store.accounts import account as accounts
from store.accounts.account import Account
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountTxn, AccountView, Store
from store.kv.contract import KeyValueStore
from store.kv.memory import MemoryKeyValueStore
from store.mail import emails, mailboxes
from store.mail.emails import NewEmail
from store.mail.model import Email, MailboxId
from store.mail.parsing import Digest, digest_octets
from store.upkeep import fsck

START_MS = 1_772_445_600_000  # 2 March 2026, 10:00 UTC


def new_store(kv: KeyValueStore | None = None) -> Store:
    kv = kv or MemoryKeyValueStore()
    return Store(kv, Blobs(kv), Announcer())


async def new_account(store: Store, address: str = "bob@b.example", password_hash: str = "") -> Account:
    return await store.write(lambda txn: accounts.create(txn, address, "Bob Builder", password_hash, START_MS // 1000))


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as a test wants it."""

    subject: str = "Lunch"
    message_id: str = "1@a.example"
    references: tuple[str, ...] = ()
    sender: str = "Ann <ann@a.example>"
    to: str = "bob@b.example"
    body: str = "See you at noon."
    extra: tuple[str, ...] = field(default=())  #: further header lines

    def octets(self) -> bytes:
        lines = [
            f"From: {self.sender}",
            f"To: {self.to}",
            f"Subject: {self.subject}",
            "Date: Mon, 2 Mar 2026 09:59:00 +0000",
            f"Message-ID: <{self.message_id}>",
            *([f"References: {' '.join(f'<{one}>' for one in self.references)}"] if self.references else []),
            *self.extra,
            "",
            self.body,
            "",
        ]
        return "\r\n".join(lines).encode()


async def deliver(
    store: Store,
    account: Account,
    octets: bytes,
    *,
    role: str = "inbox",
    keywords: frozenset[str] = frozenset(),
    received_ms: int = START_MS,
) -> Email:
    """Add a mail as SMTP would."""
    staged = await store.blobs.stage(octets)
    digest: Digest = digest_octets(octets)

    def body(txn: AccountTxn) -> Email:
        blob = txn.store.keep(staged)
        email, _ = emails.add(txn, NewEmail(blob, digest, received_ms, keywords), [mailbox_with(txn, role)])
        return email

    return await store.write(lambda txn: body(txn.account(account.id)))


def mailbox_with(view: AccountView, role: str) -> MailboxId:
    found = mailboxes.with_role(view, role)
    assert found is not None
    return found.id


async def assert_sound(store: Store) -> None:
    """No invariant of the store is broken."""
    assert [f"{finding.where}: {finding.what}" for finding in await fsck.findings_of(store)] == []
