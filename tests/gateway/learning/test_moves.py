"""What people say by moving mail: into and out of Junk, for whom it counts, and how often."""

from dataclasses import replace

import pytest

from gateway.delivery.commit import Commit
from gateway.envelope import ReceptionId, Recipient
from gateway.learning import moves as module
from gateway.learning import opinions
from gateway.learning.labels import label_of_view
from gateway.learning.moves import Moves, opinion_of
from gateway.observe.stages import Stages
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Verdict
from gateway.reputation.facts import SenderHistory
from gateway.reputation.history import sender_history
from store.accounts.account import Account
from store.audit import chain
from store.changes.engine import AccountId, Store
from store.labels import rows as labels
from store.labels.rows import Label
from store.mail.model import EmailId
from store.mail.moves import Moved
from store.trace import rows as trace
from tests.support.facts import NOW, authenticated, envelope, facts, mail
from tests.support.mail_store import deliver, new_account, new_store

NOW_S = NOW.timestamp()
BOB = "bob@b.example"


def label_of(reception: str, facts: DataFacts, is_spam: bool, by: str, at_ms: int) -> Label:
    return label_of_view(reception, facts.view, is_spam, by, at_ms)


def received(account: Account, number: int = 1) -> DataFacts:
    to = (Recipient(account.address, account=account.id),)
    one = replace(envelope(), id=ReceptionId(f"01jd3k8s7qx7m2{number:02d}"), rcpt_to=to)
    return facts(mail(), envelope=one, auth=authenticated("shop.example"))


async def come(store: Store, one: DataFacts) -> EmailId:
    """Deliver a mail through the gate; its id in the mailbox."""
    commit = Commit(store, "mx.example.com", 30, (0.6, 0.85, 1.0), label_of)
    await commit.act(one, Judgement(Verdict(Action.ACCEPT, "ham", 0.1, ()), (), False), Stages())
    row = await store.read(lambda view: trace.get(view, one.envelope.id))
    assert row is not None and row.outcomes[0].email is not None
    return EmailId(row.outcomes[0].email)


async def history(store: Store, one: DataFacts) -> SenderHistory:
    return await sender_history(store, one.envelope, one.content, one.auth, one.view)


async def house() -> tuple[Store, Account]:
    store = new_store()
    store.clock = lambda: NOW_S
    return store, await new_account(store, BOB)


@pytest.mark.parametrize(
    ("source", "target", "opinion"),
    [
        ("inbox", "junk", True),
        ("", "junk", True),
        ("junk", "inbox", False),
        ("junk", "", False),
        ("junk", "trash", None),
        ("inbox", "archive", None),
        ("junk", "junk", None),
    ],
)
def test_what_a_move_says(source: str, target: str, opinion: bool | None) -> None:
    assert opinion_of(Moved(AccountId(1), (), source, target)) is opinion


async def test_a_move_into_junk_is_that_persons_label_and_a_mark_on_the_sender() -> None:
    store, bob = await house()
    one = received(bob)
    email = await come(store, one)
    learning = Moves(store)
    learning(Moved(bob.id, (email,), "inbox", "junk"))
    await learning.drain()
    label = await store.read(lambda view: labels.get(view, one.envelope.id))
    assert label is not None and (label.is_spam, label.by) == (True, BOB)
    assert (await history(store, one)).confirmed_spam == 1.0
    acts = [(e.actor, e.act, e.detail) for e in await store.read(lambda view: list(chain.entries(view)))]
    assert acts == [(BOB, "mail.label", "moved to Junk")]


async def test_a_change_of_mind_takes_the_first_opinion_back_and_repeating_adds_nothing() -> None:
    store, bob = await house()
    one = received(bob)
    email = await come(store, one)
    learning = Moves(store)
    for source, target in (("inbox", "junk"), ("junk", "inbox"), ("inbox", "junk"), ("archive", "junk")):
        await learning.learn(Moved(bob.id, (email,), source, target))
    found = await history(store, one)
    assert (found.confirmed_spam, found.confirmed_ham) == (1.0, 0.0)


async def test_a_mail_that_never_came_through_the_gate_teaches_nothing() -> None:
    store, bob = await house()
    email = await deliver(store, bob, mail().replace("\n", "\r\n").encode())
    assert await Moves(store).learn(Moved(bob.id, (email.id,), "inbox", "junk")) == 0
    assert await store.read(lambda view: list(labels.after(view, 0))) == []


async def test_one_account_has_so_many_labels_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinions, "LABELS_A_DAY", 2)
    store, bob = await house()
    came = [await come(store, received(bob, number)) for number in range(4)]
    learning = Moves(store)
    assert await learning.learn(Moved(bob.id, tuple(came), "inbox", "junk")) == 2
    assert len(await store.read(lambda view: list(labels.after(view, 0)))) == 2
    store.clock = lambda: NOW_S + 86_400
    assert await learning.learn(Moved(bob.id, (came[3],), "inbox", "junk")) == 1


async def test_a_mail_that_is_gone_and_an_account_that_is_gone_teach_nothing() -> None:
    store, bob = await house()
    assert await Moves(store).learn(Moved(bob.id, (EmailId(99),), "inbox", "junk")) == 0


async def test_more_moves_than_can_wait_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 2)
    store, bob = await house()
    came = [await come(store, received(bob, number)) for number in range(4)]
    learning = Moves(store)
    for email in came:
        learning(Moved(bob.id, (email,), "inbox", "junk"))
    await learning.drain()
    assert len(await store.read(lambda view: list(labels.after(view, 0)))) == 2


async def test_a_draft_that_becomes_sent_mail_is_expected_to_be_answered() -> None:
    store, bob = await house()
    draft = mail(From=BOB, To="ana@shop.example", Message_ID="<our.1@b.example>").replace("\n", "\r\n").encode()
    email = await deliver(store, bob, draft, role="sent")
    learning = Moves(store)
    learning(Moved(bob.id, (email.id,), "drafts", "sent"))
    await learning.drain()
    answer = facts(
        mail(In_Reply_To="<our.1@b.example>"), envelope=received(bob).envelope, auth=authenticated("shop.example")
    )
    found = await sender_history(store, answer.envelope, answer.content, answer.auth, answer.view, answer.message)
    assert found.is_reply
