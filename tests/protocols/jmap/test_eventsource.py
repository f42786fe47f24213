"""RFC 8620 §7.3: a client that listens is told of a delivery without asking."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from protocols.jmap.settings import JmapSettings
from tests.support.jmap_server import Jmap, jmap_server
from tests.support.mail_store import Letter, deliver, new_account

QUICK = JmapSettings(event_ping_min_s=0.05, event_poll_s=30.0)


class Events:
    """A stream of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        """The next event's fields; {} at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self.lines:
                if not line and fields:
                    return fields
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        return {}

    async def changed(self) -> dict[str, Any]:
        event = await self.next()
        assert event["event"] == "state"
        data = json.loads(event["data"])
        assert data["@type"] == "StateChange"
        told: dict[str, Any] = data["changed"]
        return told


@asynccontextmanager
async def listening(jmap: Jmap, query: str = "types=*&closeafter=no&ping=0", **headers: str) -> AsyncIterator[Events]:
    async with jmap.client.stream("GET", f"/jmap/eventsource?{query}", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        events = Events(response)
        assert await anext(events.lines) == ": open"
        yield events


async def state(jmap: Jmap) -> str:
    return str((await jmap.call("Email/get", ids=[]))["state"])


async def test_a_delivery_is_told_at_once() -> None:
    async with jmap_server(QUICK) as jmap, listening(jmap) as events:
        await deliver(jmap.store, jmap.account, Letter().octets())
        told = await events.changed()
        now = await state(jmap)
        assert told == {"A1": {"Email": now, "EmailDelivery": now, "Mailbox": now, "Thread": now}}


async def test_only_what_changed_and_was_asked_for_is_told() -> None:
    async with jmap_server(QUICK) as jmap:
        email = await deliver(jmap.store, jmap.account, Letter().octets())
        async with listening(jmap, "types=Thread,Mailbox&closeafter=no&ping=0") as events:
            await jmap.call("Email/set", update={f"E{email.id}": {"keywords/$flagged": True}})
            await jmap.call("Mailbox/set", update={"M4": {"name": "Spam"}})
            assert await events.changed() == {"A1": {"Mailbox": await state(jmap)}}


async def test_other_accounts_are_not_told() -> None:
    async with jmap_server(QUICK) as jmap:
        eve = await new_account(jmap.store, "eve@b.example")
        async with listening(jmap, "types=*&closeafter=no&ping=1") as events:
            await deliver(jmap.store, eve, Letter().octets())
            assert (await events.next())["event"] == "ping"


async def test_it_closes_after_a_state_when_asked() -> None:
    async with jmap_server(QUICK) as jmap, listening(jmap, "types=*&closeafter=state&ping=0") as events:
        await deliver(jmap.store, jmap.account, Letter().octets())
        assert await events.changed()
        assert await events.next() == {}


async def test_pings_tell_their_interval() -> None:
    async with jmap_server(QUICK) as jmap, listening(jmap, "types=*&closeafter=no&ping=1") as events:
        assert await events.next() == {"event": "ping", "data": '{"interval":1}'}


async def test_who_comes_back_is_told_what_was_missed() -> None:
    async with jmap_server(QUICK) as jmap:
        before = await state(jmap)
        await deliver(jmap.store, jmap.account, Letter().octets())
        async with listening(jmap, **{"Last-Event-ID": before}) as events:
            event = await events.next()
            assert event["id"] == await state(jmap)
            assert json.loads(event["data"])["changed"]["A1"]["Email"] == event["id"]


async def test_a_lost_hint_costs_time_not_the_news() -> None:
    async with jmap_server(JmapSettings(event_poll_s=0.05)) as jmap, listening(jmap) as events:
        announce = jmap.store.announcer.announce
        jmap.store.announcer.announce = lambda accounts: None  # type: ignore[method-assign]
        await deliver(jmap.store, jmap.account, Letter().octets())
        assert "A1" in await events.changed()
        jmap.store.announcer.announce = announce  # type: ignore[method-assign]


@pytest.mark.parametrize("query", ["closeafter=maybe", "ping=soon", "ping=-1", "ping=9999999"])
async def test_wishes_refused(query: str) -> None:
    async with jmap_server() as jmap:
        assert (await jmap.client.get(f"/jmap/eventsource?{query}")).status_code == 400


async def test_streams_of_one_account_are_limited_and_free_their_place() -> None:
    async with jmap_server(JmapSettings(event_sources=1)) as jmap:
        async with listening(jmap):
            refused = await jmap.client.get("/jmap/eventsource")
            assert (refused.status_code, refused.json()["limit"]) == (400, "eventSources")
        async with asyncio.timeout(10):
            while (
                await jmap.client.get("/jmap/eventsource?closeafter=state", headers={"Last-Event-ID": "0"})
            ).status_code != 200:
                await asyncio.sleep(0)


async def test_closing_the_server_ends_the_stream() -> None:
    async with jmap_server(QUICK) as jmap, listening(jmap) as events:
        async with asyncio.timeout(5):
            closing = asyncio.ensure_future(jmap.server.close(4.0))
            assert await events.next() == {}
            await closing
        assert not jmap.store.announcer._listeners
