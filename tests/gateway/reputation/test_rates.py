"""Limits an hour: counted with the mail, read before it, forgotten with the hour."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from gateway.envelope import Envelope
from gateway.reply import Reply
from gateway.reputation.rates import HOUR_MS, NETWORK_FULL, RECIPIENT_FULL, SENDER_FULL, Rates, RateSettings
from store.changes.engine import Store
from store.schema import expiring, keys
from tests.support.facts import NOW, envelope
from tests.support.mail_store import new_store

NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = new_store()
    yield store
    await store.close()


async def send(store: Store, rates: Rates, mail: Envelope, times: int) -> None:
    for _ in range(times):
        await store.write(lambda txn: rates.count(txn, mail))


async def ask(rates: Rates, of: Envelope, after_ms: int = 0) -> Reply | None:
    return await rates.of_sender(of.peer, of.mail_from or "", NOW_MS + after_ms)


async def test_a_network_has_its_share_of_an_hour(store: Store) -> None:
    rates = Rates(store, RateSettings(network=3))
    one = envelope()
    neighbour = replace(one, peer=replace(one.peer, ip=ip_address("192.0.2.200")))
    elsewhere = replace(one, peer=replace(one.peer, ip=ip_address("198.51.100.7")))
    await send(store, rates, one, 2)
    assert await ask(rates, one) is None
    await send(store, rates, neighbour, 1)
    assert await ask(rates, one) == NETWORK_FULL
    assert await ask(rates, elsewhere) is None
    assert await ask(rates, one, HOUR_MS) is None, "the next hour"


async def test_a_sender_has_its_share_from_anywhere_and_bounces_have_none(store: Store) -> None:
    rates = Rates(store, RateSettings(sender=2))
    one = envelope("News@Shop.example")
    await send(store, rates, one, 1)
    await send(store, rates, replace(one, peer=replace(one.peer, ip=ip_address("198.51.100.7"))), 1)
    assert await ask(rates, envelope("news@shop.example")) == SENDER_FULL
    assert await ask(rates, envelope("other@shop.example")) is None
    await send(store, rates, envelope(None), 9)
    assert await ask(rates, envelope(None)) is None


async def test_a_recipient_is_not_bombed(store: Store) -> None:
    rates = Rates(store, RateSettings(recipient=2))
    await send(store, rates, envelope("a@shop.example", "maria@example.com", "tom@example.com"), 1)
    await send(store, rates, envelope("b@shop.example", "Maria@example.com"), 1)
    assert await rates.of_recipient("maria@example.com", NOW_MS) == RECIPIENT_FULL
    assert await rates.of_recipient("tom@example.com", NOW_MS) is None


async def test_without_limits_nothing_is_read_or_written(store: Store) -> None:
    rates = Rates(store, RateSettings())
    await send(store, rates, envelope(), 5)
    assert await ask(rates, envelope()) is None
    assert await store.read(lambda view: list(view.kv.scan(keys.REPUTATION, keys.prefix_end(keys.REPUTATION)))) == []


async def test_counters_end_with_their_hour(store: Store) -> None:
    rates = Rates(store, RateSettings(1, 1, 1))
    await send(store, rates, replace(envelope(), received_at=NOW + timedelta(minutes=59)), 1)
    assert await store.write(lambda txn: expiring.sweep(txn.kv, NOW_MS + HOUR_MS)) == 3
    assert await store.read(lambda view: list(view.kv.scan(keys.REPUTATION, keys.prefix_end(keys.REPUTATION)))) == []
