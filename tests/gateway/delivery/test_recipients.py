"""Who we take mail for."""

import pytest

from gateway.delivery.recipients import Recipients, RelayDomain
from gateway.envelope import Recipient, RelayTarget
from gateway.reply import (
    DOMAIN_DISABLED,
    MAILBOX_FULL,
    MAILBOX_FULL_FOR_GOOD,
    NO_WAY_OUT,
    NOT_FOR_YOU,
    RECIPIENT_UNKNOWN,
    RELAY_DENIED,
    Reply,
)
from gateway.traps.matching import Traps
from store.accounts import directory
from store.accounts.directory import Alias, Group
from store.changes.engine import AccountId, Store, StoreTxn
from store.kv.contract import StoreUnavailable
from store.mail import domains, quota
from store.mail.domains import Domain
from store.policy import traps
from store.policy.traps import Trap
from tests.support.mail_store import new_account, new_store

TARGET = RelayTarget("mail.example", 2525)


def recipients(store: Store) -> Recipients:
    relayed = {
        "any.example": RelayDomain(TARGET, None),
        "some.example": RelayDomain(TARGET, frozenset({"ann"})),
    }
    traps = Traps(
        ["Trap@example.com", "trap@nowhere.example", "*-old@example.com", "x*@any.example", "*-x@some.example"],
        ["Dead.example"],
    )
    return Recipients(store, frozenset({"example.com", "second.example"}), relayed, traps)


def trapped(address: str, trap: str) -> Recipient:
    return Recipient(address, is_trap=True, trap=trap)


ANSWERS: dict[str, tuple[str, Recipient | Reply]] = {
    "an account": ("maria@example.com", Recipient("maria@example.com", account=1)),
    "capitals": ("Maria@EXAMPLE.com", Recipient("Maria@example.com", account=1)),
    "a detail": ("maria+news@example.com", Recipient("maria+news@example.com", account=1)),
    "nobody": ("nobody@example.com", RECIPIENT_UNKNOWN),
    "the same name at another domain of ours": ("maria@second.example", RECIPIENT_UNKNOWN),
    "a foreign domain": ("maria@other.example", RELAY_DENIED),
    "a domain below ours": ("maria@mail.example.com", RELAY_DENIED),
    "anybody at a relayed domain": ("bo@any.example", Recipient("bo@any.example", relay=TARGET)),
    "somebody known at a relayed domain": ("Ann@some.example", Recipient("Ann@some.example", relay=TARGET)),
    "nobody at a relayed domain": ("bob@some.example", RECIPIENT_UNKNOWN),
    "a trap": ("Trap@Example.com", trapped("Trap@example.com", "trap@example.com")),
    "a trap at a domain that is not ours": (
        "trap@nowhere.example",
        trapped("trap@nowhere.example", "trap@nowhere.example"),
    ),
    "a pattern": ("Ann-old@example.com", trapped("Ann-old@example.com", "*-old@example.com")),
    "a pattern that does not fit": ("ann-older@example.com", RECIPIENT_UNKNOWN),
    "somebody under a pattern": ("eve-old@example.com", Recipient("eve-old@example.com", account=2)),
    "a detail of somebody": ("maria+a-old@example.com", Recipient("maria+a-old@example.com", account=1)),
    "a pattern at a relayed domain": ("xy@any.example", trapped("xy@any.example", "x*@any.example")),
    "a pattern beside known names": (
        "b-x@some.example",
        trapped("b-x@some.example", "*-x@some.example"),
    ),
    "a whole domain": ("who@dead.example", trapped("who@dead.example", "@dead.example")),
    "below a whole domain": ("who@mail.dead.example", trapped("who@mail.dead.example", "@dead.example")),
    "a domain that only ends alike": ("who@undead.example", RELAY_DENIED),
    "the postmaster of a whole domain": ("postmaster@dead.example", RELAY_DENIED),
    "a trap of the store": ("Seed@example.com", trapped("Seed@example.com", "seed@example.com")),
    "a whole domain of the store": ("who@a.sold.example", trapped("who@a.sold.example", "@sold.example")),
    "an address literal": ("maria@[192.0.2.1]", RELAY_DENIED),
    "the percent hack": ("maria%other.example@example.com", RECIPIENT_UNKNOWN),
    "a bang path": ("other.example!maria@example.com", RECIPIENT_UNKNOWN),
}


@pytest.mark.parametrize(("address", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_each_address_gets_its_answer(store: Store, address: str, expected: Recipient | Reply) -> None:
    await new_account(store, "maria@example.com")
    await new_account(store, "eve-old@example.com")
    for name in ("seed@example.com", "@sold.example"):
        await store.write(lambda txn, name=name: traps.put(txn, Trap(name, "", "admin", 0)))  # type: ignore[misc]
    assert await recipients(store).resolve(address) == expected


async def test_postmaster_without_a_domain_is_that_of_a_domain_of_ours(store: Store) -> None:
    assert await recipients(store).resolve("postmaster") == RECIPIENT_UNKNOWN
    account = await new_account(store, "postmaster@second.example")
    assert await recipients(store).resolve("postmaster") == Recipient("postmaster@second.example", account=account.id)


OUTSIDE = RelayTarget("out.example", 25)


@pytest.fixture
async def house(store: Store) -> Recipients:
    """Maria is 1, Ben 2; a domain of the store, groups, and aliases out of the house."""
    await new_account(store, "maria@example.com")
    await new_account(store, "ben@shop.example")
    found = Recipients(
        store, frozenset({"example.com"}), {"any.example": RelayDomain(TARGET, None)}, Traps(), outside=OUTSIDE
    )

    def body(txn: StoreTxn) -> None:
        for row in (
            Domain("shop.example", catch_all="maria@example.com"),
            Domain("closed.example", is_enabled=False),
        ):
            domains.put(txn, row)
        for alias in (
            Alias("two@example.com", ("maria@example.com", "ben@shop.example")),
            Alias("far@example.com", ("x@Far.example", "y@any.example", "maria@example.com")),
        ):
            directory.put_alias(txn, alias, lambda name: found.is_ours(txn.kv, name))
        row = Group("team@example.com", "", ("maria@example.com", "ben@shop.example"), "members")
        directory.put_group(txn, row, lambda name: found.is_ours(txn.kv, name))

    await store.write(body)
    return found


def person(address: str, account: int, *, is_restricted: bool = False) -> Recipient:
    return Recipient(address, account=account, is_restricted=is_restricted)


LED: dict[str, tuple[str, str, Recipient | Reply]] = {
    "a domain of the store": ("Ben@Shop.example", "", Recipient("Ben@shop.example", account=2)),
    "its catch-all": ("who@shop.example", "", Recipient("who@shop.example", account=1)),
    "a disabled domain": ("ben@closed.example", "", DOMAIN_DISABLED),
    "an alias of two": (
        "two@example.com",
        "",
        Recipient("two@example.com", members=(person("maria@example.com", 1), person("ben@shop.example", 2))),
    ),
    "an alias out of the house, over a relayed domain, and here": (
        "far@example.com",
        "",
        Recipient(
            "far@example.com",
            members=(
                person("maria@example.com", 1),
                Recipient("x@Far.example", relay=OUTSIDE, is_outside=True),
                Recipient("y@any.example", relay=TARGET),
            ),
        ),
    ),
    "a member to the group": (
        "team@example.com",
        "ben@shop.example",
        Recipient(
            "team@example.com",
            members=(
                person("maria@example.com", 1, is_restricted=True),
                person("ben@shop.example", 2, is_restricted=True),
            ),
        ),
    ),
    "a stranger to the group": ("team@example.com", "x@far.example", NOT_FOR_YOU),
}


@pytest.mark.parametrize(("address", "sender", "expected"), LED.values(), ids=LED)
async def test_the_store_leads_on(house: Recipients, address: str, sender: str, expected: Recipient | Reply) -> None:
    assert await house.resolve(address, sender) == expected


async def test_an_alias_out_of_the_house_waits_while_no_way_out_is_configured(store: Store, house: Recipients) -> None:
    without = Recipients(store, frozenset({"example.com", "shop.example"}), {}, Traps())
    assert await without.resolve("far@example.com") == NO_WAY_OUT


async def limited(store: Store, account: int, octets: int) -> None:
    await store.write(lambda txn: quota.limit(txn.account(AccountId(account)), most_octets=octets))


async def test_a_full_mailbox_is_said_at_rcpt_and_so_is_one_that_the_mail_would_not_fit(
    store: Store, house: Recipients
) -> None:
    await limited(store, 1, 1_000)
    assert isinstance(await house.resolve("maria@example.com", "", 1_000), Recipient)
    assert await house.resolve("maria@example.com", "", 1_001) == MAILBOX_FULL
    rude = Recipients(store, frozenset({"example.com"}), {}, Traps(), full=MAILBOX_FULL_FOR_GOOD)
    assert await rude.resolve("maria@example.com", "", 1_001) == MAILBOX_FULL_FOR_GOOD


async def test_a_group_takes_mail_while_one_of_its_members_has_room(store: Store, house: Recipients) -> None:
    await limited(store, 1, 1)
    assert isinstance(await house.resolve("two@example.com", "", 1_000), Recipient)
    await limited(store, 2, 1)
    assert await house.resolve("two@example.com", "", 1_000) == MAILBOX_FULL


async def test_a_store_that_is_down_is_not_an_unknown_recipient() -> None:
    store = new_store()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await recipients(store).resolve("maria@example.com")
