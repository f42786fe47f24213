"""Block and allow entries: which senders they mean, and for how long."""

import pytest

from store.changes.engine import Store
from store.policy import entries as policy
from store.policy.entries import PolicyEntry
from tests.support.mail_store import START_MS as NOW


def entry(subject: str, kind: str = "block", expires_ms: int = 0) -> PolicyEntry:
    return PolicyEntry(kind, subject, "ann", "why", NOW, expires_ms)


async def put(store: Store, *wanted: PolicyEntry) -> None:
    await store.write(lambda txn: [policy.put(txn, each) for each in wanted])


async def matched(store: Store, address: str, kind: str = "block", now_ms: int = NOW) -> str | None:
    found = await store.read(lambda view: policy.matching(view, kind, address, now_ms))
    return found.subject if found is not None else None


DEEP = "x." * 60 + "evil.example"

MATCHES = {
    "the address": ("eve@evil.example", "eve@evil.example", True),
    "the address in capitals": ("eve@evil.example", "EVE@Evil.Example", True),
    "another at the domain": ("eve@evil.example", "ann@evil.example", False),
    "the domain": ("@evil.example", "ann@evil.example", True),
    "a domain below": ("@evil.example", "ann@a.b.evil.example", True),
    "a domain far below": ("@evil.example", f"ann@{DEEP}", True),
    "a domain far below, itself": (f"@{DEEP}", f"ann@{DEEP}", True),
    "a domain that ends alike": ("@evil.example", "ann@notevil.example", False),
    "the domain above": ("@a.evil.example", "ann@evil.example", False),
    "a top level is no domain": ("@example", "ann@evil.example", False),
    "a single label": ("@localhost", "ann@localhost", True),
    "an address at a domain below": ("eve@evil.example", "eve@a.evil.example", False),
    "no address": ("@evil.example", "", False),
    "octets that are no text": ("@evil.example", "a\udcff@evil.example", True),
}


@pytest.mark.parametrize(("subject", "address", "expected"), MATCHES.values(), ids=MATCHES)
async def test_whom_an_entry_means(store: Store, subject: str, address: str, expected: bool) -> None:
    await put(store, entry(subject))
    assert await matched(store, address) == (subject if expected else None)


async def test_the_nearest_entry_is_given(store: Store) -> None:
    await put(store, entry("@evil.example"), entry("@a.evil.example"), entry("eve@a.evil.example"))
    assert await matched(store, "eve@a.evil.example") == "eve@a.evil.example"
    assert await matched(store, "ann@a.evil.example") == "@a.evil.example"
    assert await matched(store, "ann@b.evil.example") == "@evil.example"


async def test_an_expired_entry_does_not_count_nor_hide_another(store: Store) -> None:
    await put(store, entry("eve@evil.example", expires_ms=NOW + 1), entry("@evil.example"))
    assert await matched(store, "eve@evil.example") == "eve@evil.example"
    assert await matched(store, "eve@evil.example", now_ms=NOW + 1) == "@evil.example"


async def test_kinds_do_not_mix(store: Store) -> None:
    await put(store, entry("@evil.example", "allow"))
    assert await matched(store, "eve@evil.example") is None
    assert await matched(store, "eve@evil.example", "allow") == "@evil.example"


async def test_two_long_addresses_that_begin_alike_are_two(store: Store) -> None:
    long = "e" * 400
    await put(store, entry(f"{long}@evil.example"))
    assert await matched(store, f"{long}@good.example") is None


async def test_what_is_removed_is_gone(store: Store) -> None:
    await put(store, entry("@evil.example"), entry("@other.example", "allow"))
    assert [e.subject for e in await store.read(policy.everything)] == ["@other.example", "@evil.example"]
    await store.write(lambda txn: policy.remove(txn, "block", "@evil.example"))
    assert await matched(store, "eve@evil.example") is None


def scoped(scope: str, subject: str = "@evil.example") -> PolicyEntry:
    return PolicyEntry("block", subject, "ann", "why", NOW, 0, scope)


async def test_entries_for_some_recipients_stand_beside_the_one_for_everybody(store: Store) -> None:
    await put(store, scoped("bob@b.example"), scoped("@b.example"))
    assert await matched(store, "eve@evil.example") is None  # neither is for everybody
    await put(store, entry("@evil.example"), scoped("bob@b.example", "@evil.example.org"))
    found = await store.read(lambda view: policy.about(view, "block", "eve@evil.example", NOW))
    assert [e.scope for e in found] == ["", "@b.example", "bob@b.example"]
    await store.write(lambda txn: policy.remove(txn, "block", "@evil.example", "@b.example"))
    found = await store.read(lambda view: policy.about(view, "block", "eve@evil.example", NOW))
    assert [e.scope for e in found] == ["", "bob@b.example"]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("", True), ("bob@b.example", True), ("@b.example", True), ("@example", False), ("ann@b.example", False)],
)
def test_whom_a_scope_concerns(scope: str, expected: bool) -> None:
    assert scoped(scope).concerns("Bob@b.example") is expected


async def test_a_sender_cannot_write_itself_into_a_scope(store: Store) -> None:
    await put(store, scoped("bob@b.example"))
    assert await store.read(lambda view: policy.about(view, "block", "@evil.example\x00bob@b.example", NOW)) == []


async def test_hits_are_counted_and_go_with_the_entry(store: Store) -> None:
    name = policy.counter_name("block", "@evil.example", "bob@b.example")
    await put(store, scoped("bob@b.example"))
    await store.write(lambda txn: [policy.count_hit(txn, name) for _ in range(3)])
    assert await store.read(lambda view: policy.hits(view, name)) == 3
    assert await store.read(lambda view: policy.hits(view, policy.counter_name("block", "@evil.example"))) == 0
    await store.write(lambda txn: policy.remove(txn, "block", "@evil.example", "bob@b.example"))
    assert await store.read(lambda view: policy.hits(view, name)) == 0
