"""The change log goes back a bounded way, and says so to who asks for more."""

from collections.abc import Callable

import pytest

from store.accounts.account import Account
from store.changes import history
from store.changes.engine import AccountView, Kind, Store
from store.changes.log import CannotCalculateChanges, changes_since, vanished_since
from store.mail import emails
from store.upkeep.accounts import look_after
from tests.support.mail_store import Letter, deliver, mailbox_with, new_account

KEPT = 10


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BATCH", 3)


async def rows(store: Store, account: Account, prefix: bytes) -> int:
    return await store.read(lambda view: sum(1 for _ in view.account(account.id).scan_prefix(prefix)))


async def busy(store: Store, account: Account, times: int = 30) -> list[int]:
    """Flag one mail again and again; the state before each time."""
    email = await deliver(store, account, Letter().octets())
    states: list[int] = []
    for number in range(times):
        states.append(await store.read(lambda view: view.account(account.id).modseq))
        flags = {"$flagged"} if number % 2 else set[str]()
        await store.write(lambda txn, f=flags: emails.set_keywords(txn.account(account.id), email.id, {"x", *f}))  # type: ignore[misc]
    return states


async def test_no_more_than_so_many_rows_are_kept_of_a_kind(store: Store) -> None:
    account = await new_account(store)
    states = await busy(store, account)
    assert await rows(store, account, b"H\x02") == 31
    await look_after(store, KEPT)
    assert await rows(store, account, b"H\x02") == KEPT
    log = lambda since: store.read(lambda view: changes_since(view.account(account.id), Kind.EMAIL, since))  # noqa: E731
    assert (await log(states[-KEPT])).updated
    for since in (states[-KEPT] - 1, states[0], 0):
        with pytest.raises(CannotCalculateChanges, match="forgotten"):
            await log(since)
    mailboxes = await store.read(lambda view: changes_since(view.account(account.id), Kind.MAILBOX, 0))
    assert mailboxes.created, "the log of another kind is as it was"


async def test_a_pass_where_nothing_happened_writes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await new_account(store)
    await busy(store, account)
    assert await look_after(store, KEPT) == 1

    async def refuse(_: Callable[..., object]) -> None:
        raise AssertionError("written")

    monkeypatch.setattr(store, "write", refuse)
    assert await look_after(store, KEPT) == 0


async def test_the_log_is_bounded_over_many_passes(store: Store) -> None:
    account = await new_account(store)
    for _ in range(5):
        await busy(store, account, 7)
        await look_after(store, KEPT)
        assert await rows(store, account, b"H\x02") <= KEPT


async def test_a_transaction_that_was_cut_into_is_forgotten_as_a_whole(store: Store) -> None:
    account = await new_account(store)
    mails = [await deliver(store, account, Letter(body="x" * n).octets()) for n in range(20)]
    before = await store.read(lambda view: view.account(account.id).modseq)

    def flag_all(view: object) -> None:
        for mail in mails:
            emails.set_keywords(view, mail.id, {"$flagged"})  # type: ignore[arg-type]

    await store.write(lambda txn: flag_all(txn.account(account.id)))
    await look_after(store, KEPT)
    with pytest.raises(CannotCalculateChanges):
        await store.read(lambda view: changes_since(view.account(account.id), Kind.EMAIL, before))
    with pytest.raises(CannotCalculateChanges):
        await store.read(
            lambda view: changes_since(view.account(account.id), Kind.EMAIL, before + 1, after_object=mails[0].id)
        )
    now = await store.read(lambda view: changes_since(view.account(account.id), Kind.EMAIL, before + 1))
    assert not now.updated


async def test_vanished_uids_are_bounded_for_each_mailbox(store: Store) -> None:
    account = await new_account(store)
    inbox = await store.read(lambda view: mailbox_with(view.account(account.id), "inbox"))
    states = []
    for number in range(15):
        states.append(await store.read(lambda view: view.account(account.id).modseq))
        mail = await deliver(store, account, Letter(body="x" * number).octets())
        await store.write(lambda txn, one=mail.id: emails.destroy(txn.account(account.id), one))  # type: ignore[misc]
    await look_after(store, KEPT)
    assert await rows(store, account, b"V") == KEPT

    def gone(view: AccountView, since: int) -> tuple[int, ...]:
        return vanished_since(view, inbox, since)

    assert len(await store.read(lambda view: gone(view.account(account.id), states[-KEPT]))) == KEPT
    with pytest.raises(CannotCalculateChanges, match="forgotten"):
        await store.read(lambda view: gone(view.account(account.id), states[0]))


async def test_a_lower_limit_is_kept_at_the_next_pass(store: Store) -> None:
    account = await new_account(store)
    await busy(store, account)
    await look_after(store, 1_000)
    await store.write(lambda txn: txn.account(account.id).next_modseq())
    await look_after(store, KEPT)
    assert await rows(store, account, b"H\x02") == KEPT
