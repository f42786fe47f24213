"""What a whole gateway answers about full mailboxes and closed groups, and that nothing is kept of what it refuses."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.dns.zone import Zone, ZoneResolver
from gateway.envelope import Peer, Recipient
from gateway.main.services import Services, build
from gateway.reply import Reply
from store.accounts import directory
from store.accounts.directory import INTERNAL, Group
from store.changes.engine import AccountId, Store
from store.mail import quota
from tests.support.mail_store import Letter, new_account

ZONE = Zone.of({"a.example": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]}})
OURS = Peer(ip_address("198.51.100.25"), 50_000, "mx.a.example")
STRANGER = replace(OURS, ip=ip_address("203.0.113.9"), helo="mx.other.example")
LETTER = Letter(to="team@example.com").octets()
CONFIG = {"domain": {"example.com": {}, "a.example": {}}, "model": {"language": False}}


@pytest.fixture
async def services(store: Store, tmp_path: Path) -> AsyncIterator[Services]:
    """Maria is 1, Ben 2; team takes mail from our domains only."""
    for name in ("maria", "ben"):
        await new_account(store, f"{name}@example.com")
    group = Group("team@example.com", "", ("maria@example.com", "ben@example.com"), INTERNAL)
    await store.write(lambda txn: directory.put_group(txn, group, lambda name: name == "example.com"))
    made = await build(
        parse(CONFIG, tmp_path),
        clock=lambda: datetime(2026, 3, 2, 10, tzinfo=UTC),
        announce=lambda _outcome, _stages: None,
        resolver=ZoneResolver(ZONE),
        store=store,
    )
    yield made
    await made.judging.close()
    made.logins.close()


async def send(services: Services, to: str, peer: Peer = OURS, sender: str = "ann@a.example") -> Reply:
    found = await services.recipients.resolve(to, sender)
    if isinstance(found, Reply):
        return found
    recipients: tuple[Recipient, ...] = found.members or (found,)
    return await services.reception.receive(services.begin(peer, sender, recipients, False), LETTER)


async def mails(store: Store) -> list[int]:
    def body(view):  # type: ignore[no-untyped-def]
        return [quota.standing(view.kv, view.account(AccountId(number))).mails for number in (1, 2)]

    return await store.read(body)


async def limit(store: Store, account: int, octets: int) -> None:
    await store.write(lambda txn: quota.limit(txn.account(AccountId(account)), most_octets=octets))


async def test_a_mail_larger_than_the_room_left_is_asked_to_come_later(services: Services, store: Store) -> None:
    await limit(store, 1, 300)
    answer = await send(services, "maria@example.com")
    assert (answer.code, answer.enhanced) == (452, "4.2.2")
    assert await mails(store) == [0, 0]
    await limit(store, 1, 100_000)
    assert (await send(services, "maria@example.com")).code == 250


SENDERS: dict[str, tuple[Peer, str, int]] = {
    "a colleague, proven": (OURS, "ann@a.example", 250),
    "somebody who says to be a colleague": (STRANGER, "ann@a.example", 550),
    "a stranger": (STRANGER, "x@other.example", 550),
    "the null sender": (OURS, "", 550),
}


@pytest.mark.parametrize(("peer", "sender", "code"), SENDERS.values(), ids=SENDERS)
async def test_a_closed_group_wants_proof(services: Services, store: Store, peer: Peer, sender: str, code: int) -> None:
    answer = await send(services, "team@example.com", peer, sender)
    assert answer.code == code
    assert await mails(store) == ([1, 1] if code == 250 else [0, 0])
    if code != 250:
        assert answer.enhanced == "5.7.1"
