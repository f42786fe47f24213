"""/metrics: for whom the operator names, and for nobody through a proxy."""

from ipaddress import ip_network

import httpx
import pytest

from protocols.http.app import build_app
from protocols.http.metrics import metrics_route
from protocols.http.settings import HttpSettings
from store.changes.engine import Store
from store.trace import sightings

MAY = {
    "nobody is named": ((), "127.0.0.1", {}, 404),
    "this machine": (("127.0.0.1",), "127.0.0.1", {}, 200),
    "this machine on a socket for both": (("127.0.0.1",), "::ffff:127.0.0.1", {}, 200),
    "a network": (("192.0.2.0/24", "2001:db8::/32"), "2001:db8::7", {}, 200),
    "somebody else": (("127.0.0.1",), "192.0.2.1", {}, 404),
    "through a proxy": (("127.0.0.1",), "127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 404),
    "through a modern proxy": (("127.0.0.1",), "127.0.0.1", {"Forwarded": "for=203.0.113.9"}, 404),
    "no address": (("127.0.0.1",), "testclient", {}, 404),
}


@pytest.mark.parametrize(("networks", "client", "headers", "status"), MAY.values(), ids=MAY)
async def test_who_may_read(
    store: Store, networks: tuple[str, ...], client: str, headers: dict[str, str], status: int
) -> None:
    await store.write(lambda txn: sightings.add(txn, 20_000, {("", True): 3, ("url.bad", True): 2}))
    app = build_app([metrics_route(store, [ip_network(text) for text in networks])], HttpSettings())
    transport = httpx.ASGITransport(app, client=(client, 4000))
    async with httpx.AsyncClient(transport=transport, base_url="http://mail.example") as browser:
        answer = await browser.get("/metrics", headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'mailward_signal_hits_total{signal="url.bad",verdict="unwanted"} 2\n' in answer.text
