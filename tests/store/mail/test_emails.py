"""Emails are added, flagged, filed and destroyed, and every index and counter follows."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from store.accounts.account import Account
from store.changes.engine import AccountTxn, AccountView, Store
from store.changes.log import vanished_since
from store.mail import emails, mailboxes, reading
from store.mail.mailboxes import MailboxError, MailboxExists, MailboxHasChildren, MailboxNotEmpty, NoSuchMailbox
from store.mail.model import EmailId, MailboxCounts, MailboxId, ThreadId
from tests.support.mail_store import START_MS, Letter, assert_sound, deliver, mailbox_with, new_account, new_store

T = TypeVar("T")


class Desk:
    """One account and short ways to use it."""

    def __init__(self, store: Store, account: Account) -> None:
        self.store, self.account = store, account
        self.inbox, self.junk, self.archive = MailboxId(0), MailboxId(0), MailboxId(0)

    async def read(self, body: Callable[[AccountView], T]) -> T:
        return await self.store.read(lambda view: body(view.account(self.account.id)))

    async def write(self, body: Callable[[AccountTxn], T]) -> T:
        return await self.store.write(lambda txn: body(txn.account(self.account.id)))

    async def counts(self, mailbox: MailboxId) -> tuple[int, int, int, int]:
        """Total, unread, threads, unread threads."""
        found: MailboxCounts = await self.read(lambda view: mailboxes.counts(view, mailbox))
        return found.total, found.unread, found.threads, found.unread_threads

    async def deliver(self, letter: Letter, *, seen: bool = False, received_ms: int = START_MS) -> EmailId:
        keywords = frozenset({"$seen"}) if seen else frozenset()
        email = await deliver(self.store, self.account, letter.octets(), keywords=keywords, received_ms=received_ms)
        return email.id


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    store = new_store()
    desk = Desk(store, await new_account(store))
    desk.inbox = await desk.read(lambda view: mailbox_with(view, "inbox"))
    desk.junk = await desk.read(lambda view: mailbox_with(view, "junk"))
    desk.archive = await desk.read(lambda view: mailbox_with(view, "archive"))
    yield desk
    await assert_sound(store)
    await store.close()


async def test_an_added_email_is_found_by_uid_date_and_thread(desk: Desk) -> None:
    email_id = await desk.deliver(Letter())
    assert await desk.read(lambda view: list(reading.placements(view, desk.inbox))) == [(1, email_id)]
    assert await desk.read(lambda view: list(reading.newest_first(view, desk.inbox))) == [email_id]
    email = await desk.read(lambda view: emails.get(view, email_id))
    assert email is not None
    assert email.subject == "Lunch"
    assert await desk.read(lambda view: reading.thread_members(view, email.thread)) == [email_id]


async def test_replies_share_a_thread_and_are_counted_as_one(desk: Desk) -> None:
    first = await desk.deliver(Letter(message_id="1@a.example"), seen=True)
    second = await desk.deliver(Letter(message_id="2@a.example", references=("1@a.example",)))
    await desk.deliver(Letter(message_id="3@a.example", subject="Lunch"))
    rows = [await desk.read(lambda view, one=one: emails.get(view, one)) for one in (first, second)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].thread == rows[1].thread
    assert await desk.counts(desk.inbox) == (3, 2, 2, 2)


async def test_a_mail_that_came_before_the_one_it_answers_is_in_the_same_thread(desk: Desk) -> None:
    reply = await desk.deliver(Letter(message_id="2@a.example", references=("1@a.example",)), received_ms=START_MS)
    original = await desk.deliver(Letter(message_id="1@a.example"), received_ms=START_MS - 1000)
    members = await desk.read(lambda view: reading.thread_members(view, ThreadId(reply)))
    assert members == [original, reply]


async def test_a_thread_that_is_gone_is_not_joined_again(desk: Desk) -> None:
    first = await desk.deliver(Letter(message_id="1@a.example", references=("0@a.example",)))
    second = await desk.deliver(Letter(message_id="2@a.example", references=("1@a.example",)))
    await desk.write(lambda txn: emails.destroy(txn, first))
    await desk.write(lambda txn: emails.destroy(txn, second))  # which never named 0@a.example
    third = await desk.deliver(Letter(message_id="3@a.example", references=("0@a.example",)))
    row = await desk.read(lambda view: emails.get(view, third))
    assert row is not None
    assert row.thread == ThreadId(third)


async def test_seen_moves_the_unread_counters(desk: Desk) -> None:
    email_id = await desk.deliver(Letter())
    assert await desk.counts(desk.inbox) == (1, 1, 1, 1)
    await desk.write(lambda txn: emails.set_keywords(txn, email_id, {"$Seen", "$flagged"}))
    assert await desk.counts(desk.inbox) == (1, 0, 1, 0)
    state = await desk.read(lambda view: emails.state(view, email_id))
    assert state is not None
    assert state.keywords == {"$seen", "$flagged"}
    await desk.write(lambda txn: emails.set_keywords(txn, email_id, {"$flagged"}))
    assert await desk.counts(desk.inbox) == (1, 1, 1, 1)


async def test_keywords_that_stay_the_same_change_nothing(desk: Desk) -> None:
    email_id = await desk.deliver(Letter(), seen=True)
    before = await desk.read(lambda view: view.modseq)
    await desk.write(lambda txn: emails.set_keywords(txn, email_id, {"$SEEN"}))
    assert await desk.read(lambda view: view.modseq) == before


async def test_moving_gives_a_new_uid_and_leaves_a_vanished_one(desk: Desk) -> None:
    first, second = await desk.deliver(Letter(message_id="1@a")), await desk.deliver(Letter(message_id="2@a"))
    before = await desk.read(lambda view: view.modseq)
    await desk.write(lambda txn: emails.set_mailboxes(txn, first, [desk.junk]))
    assert await desk.read(lambda view: vanished_since(view, desk.inbox, before)) == (1,)
    assert await desk.read(lambda view: list(reading.placements(view, desk.inbox))) == [(2, second)]
    await desk.write(lambda txn: emails.set_mailboxes(txn, first, [desk.inbox]))
    assert await desk.read(lambda view: list(reading.placements(view, desk.inbox))) == [(2, second), (3, first)]
    assert await desk.read(lambda view: vanished_since(view, desk.junk, before)) == (1,)


async def test_in_two_mailboxes_it_counts_in_both_and_keeps_its_uid(desk: Desk) -> None:
    email_id = await desk.deliver(Letter())
    state = await desk.write(lambda txn: emails.set_mailboxes(txn, email_id, [desk.archive, desk.inbox]))
    assert state is not None
    assert state.placements == {desk.inbox: 1, desk.archive: 1}
    assert await desk.counts(desk.inbox) == await desk.counts(desk.archive) == (1, 1, 1, 1)


async def test_in_no_mailbox_it_is_destroyed(desk: Desk) -> None:
    email_id = await desk.deliver(Letter())
    assert await desk.write(lambda txn: emails.set_mailboxes(txn, email_id, [])) is None
    assert await desk.read(lambda view: emails.get(view, email_id)) is None
    assert await desk.counts(desk.inbox) == (0, 0, 0, 0)
    with pytest.raises(emails.NoSuchEmail):
        await desk.write(lambda txn: emails.destroy(txn, email_id))


async def test_a_copy_is_flagged_by_itself_and_shares_octets_and_thread(desk: Desk) -> None:
    email_id = await desk.deliver(Letter())
    copy, state = await desk.write(lambda txn: emails.copy_within(txn, email_id, desk.archive))
    await desk.write(lambda txn: emails.set_keywords(txn, copy.id, {"$seen"}))
    original = await desk.read(lambda view: emails.state(view, email_id))
    assert original is not None
    assert original.keywords == frozenset()
    assert state.placements == {desk.archive: 1}
    assert await desk.counts(desk.archive) == (1, 0, 1, 0)
    await desk.write(lambda txn: emails.destroy(txn, email_id))
    assert await desk.read(lambda view: reading.thread_members(view, copy.thread)) == [copy.id]


async def test_a_refused_change_leaves_nothing_behind_when_the_transaction_goes_on(desk: Desk) -> None:
    email_id = await desk.deliver(Letter())

    def body(txn: AccountTxn) -> None:
        for attempt in (
            lambda: emails.set_mailboxes(txn, email_id, [desk.junk, MailboxId(999)]),
            lambda: emails.copy_within(txn, email_id, MailboxId(999)),
        ):
            with pytest.raises(NoSuchMailbox):
                attempt()
        with pytest.raises(emails.TooManyKeywords):
            emails.set_keywords(txn, email_id, {f"k{n}" for n in range(101)})

    before = await desk.read(lambda view: view.modseq)
    await desk.write(body)
    assert await desk.read(lambda view: view.modseq) == before


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("", None),
        ("a/b", None),
        ("tab\t", None),
        (" x", None),
        ("INBOX", None),
        ("x" * 256, None),
        ("x", MailboxId(99)),
    ],
    ids=["empty", "separator", "control", "space", "taken", "long", "no-parent"],
)
async def test_a_mailbox_that_cannot_be_made(desk: Desk, name: str, parent: MailboxId | None) -> None:
    with pytest.raises(MailboxError):
        await desk.write(lambda txn: mailboxes.create(txn, name, parent, 1))


async def test_mailboxes_nest_and_are_removed_from_the_leaves(desk: Desk) -> None:
    child = await desk.write(lambda txn: mailboxes.ensure_path(txn, "Work/2026/March", 1))
    by_path = await desk.read(lambda view: mailboxes.by_path(view, "Work/2026/March"))
    assert by_path == child
    with pytest.raises(MailboxExists):
        await desk.write(lambda txn: mailboxes.ensure_path(txn, "Work/2026", 1))
    assert child.parent is not None
    with pytest.raises(MailboxHasChildren):
        await desk.write(lambda txn: mailboxes.destroy(txn, child.parent or MailboxId(0)))
    email_id = await desk.deliver(Letter())
    await desk.write(lambda txn: emails.set_mailboxes(txn, email_id, [child.id]))
    with pytest.raises(MailboxNotEmpty):
        await desk.write(lambda txn: mailboxes.destroy(txn, child.id))
    await desk.write(lambda txn: emails.destroy(txn, email_id))
    await desk.write(lambda txn: mailboxes.destroy(txn, child.id))
    assert await desk.read(lambda view: mailboxes.get(view, child.id)) is None


async def test_a_mailbox_cannot_be_put_inside_itself(desk: Desk) -> None:
    from msgspec.structs import replace

    child = await desk.write(lambda txn: mailboxes.ensure_path(txn, "A/B", 1))
    top = await desk.read(lambda view: mailboxes.by_path(view, "A"))
    assert top is not None
    with pytest.raises(MailboxError):
        await desk.write(lambda txn: mailboxes.update(txn, replace(top, parent=child.id)))


async def test_by_date_reads_a_range_in_either_direction(desk: Desk) -> None:
    ids = [
        await desk.deliver(Letter(message_id=f"{n}@a"), received_ms=START_MS + offset)
        for n, offset in enumerate((2, 0, 1, 3))
    ]
    newest = await desk.read(lambda view: list(reading.newest_first(view, desk.inbox)))
    assert newest == [ids[3], ids[0], ids[2], ids[1]]
    assert await desk.read(lambda view: list(reading.oldest_first(view, desk.inbox))) == newest[::-1]
    middle = await desk.read(
        lambda view: list(reading.by_date(view, desk.inbox, after_ms=START_MS + 1, before_ms=START_MS + 3))
    )
    assert middle == [(START_MS + 2, ids[0]), (START_MS + 1, ids[2])]


async def test_an_email_in_several_mailboxes_is_once_in_the_account_by_date(desk: Desk) -> None:
    first = await desk.deliver(Letter(message_id="1@a"), received_ms=START_MS)
    second = await desk.deliver(Letter(message_id="2@a"), received_ms=START_MS + 1)
    await desk.write(lambda txn: emails.set_mailboxes(txn, first, [desk.inbox, desk.archive, desk.junk]))
    found = await desk.read(lambda view: [one for _, one in reading.account_by_date(view)])
    assert found == [second, first]
    found = await desk.read(lambda view: [one for _, one in reading.account_by_date(view, newest=False)])
    assert found == [first, second]
