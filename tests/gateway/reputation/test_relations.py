"""An answer to our own mail: Message-ID, sender and proof must all be right."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.envelope import Recipient
from gateway.pipeline.facts import DataFacts
from gateway.reputation import relations
from gateway.reputation.history import sender_history
from store.changes.engine import AccountId, Store
from store.mail.parsing import digest_octets
from tests.support.facts import NOW, authenticated, envelope, facts, mail
from tests.support.mail_store import new_store

NOW_MS = int(NOW.timestamp() * 1000)
SENT = mail(
    From="Maria Koch <maria@example.com>",
    To="Ana <Ana@Shop.example>",
    Bcc="bo@müller.example",
    Message_ID="<our.1@example.com>",
)
ANSWER = {"In_Reply_To": "<our.1@example.com>"}


async def sent(store: Store, octets: str = SENT, now_ms: int = NOW_MS) -> None:
    digest = digest_octets(octets.replace("\n", "\r\n").encode())
    await store.write(lambda txn: relations.record_sent(txn, AccountId(1), digest, now_ms))


async def is_reply(store: Store, one: DataFacts) -> bool:
    found = await sender_history(store, one.envelope, one.content, one.auth, one.view, one.message)
    return found.is_reply


def incoming(domain: str = "shop.example", **fields: str) -> DataFacts:
    return facts(mail(**fields), auth=authenticated(domain))


def elsewhere(one: DataFacts, *to: Recipient) -> DataFacts:
    return replace(one, envelope=replace(one.envelope, rcpt_to=to))


GROUP = Recipient("team@example.com", members=(Recipient("x@example.com", account=9), Recipient("m@e.test", account=1)))

CASES: dict[str, tuple[DataFacts, bool]] = {
    "an answer": (incoming(**ANSWER), True),
    "by References alone": (incoming(References="<x@y.test> <our.1@example.com>"), True),
    "late in a thread": (incoming(References="<our.1@example.com> <a@b.test>", In_Reply_To="<a@b.test>"), True),
    "through a group": (elsewhere(incoming(**ANSWER), GROUP), True),
    "a hidden recipient": (incoming("xn--mller-kva.example", From="bo@xn--mller-kva.example", **ANSWER), True),
    "unproven": (facts(mail(**ANSWER)), False),
    "another Message-ID": (incoming(In_Reply_To="<our.2@example.com>"), False),
    "no Message-ID": (incoming(), False),
    "somebody we did not write to": (incoming(From="eve@shop.example", **ANSWER), False),
    "to somebody else of ours": (elsewhere(incoming(**ANSWER), Recipient("b@example.com", account=2)), False),
    "ids beyond those looked at": (
        incoming(References="<our.1@example.com> " + " ".join(f"<{i}@t.test>" for i in range(9))),
        False,
    ),
}


@pytest.mark.parametrize(("one", "expected"), CASES.values(), ids=CASES)
async def test_what_is_an_answer(one: DataFacts, expected: bool) -> None:
    store = new_store()
    await sent(store)
    assert await is_reply(store, one) is expected


NOT_KEPT: dict[str, dict[str, Any]] = {
    "without Message-ID": {"octets": SENT.replace("Message-ID: <our.1@example.com>\n", "")},
    "without Date": {"octets": SENT.replace("Date:", "X-Date:")},
    "an old mail that is imported": {"now_ms": NOW_MS + 8 * relations.DAY_MS},
    "from the future": {"now_ms": NOW_MS - 2 * relations.DAY_MS},
    "to nobody": {"octets": SENT.replace("To:", "X-To:").replace("Bcc:", "X-Bcc:")},
}


@pytest.mark.parametrize("how", NOT_KEPT.values(), ids=NOT_KEPT)
async def test_what_is_not_remembered(how: dict[str, Any]) -> None:
    store = new_store()
    await sent(store, **how)
    assert not await is_reply(store, incoming(**ANSWER))


async def test_an_answer_is_expected_for_a_while() -> None:
    store = new_store()
    await sent(store)
    late = incoming(**ANSWER)
    later = NOW.fromtimestamp((NOW_MS + relations.KEEP_MS) / 1000, NOW.tzinfo)
    assert not await is_reply(store, replace(late, envelope=replace(envelope(), received_at=later)))


async def test_an_answer_by_somebody_else_is_told_apart(store: Store) -> None:
    await sent(store)
    stranger = incoming("evil.test", **ANSWER | {"From": "Ana Ruiz <ana@evil.test>"})
    found = await sender_history(
        store, stranger.envelope, stranger.content, stranger.auth, stranger.view, stranger.message
    )
    assert found.is_foreign_reply and not found.is_reply
    nothing = await sender_history(
        store, stranger.envelope, stranger.content, stranger.auth, stranger.view, incoming("evil.test").message
    )
    assert not nothing.is_foreign_reply
