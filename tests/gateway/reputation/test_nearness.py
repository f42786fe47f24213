"""Nearly the same text again, and floods of sign-ups: known across mails, and forgotten in time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.pipeline.facts import DataFacts
from gateway.reputation.bombing import is_by_program
from gateway.reputation.campaign import stable_text
from gateway.reputation.facts import SenderHistory
from gateway.reputation.history import record, record_stranger, sender_history
from gateway.reputation.nearness import bands
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from tests.support.facts import NOW, authenticated, envelope, facts, mail

TEXT = (
    "Dear {name}, your account {number} shows an invoice that nobody paid since the end of last month. Our "
    "office wrote to you twice and did not hear a word, so we ask you for the last time to settle the open sum "
    "before Friday noon. Please see https://{host}/pay?id={number} for all the ways to pay, {extra} and keep "
    "the number of the case at hand when you call our friendly colleagues between nine and five, who will be "
    "glad to help you through the payment."
)
OTHER = (
    "The garden club meets on Monday evening in the library to talk about frost, seeds and the plan for the old pond "
    "behind the school. Bring warm clothes and a chair, because the heating broke down again and nobody knows when the "
    "plumber will come. Tea and cake are there as always, and Ben will show pictures of his journey to the mountains."
)


@pytest.fixture
def store() -> Store:
    kv = MemoryKeyValueStore()
    return Store(kv, Blobs(kv), Announcer())


def copy(number: int, extra: str = "", host: str = "") -> DataFacts:
    sender = host or f"evil{number}.test"
    text = TEXT.format(name=f"Nick{number}", number=number, host=sender, extra=extra)
    return facts(mail(text, From=f"Office <office@{sender}>"))


async def history(store: Store, of: DataFacts) -> SenderHistory:
    return await sender_history(store, of.envelope, of.content, of.auth, of.view, of.message)


async def meet(store: Store, of: DataFacts) -> None:
    """As a delivery does: what the history found out is what is remembered."""
    seen = await history(store, of)
    await store.write(
        lambda txn: record_stranger(txn, of.envelope, of.content, of.auth, seen.near, is_automatic=seen.is_automatic)
    )


def test_near_copies_share_most_bands_and_others_none() -> None:
    one, near, other = copy(1), copy(2, "or at the counter"), facts(mail(OTHER))
    shared = set(bands(stable_text(one.view))) & set(bands(stable_text(near.view)))
    assert 4 <= len(shared) <= 8
    assert not set(bands(stable_text(one.view))) & set(bands(stable_text(other.view)))
    assert bands(stable_text(facts(mail("Hello Maria, see you.")).view)) == ()


async def test_a_near_copy_of_what_a_trap_received_is_known(store: Store) -> None:
    trapped = copy(1)
    await store.write(
        lambda txn: record(
            txn, trapped.envelope, trapped.content, trapped.auth, trapped.view, is_unwanted=True, is_trap=True
        )
    )
    found = await history(store, copy(2, "or at the counter"))
    assert found.near_trap and not found.trap_campaign
    assert not (await history(store, facts(mail(OTHER)))).near_trap
    late = replace(copy(3), envelope=replace(envelope(), received_at=NOW + timedelta(days=31)))
    assert not (await history(store, late)).near_trap


async def test_strangers_are_counted_once_a_domain_and_for_a_day(store: Store) -> None:
    for number in range(6):
        await meet(store, copy(number))
        await meet(store, copy(number))
    assert (await history(store, copy(9, "or at the counter"))).strangers == 6
    assert (await history(store, facts(mail(OTHER)))).strangers == 0
    late = replace(copy(9), envelope=replace(envelope(), received_at=NOW + timedelta(hours=30)))
    assert (await history(store, late)).strangers == 0


async def test_a_row_of_strangers_has_an_end(store: Store) -> None:
    for number in range(40):
        await meet(store, copy(number))
    assert (await history(store, copy(99))).strangers == 16


async def test_who_proves_itself_is_no_stranger(store: Store) -> None:
    for number in range(6):
        await meet(store, replace(copy(number), auth=authenticated(f"evil{number}.test")))
    assert (await history(store, copy(9))).strangers == 0


def sign_up(number: int, to: str = "maria@example.com", hours: int = 0) -> DataFacts:
    octets = mail(
        "Please confirm.",
        From=f"News <news@shop{number}.test>",
        Subject="Please confirm your subscription",
        List_Unsubscribe=f"<https://shop{number}.test/u>",
    )
    sent = replace(envelope(f"b@shop{number}.test", to), received_at=NOW + timedelta(hours=hours))
    return facts(octets, envelope=sent, auth=authenticated(f"shop{number}.test"))


async def test_a_flood_of_sign_ups_is_counted_for_its_recipient_and_ebbs(store: Store) -> None:
    for number in range(25):
        await meet(store, sign_up(number))
    assert (await history(store, sign_up(99))).flood == 25
    assert (await history(store, sign_up(99, "ben@example.com"))).flood == 0
    assert (await history(store, sign_up(99, hours=3))).flood == 0
    assert (await history(store, facts(mail()))).flood == 0, "a person's mail is no part of it"


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("Please confirm your e-mail address", True),
        ("Bitte bestätigen Sie Ihre Anmeldung", True),
        ("Welcome to the garden club", True),
        ("Can you confirm Friday?", False),
        ("Lunch tomorrow", False),
    ],
)
def test_what_a_form_sends(subject: str, found: bool) -> None:
    one = facts(mail(Subject=subject))
    assert is_by_program(one.message, one.view) == found


def test_a_mailing_list_is_no_flood_of_sign_ups() -> None:
    listed = facts(mail(List_Id="<plans.lists.example>", Precedence="list", Subject="Please confirm your address"))
    assert not is_by_program(listed.message, listed.view)
    asking = facts(mail(Subject="Please confirm your subscription"))
    assert is_by_program(asking.message, asking.view)
