"""Who we take mail for."""

import pytest

from gateway.delivery.recipients import Recipients, RelayDomain
from gateway.envelope import Recipient, RelayTarget
from gateway.reply import RECIPIENT_UNKNOWN, RELAY_DENIED, Reply
from store.changes.engine import Store
from store.kv.contract import StoreUnavailable
from tests.support.mail_store import new_account, new_store

TARGET = RelayTarget("mail.example", 2525)


def recipients(store: Store) -> Recipients:
    relayed = {
        "any.example": RelayDomain(TARGET, None),
        "some.example": RelayDomain(TARGET, frozenset({"ann"})),
    }
    traps = frozenset({"trap@example.com", "trap@nowhere.example"})
    return Recipients(store, frozenset({"example.com", "second.example"}), relayed, traps)


ANSWERS: dict[str, tuple[str, Recipient | Reply]] = {
    "an account": ("maria@example.com", Recipient("maria@example.com", account=1)),
    "capitals": ("Maria@EXAMPLE.com", Recipient("Maria@example.com", account=1)),
    "a detail": ("maria+news@example.com", Recipient("maria+news@example.com", account=1)),
    "nobody": ("nobody@example.com", RECIPIENT_UNKNOWN),
    "the same name at another domain of ours": ("maria@second.example", RECIPIENT_UNKNOWN),
    "a foreign domain": ("maria@other.example", RELAY_DENIED),
    "a domain below ours": ("maria@mail.example.com", RELAY_DENIED),
    "anybody at a relayed domain": ("x@any.example", Recipient("x@any.example", relay=TARGET)),
    "somebody known at a relayed domain": ("Ann@some.example", Recipient("Ann@some.example", relay=TARGET)),
    "nobody at a relayed domain": ("bob@some.example", RECIPIENT_UNKNOWN),
    "a trap": ("Trap@Example.com", Recipient("Trap@example.com", is_trap=True)),
    "a trap at a domain that is not ours": ("trap@nowhere.example", Recipient("trap@nowhere.example", is_trap=True)),
    "an address literal": ("maria@[192.0.2.1]", RELAY_DENIED),
    "the percent hack": ("maria%other.example@example.com", RECIPIENT_UNKNOWN),
    "a bang path": ("other.example!maria@example.com", RECIPIENT_UNKNOWN),
}


@pytest.mark.parametrize(("address", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_each_address_gets_its_answer(store: Store, address: str, expected: Recipient | Reply) -> None:
    await new_account(store, "maria@example.com")
    assert await recipients(store).resolve(address) == expected


async def test_postmaster_without_a_domain_is_that_of_a_domain_of_ours(store: Store) -> None:
    assert await recipients(store).resolve("postmaster") == RECIPIENT_UNKNOWN
    account = await new_account(store, "postmaster@second.example")
    assert await recipients(store).resolve("postmaster") == Recipient("postmaster@second.example", account=account.id)


async def test_a_store_that_is_down_is_not_an_unknown_recipient() -> None:
    store = new_store()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await recipients(store).resolve("maria@example.com")
