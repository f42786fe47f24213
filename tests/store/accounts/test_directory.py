"""Where an address leads: aliases, groups, catch-alls, and who may write to whom."""

import pytest

from store.accounts import account as accounts
from store.accounts import directory
from store.accounts.account import AddressTaken
from store.accounts.directory import INTERNAL, MEMBERS, Alias, Circular, Group, Reached, TooManyTargets
from store.changes.engine import Store, StoreTxn
from store.mail import domains
from store.mail.domains import Domain
from tests.support.mail_store import START_MS, new_account


def is_ours(domain: str) -> bool:
    return domain.endswith("b.example")


async def reach(store: Store, address: str, sender: str = "") -> Reached:
    return await store.read(lambda view: directory.expand(view.kv, address, is_ours, sender))


async def alias(store: Store, address: str, *targets: str) -> None:
    await store.write(lambda txn: directory.put_alias(txn, Alias(address, targets), is_ours))


async def group(store: Store, address: str, *members: str, senders: str = "anyone") -> None:
    row = Group(address, "", members, senders)
    await store.write(lambda txn: directory.put_group(txn, row, is_ours))


@pytest.fixture
async def house(store: Store) -> Store:
    """Ann is 1, Bob 2, Eva 3."""
    for name in ("ann", "bob", "eva"):
        await new_account(store, f"{name}@b.example")
    await alias(store, "both@b.example", "ann@b.example", "bob@b.example")
    await alias(store, "away@b.example", "Ann.Example@elsewhere.example", "ann@b.example")
    await alias(store, "detail@b.example", "ann@b.example", "x@elsewhere.example")
    await group(store, "team@b.example", "both@b.example", "eva@b.example", "ann@b.example")
    await group(store, "all@b.example", "team@b.example", "away@b.example")
    await store.write(lambda txn: domains.put(txn, Domain("c.b.example", catch_all="eva@b.example")))
    await store.write(lambda txn: domains.put(txn, Domain("plain.b.example", has_details=False)))
    await new_account(store, "kim@plain.b.example")
    return store


LEADS = {
    "an account": ("ann@b.example", {1}, []),
    "capitals": ("ANN@B.example", {1}, []),
    "an alias of two": ("both@b.example", {1, 2}, []),
    "an alias here and elsewhere": ("away@b.example", {1}, ["Ann.Example@elsewhere.example"]),
    "a group with an alias and somebody named twice": ("team@b.example", {1, 2, 3}, []),
    "a group in a group": ("all@b.example", {1, 2, 3}, ["Ann.Example@elsewhere.example"]),
    "a detail of an account": ("ann+news@b.example", {1}, []),
    "a detail of an alias stays here": ("detail+news@b.example", {1}, ["x@elsewhere.example"]),
    "a catch-all": ("whoever@c.b.example", {3}, []),
    "a detail where details are off": ("kim+x@plain.b.example", set(), []),
    "nobody": ("nobody@b.example", set(), []),
    "postmaster without an administrator": ("postmaster@b.example", set(), []),
}


@pytest.mark.parametrize(("address", "inside", "outside"), LEADS.values(), ids=LEADS)
async def test_who_an_address_stands_for(house: Store, address: str, inside: set[int], outside: list[str]) -> None:
    found = await reach(house, address)
    assert (set(found.accounts), list(found.outside)) == (inside, outside)
    assert bool(found) is bool(inside or outside)


@pytest.mark.parametrize("name", ["postmaster", "abuse", "Postmaster", "abuse+x"])
async def test_postmaster_and_abuse_go_to_an_administrator_when_nobody_has_them(house: Store, name: str) -> None:
    await house.write(lambda txn: accounts.create(txn, "root@b.example", "", "", START_MS // 1000, roles=("admin",)))
    assert set((await reach(house, f"{name}@b.example")).accounts) == {5}
    await alias(house, "postmaster@b.example", "bob@b.example")
    await alias(house, "abuse@b.example", "bob@b.example")
    assert set((await reach(house, f"{name}@b.example")).accounts) == {2}


MAY_WRITE = {
    "a member by account": (MEMBERS, "ann@b.example", True),
    "a member through an alias": (MEMBERS, "Bob@b.example", True),
    "a member elsewhere": (MEMBERS, "guest@elsewhere.example", True),
    "a colleague who is no member": (MEMBERS, "eva@b.example", False),
    "a stranger to members": (MEMBERS, "x@elsewhere.example", False),
    "nobody at all": (MEMBERS, "", False),
    "a colleague to an internal group": (INTERNAL, "eva@b.example", True),
    "a stranger to an internal group": (INTERNAL, "guest@elsewhere.example", False),
    "a stranger to an open group": ("anyone", "x@elsewhere.example", True),
}


@pytest.mark.parametrize(("senders", "sender", "expected"), MAY_WRITE.values(), ids=MAY_WRITE)
async def test_who_may_write_to_a_group(house: Store, senders: str, sender: str, expected: bool) -> None:
    await group(house, "some@b.example", "both@b.example", "guest@elsewhere.example", senders=senders)
    found = await reach(house, "some@b.example", sender)
    assert bool(found) is expected
    assert found.is_refused is not expected
    assert found.is_restricted is (senders != "anyone")


@pytest.mark.parametrize("address", ["ann@b.example", "team@b.example"])
async def test_an_alias_takes_nobodys_address(house: Store, address: str) -> None:
    with pytest.raises(AddressTaken):
        await alias(house, address, "bob@b.example")
    with pytest.raises(AddressTaken):
        await house.write(lambda txn: accounts.create(txn, address, "", "", START_MS // 1000))


async def test_a_group_takes_nobodys_address(house: Store) -> None:
    for address in ("ann@b.example", "both@b.example"):
        with pytest.raises(AddressTaken):
            await group(house, address, "bob@b.example")


async def test_a_circle_is_refused_when_it_is_made_and_ends_where_it_is_found(house: Store) -> None:
    with pytest.raises(Circular, match=r"team@b\.example -> all@b.example -> team@b.example"):
        await group(house, "team@b.example", "all@b.example")
    assert set((await reach(house, "team@b.example")).accounts) == {1, 2, 3}, "nothing was changed"

    def made_elsewhere(txn: StoreTxn) -> None:
        for name, other in (("x", "y"), ("y", "x")):
            directory.put_alias(txn, Alias(f"{name}@b.example", ("ann@b.example",)), is_ours)
            txn.kv.put(
                b"n%b@b.example" % name.encode(),
                directory.pack(Alias(f"{name}@b.example", (f"{other}@b.example", "ann@b.example"))),
            )

    await house.write(made_elsewhere)
    assert set((await reach(house, "x@b.example")).accounts) == {1}


async def test_expansion_is_bounded_in_depth_and_number(house: Store) -> None:
    await alias(house, "a0@b.example", "ann@b.example", "bob@b.example")
    for depth in range(directory.MOST_DEPTH - 1):
        await alias(house, f"a{depth + 1}@b.example", f"a{depth}@b.example", "ann@b.example")
    with pytest.raises(TooManyTargets):
        await alias(house, "deep@b.example", f"a{directory.MOST_DEPTH - 1}@b.example", "ann@b.example")
    many = [f"{number}@elsewhere.example" for number in range(directory.MOST_REACHED + 1)]
    with pytest.raises(TooManyTargets):
        await group(house, "many@b.example", *many)
    await group(house, "enough@b.example", *many[:-1])
    assert len((await reach(house, "enough@b.example")).outside) == directory.MOST_REACHED
