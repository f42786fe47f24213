"""What an account holds is counted with the mail itself; what does not fit is refused before anything is written."""

import pytest

from store.accounts.account import Account
from store.changes.engine import AccountTxn, Store
from store.mail import domains, emails, quota
from store.mail.domains import Domain
from store.mail.emails import NewEmail
from store.mail.model import Email, EmailId
from store.mail.parsing import digest_octets
from store.mail.quota import COUNTED, NO_LIMIT, AccountClosed, OverQuota, Standing, Usage
from store.schema import keys
from tests.support.mail_store import START_MS, Letter, deliver, mailbox_with, new_account

LETTER = Letter().octets()
SIZE = len(LETTER)


async def held(store: Store, account: Account) -> tuple[int, int]:
    now = await store.read(lambda view: quota.standing(view.kv, view.account(account.id)))
    return now.mails, now.octets


async def limit(store: Store, account: Account, mails: int | None = None, octets: int | None = None) -> None:
    await store.write(lambda txn: quota.limit(txn.account(account.id), most_mails=mails, most_octets=octets))


ROOM = {
    "no limit": (Standing(9, 9_000, 0, 0), True),
    "room for one more": (Standing(9, 9_000, 10, 10_000), True),
    "no mail more": (Standing(10, 9_000, 10, 0), False),
    "one octet too many": (Standing(9, 9_001, 0, 10_000), False),
    "a limit lowered below what is there": (Standing(9, 9_000, 5, 0), False),
}


@pytest.mark.parametrize(("standing", "expected"), ROOM.values(), ids=ROOM)
def test_there_is_room_up_to_the_limit(standing: Standing, expected: bool) -> None:
    assert standing.has_room(1_000) is expected


async def test_mail_is_counted_once_in_however_many_mailboxes(store: Store) -> None:
    account = await new_account(store)
    email = await deliver(store, account, LETTER)
    await store.write(
        lambda txn: emails.set_mailboxes(
            txn.account(account.id),
            email.id,
            [mailbox_with(txn.account(account.id), role) for role in ("inbox", "archive")],
        )
    )
    assert await held(store, account) == (1, SIZE)
    await store.write(
        lambda txn: emails.copy_within(
            txn.account(account.id), email.id, mailbox_with(txn.account(account.id), "trash")
        )
    )
    assert await held(store, account) == (2, 2 * SIZE)
    await store.write(lambda txn: emails.destroy(txn.account(account.id), email.id))
    assert await held(store, account) == (1, SIZE)


@pytest.mark.parametrize("limits", [{"mails": 1}, {"octets": 2 * SIZE - 1}], ids=["mails", "octets"])
async def test_what_does_not_fit_is_refused_and_leaves_nothing(store: Store, limits: dict[str, int]) -> None:
    account = await new_account(store)
    email = await deliver(store, account, LETTER)
    await limit(store, account, **limits)
    before = await store.read(lambda view: view.account(account.id).modseq)
    with pytest.raises(OverQuota, match="the account is full"):
        await deliver(store, account, LETTER)
    with pytest.raises(OverQuota):
        await store.write(
            lambda txn: emails.copy_within(
                txn.account(account.id), email.id, mailbox_with(txn.account(account.id), "trash")
            )
        )
    assert await store.read(lambda view: view.account(account.id).modseq) == before
    assert await held(store, account) == (1, SIZE)


async def test_mail_we_have_answered_for_goes_in_although_the_account_is_full(store: Store) -> None:
    account = await new_account(store)
    await deliver(store, account, LETTER)
    await limit(store, account, mails=1)
    staged = await store.blobs.stage(LETTER)
    new = NewEmail(staged.id, digest_octets(LETTER), START_MS, may_exceed=True)

    def body(txn: AccountTxn) -> None:
        txn.store.keep(staged)
        emails.add(txn, new, [mailbox_with(txn, "inbox")])

    await store.write(lambda txn: body(txn.account(account.id)))
    assert await held(store, account) == (2, 2 * SIZE)


INHERITANCE = {
    "the domain's": (None, 7, 7),
    "its own over the domain's": (3, 7, 3),
    "none over the domain's": (NO_LIMIT, 7, 0),
    "no domain row": (None, None, 0),
}


@pytest.mark.parametrize(("own", "of_domain", "expected"), INHERITANCE.values(), ids=INHERITANCE)
async def test_a_limit_is_the_accounts_or_the_domains(
    store: Store, own: int | None, of_domain: int | None, expected: int
) -> None:
    account = await new_account(store)
    if of_domain is not None:
        await store.write(lambda txn: domains.put(txn, Domain("b.example", most_mails=of_domain)))
    await limit(store, account, mails=own)
    now = await store.read(lambda view: quota.standing(view.kv, view.account(account.id)))
    assert now.most_mails == expected


async def test_an_account_that_is_leaving_takes_no_mail(store: Store) -> None:
    account = await new_account(store)
    row = Usage(is_closed=True)
    await store.write(lambda txn: txn.account(account.id).hold(keys.USAGE, row))
    with pytest.raises(AccountClosed):
        await deliver(store, account, LETTER)


async def test_counting_anew_is_right_while_mail_comes_and_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count is stopped after each batch, and in every gap mail arrives, old mail goes and new mail goes."""
    monkeypatch.setattr(quota, "BATCH", 3)
    account = await new_account(store)
    there = [await deliver(store, account, Letter(body="x" * n).octets()) for n in range(20)]
    await store.write(lambda txn: quota._restart(txn.account(account.id), "b.example"))
    is_done = False
    while not is_done:
        is_done = await store.write(lambda txn: quota._count_some(txn.account(account.id)))
        for gone in (there.pop(0), there.pop()):
            await _destroy(store, account, gone.id)
        there += [await deliver(store, account, Letter(body="new").octets())]
    sizes = [each.size for each in there]
    assert await held(store, account) == (len(sizes), sum(sizes))
    row = await store.read(lambda view: quota.usage(view.account(account.id)))
    assert row is not None
    assert row.counted_to == COUNTED


async def _destroy(store: Store, account: Account, email: EmailId) -> None:
    await store.write(lambda txn: emails.destroy(txn.account(account.id), email))


async def test_an_account_from_before_quota_is_unlimited_until_it_is_counted(store: Store) -> None:
    account = await new_account(store)
    await deliver(store, account, LETTER)
    await store.write(lambda txn: txn.account(account.id).unindex(keys.USAGE))
    await deliver(store, account, LETTER)
    assert await held(store, account) == (0, 0)
    assert await quota.recount(store, account.id, "B.example") == Usage(2, 2 * SIZE, domain="b.example")


async def test_a_limit_set_before_the_count_holds_once_it_is_counted(store: Store) -> None:
    account = await new_account(store)
    await deliver(store, account, LETTER)
    await store.write(lambda txn: txn.account(account.id).unindex(keys.USAGE))
    await limit(store, account, mails=1)
    await quota.finish_count(store, account.id)
    with pytest.raises(OverQuota):
        await deliver(store, account, LETTER)


async def test_fsck_is_told_what_is_wrong_with_the_counters(store: Store) -> None:
    account = await new_account(store)
    email: Email = await deliver(store, account, LETTER)

    async def told(mails: int, octets: int) -> str | None:
        return await store.read(lambda view: quota.difference(view.account(account.id), mails, octets))

    assert await told(1, email.size) is None
    assert await told(2, email.size) == f"its quota counts 1 mails of {SIZE} octets, there are 2 of {SIZE}"
