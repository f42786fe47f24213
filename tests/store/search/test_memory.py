"""What searches remember: bounded, the least lately used leaves first; memberships follow the mailbox."""

import numpy as np

from store.accounts.account import Account
from store.changes.engine import Store
from store.mail import emails, mailboxes
from store.mail.filters import And, InMailbox, Phrase, Place, Words
from store.mail.model import EmailId, MailboxId
from store.search.finding import Question, find
from store.search.indexing import Indexer
from store.search.memory import Memory, memory_of
from tests.support.mail_store import Letter, deliver, new_account, new_store


def test_the_least_lately_used_leaves_first() -> None:
    memory = Memory(2_500)
    for name in "ab":
        memory.keep(name, name, 800)
    assert memory.recall("a") == "a"
    memory.keep("c", "c", 800)
    assert [memory.recall(name) for name in "abc"] == ["a", None, "c"]
    assert memory.octets <= memory.most_octets


def test_what_is_too_large_is_not_kept_and_takes_the_place_of_nothing() -> None:
    memory = Memory(2_000)
    memory.keep("a", "a", 100)
    memory.keep("b", "b", 1_500)
    assert (memory.recall("a"), memory.recall("b")) == ("a", None)
    assert memory.get("b", lambda: "made", lambda _: 1_500) == "made"


def test_a_value_kept_again_counts_once() -> None:
    memory = Memory(10_000)
    for _ in range(9):
        memory.keep("a", "a", 100)
    assert memory.octets == 300


async def in_mailbox(store: Store, account: Account, mailbox: MailboxId) -> list[int]:
    wanted = And((InMailbox(mailbox), Words(Place.TEXT, (Phrase("mail"),))))
    found = await find(store, account.id, Question(wanted, enough=50, wants_total=True))
    assert found.total == len(found.ids)
    return sorted(found.ids)


async def test_memberships_follow_what_comes_and_goes() -> None:
    store = new_store()
    account = await new_account(store)
    inbox, trash = [
        found.id
        for role in ("inbox", "trash")
        if (found := await store.read(lambda v, r=role: mailboxes.with_role(v.account(account.id), r)))  # type: ignore[misc]
    ]

    async def one(number: int) -> EmailId:
        return (await deliver(store, account, Letter(f"Mail {number}", f"{number}@a").octets())).id

    ids = [await one(number) for number in range(5)]
    await Indexer(store).catch_up(account.id)
    assert await in_mailbox(store, account, inbox) == ids
    ids.append(await one(5))  # only added
    assert await in_mailbox(store, account, inbox) == ids
    await store.write(lambda txn: emails.destroy(txn.account(account.id), ids[1]))
    assert await in_mailbox(store, account, inbox) == [*ids[:1], *ids[2:]]
    await store.write(lambda txn: emails.set_mailboxes(txn.account(account.id), ids[2], [trash]))
    ids.append(await one(6))  # as many came as went
    assert await in_mailbox(store, account, inbox) == [ids[0], *ids[3:]]
    assert await in_mailbox(store, account, trash) == [ids[2]]
    assert memory_of(store).octets > 0


async def test_answers_are_the_same_from_memory_and_without() -> None:
    store = new_store()
    account = await new_account(store)
    for number in range(30):
        await deliver(store, account, Letter(f"Mail {number} of many", f"{number}@a").octets())
    await Indexer(store).catch_up(account.id)
    wanted = Words(Place.TEXT, (Phrase("ail 1"),))
    answers = []
    for octets in (1 << 26, 1 << 26, 0, 500):
        memory_of(store).most_octets = octets
        answers.append((await find(store, account.id, Question(wanted, wants_total=True))).ids)
    assert len(answers[0]) == 11 and all(np.array_equal(each, answers[0]) for each in answers)
