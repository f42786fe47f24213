"""Which mails are one conversation, in whatever order they come."""

from itertools import permutations

import pytest

from store.accounts.account import Account
from store.changes.engine import Kind, Store
from store.changes.log import changes_since
from store.mail import emails, reading, threads
from store.mail.model import SEEN, Email, EmailId
from store.mail.subjects import subject_digest
from store.mail.threads import SUBJECT_MS
from store.schema import keys
from store.upkeep.accounts import look_after
from tests.support.mail_store import START_MS, Letter, deliver, new_account


async def came(store: Store, account: Account, *letters: Letter) -> list[set[str]]:
    """Deliver and say which subjects and Message-IDs ended up together."""
    for letter in letters:
        await deliver(store, account, letter.octets())
    return await together(store, account)


async def together(store: Store, account: Account) -> list[set[str]]:
    rows = await store.read(lambda view: list(reading.every_email(view.account(account.id))))
    by_thread: dict[int, set[str]] = {}
    for row in rows:
        by_thread.setdefault(row.thread, set()).add(row.message_ids[0] if row.message_ids else row.subject)
    return sorted(by_thread.values(), key=sorted)


ROOT = Letter("Lunch", "1@a")
REPLY = Letter("Re: Lunch", "2@a", ("1@a",))
FURTHER = Letter("AW: Re: Lunch", "3@a", ("1@a", "2@a"))
OTHER_WORDS = Letter("Dinner", "4@a", ("1@a",))
STRANGER = Letter("Lunch", "5@a")
LATE = Letter("Re: Lunch", "6@a", ("3@a", "5@a"))


@pytest.mark.parametrize(
    "order", list(permutations((ROOT, REPLY, FURTHER))), ids=lambda o: "".join(x.message_id[0] for x in o)
)
async def test_references_join_in_any_order(store: Store, order: tuple[Letter, ...]) -> None:
    assert await came(store, await new_account(store), *order) == [{"1@a", "2@a", "3@a"}]


async def test_a_new_subject_begins_a_new_conversation(store: Store) -> None:
    assert await came(store, await new_account(store), ROOT, OTHER_WORDS, REPLY) == [{"1@a", "2@a"}, {"4@a"}]


async def test_the_same_words_alone_do_not_join(store: Store) -> None:
    assert await came(store, await new_account(store), ROOT, STRANGER) == [{"1@a"}, {"5@a"}]


async def test_a_late_mail_joins_two_conversations_and_says_so(store: Store) -> None:
    account = await new_account(store)
    await came(store, account, ROOT, REPLY, FURTHER)
    moved = await deliver(store, account, STRANGER.octets(), keywords=frozenset({SEEN}))
    before = await store.read(lambda view: view.account(account.id).modseq)
    assert await came(store, account, LATE) == [{"1@a", "2@a", "3@a", "5@a", "6@a"}]
    told = await store.read(lambda view: changes_since(view.account(account.id), Kind.EMAIL, before))
    assert told.destroyed == (moved.id,), "a thread id never changes, so the email is made anew (RFC 8621 §3)"
    assert len(told.created) == 2
    gone = await store.read(lambda view: changes_since(view.account(account.id), Kind.THREAD, before))
    assert gone.destroyed == (moved.thread,)
    states = await store.read(lambda view: dict(reading.every_state(view.account(account.id))))
    again = next(states[EmailId(one)] for one in told.created if SEEN in states[EmailId(one)].keywords)
    assert len(again.placements) == 1


async def test_conversations_that_are_too_long_stay_apart(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST_MERGED", 1)
    account = await new_account(store)
    found = await came(store, account, ROOT, REPLY, FURTHER, STRANGER, Letter("Re: Lunch", "7@a", ("5@a",)), LATE)
    assert found == [{"1@a", "2@a", "3@a"}, {"5@a", "6@a", "7@a"}], "it joins the one it names last"


BARE = Letter("Re: Lunch", "8@a", sender="Bob <bob@b.example>", to="ann@a.example")
BY_SUBJECT = {
    "who took part answers without references": (BARE, 0, True),
    "a stranger does": (Letter("Re: Lunch", "8@a", sender="Eve <eve@e.example>"), 0, False),
    "it does not say it answers": (Letter("Lunch", "8@a"), 0, False),
    "too late": (BARE, SUBJECT_MS + 1, False),
    "just in time": (BARE, SUBJECT_MS, True),
    "it names something else": (Letter("Re: Lunch", "8@a", ("unknown@a",)), 0, False),
}


@pytest.mark.parametrize(("letter", "later_ms", "expected"), BY_SUBJECT.values(), ids=BY_SUBJECT)
async def test_when_the_subject_alone_joins(store: Store, letter: Letter, later_ms: int, expected: bool) -> None:
    account = await new_account(store)
    first = await deliver(store, account, ROOT.octets())
    second = await deliver(store, account, letter.octets(), received_ms=START_MS + later_ms)
    assert (first.thread == second.thread) is expected


async def test_mails_without_a_subject_are_not_one_conversation(store: Store) -> None:
    account = await new_account(store)
    assert len(await came(store, account, Letter("Re:", "1@a"), Letter("Re: ", "2@a"))) == 2


async def test_names_from_before_subjects_counted_still_lead_to_their_thread(store: Store) -> None:
    account = await new_account(store)
    first = await deliver(store, account, ROOT.octets())
    old = keys.u64(first.thread)
    await store.write(lambda txn: txn.account(account.id).index(threads.thread_key("1@a"), old))
    assert (await deliver(store, account, REPLY.octets())).thread == first.thread
    assert (await deliver(store, account, OTHER_WORDS.octets())).thread != first.thread


async def names(store: Store, account: Account) -> int:
    return await store.read(
        lambda view: sum(1 for space in (b"M", b"J") for _ in view.account(account.id).scan_prefix(space))
    )


async def test_a_message_id_under_many_subjects_keeps_the_latest(store: Store) -> None:
    account = await new_account(store)
    for number in range(threads.MOST_THREADS + 5):
        await deliver(store, account, Letter(f"Topic {chr(97 + number)}", f"{number}@a", ("same@a",)).octets())
    row = await store.read(lambda view: view.account(account.id).get(threads.thread_key("same@a")))
    assert row is not None
    assert len(row) == threads.MOST_THREADS * 16
    assert row[-16:-8] == subject_digest("topicm")


async def test_names_of_dead_conversations_are_collected(store: Store) -> None:
    account = await new_account(store)
    mails: list[Email] = [
        await deliver(store, account, letter.octets())
        for letter in (Letter("Lunch", "1@a", ("x@a", "y@a")), Letter("Re: Lunch", "2@a", ("1@a",)))
    ]
    for mail in mails:
        await store.write(lambda txn, one=mail.id: emails.destroy(txn.account(account.id), one))  # type: ignore[misc]
    assert await names(store, account) == 2, "x and y were named by the first mail alone"
    for _ in range(2):  # subjects, then Message-IDs
        await store.write(lambda txn: txn.account(account.id).next_modseq())
        await look_after(store, 1_000)
    assert await names(store, account) == 0
