"""As whom an account may send, and how much."""

from datetime import UTC, datetime

import pytest

from gateway.outbound.senders import DAY_FULL, HOUR_FULL, NO_ACCOUNT, NO_AUTHOR, NOT_YOURS, SUSPENDED, Limits, Senders
from gateway.outbound.suspension import lift, suspend
from gateway.reply import Reply
from gateway.reputation import sending
from gateway.reputation.sending import HOUR_MS, Submitted
from store.accounts import account as accounts
from store.accounts import directory
from store.accounts.account import Account
from store.accounts.directory import Alias, Group
from store.changes.engine import Store
from tests.support.mail_store import new_account

NOW_MS = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp() * 1000)
SENDERS = Senders(lambda kv, domain: domain == "example.com", Limits(10, 12))


@pytest.fixture
async def ana(store: Store) -> Account:
    ana = await new_account(store, "ana@example.com")
    await new_account(store, "ben@example.com")
    ours = SENDERS.is_ours
    await store.write(lambda txn: accounts.add_alias(txn, ana, "ruiz@example.com"))
    everybody = ("ana@example.com", "ben@example.com")
    for alias in (Alias("sales@example.com", everybody), Alias("only-ben@example.com", everybody[1:])):
        await store.write(lambda txn, a=alias: directory.put_alias(txn, a, lambda d: ours(txn.kv, d)))  # type: ignore[misc]
    group = Group("team@example.com", "Team", everybody)
    await store.write(lambda txn: directory.put_group(txn, group, lambda d: ours(txn.kv, d)))
    return ana


async def ask(store: Store, mail_from: str, more: int = 0, after_ms: int = 0) -> Reply | None:
    return await store.read(lambda v: SENDERS.refusal(v, "ana@example.com", mail_from, NOW_MS + after_ms, more))


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("ana@example.com", None),
        ("ANA@Example.com", None),
        ("ana+lists@example.com", None),
        ("ruiz@example.com", None),
        ("ruiz+x@example.com", None),
        ("sales@example.com", None),
        ("", None),
        ("ben@example.com", NOT_YOURS),
        ("only-ben@example.com", NOT_YOURS),
        ("team@example.com", NOT_YOURS),
        ("nobody@example.com", NOT_YOURS),
        ("ana@far.example", NOT_YOURS),
        ("ana", NOT_YOURS),
    ],
)
async def test_as_whom(store: Store, ana: Account, address: str, refusal: Reply | None) -> None:
    assert await ask(store, address) == refusal


async def test_every_author_has_to_be_the_accounts_own(store: Store, ana: Account) -> None:
    async def authors(*names: str) -> Reply | None:
        return await store.read(lambda view: SENDERS.of_authors(view, "ana@example.com", names))

    assert await authors("Ana@example.com", "sales@example.com") is None
    assert await authors("ana@example.com", "ben@example.com") == NOT_YOURS
    assert await authors() == NO_AUTHOR
    assert await store.read(lambda view: SENDERS.of_authors(view, "gone@example.com", ["x@y"])) == NO_ACCOUNT


async def test_how_much(store: Store, ana: Account) -> None:
    to = tuple(f"x{number}@far.example" for number in range(8))
    mail = Submitted(ana.id, to, 8, b"", None, NOW_MS)
    await store.write(lambda txn: sending.record(txn, mail, sent=8, failed=0, is_unwanted=False))
    assert await ask(store, "ana@example.com", 2) is None
    assert await ask(store, "ana@example.com", 3) == HOUR_FULL
    assert await ask(store, "ana@example.com", 4, HOUR_MS) is None
    assert await ask(store, "ana@example.com", 5, HOUR_MS) == DAY_FULL
    assert await ask(store, "ana@example.com", 10, 24 * HOUR_MS) is None


async def test_who_is_suspended_sends_nothing_until_that_is_lifted(store: Store, ana: Account) -> None:
    await store.write(lambda txn: suspend(txn, "ana@example.com", "admin", "stolen", NOW_MS))
    assert await ask(store, "ana@example.com") == SUSPENDED
    assert await store.write(lambda txn: lift(txn, "ana@example.com", ana.id, "admin", NOW_MS))
    assert not await store.write(lambda txn: lift(txn, "ana@example.com", ana.id, "admin", NOW_MS))
    assert await ask(store, "ana@example.com") is None
