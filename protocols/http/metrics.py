"""``/metrics`` for Prometheus: figures of the whole store, so it does not matter which worker or node answers.

Only clients in the networks that the operator named may read it, and nobody through a proxy: behind one, every client
comes from the proxy's address.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.observe.lift import exposition
from store.changes.engine import Store
from store.kv.contract import StoreError
from store.trace import sightings

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def metrics_route(store: Store, networks: Sequence[IPv4Network | IPv6Network]) -> Route:
    """The route; without networks it answers nobody."""

    async def endpoint(request: Request) -> Response:
        if not _may_read(request, networks):
            raise HTTPException(404)
        try:
            seen = await store.read(lambda view: sightings.since(view, sightings.ALTOGETHER))
        except StoreError as error:
            raise HTTPException(503, "the store does not answer right now") from error
        return Response(exposition(seen), media_type=_MEDIA_TYPE, headers={"Cache-Control": "no-store"})

    return Route("/metrics", endpoint, methods=["GET"])


def _may_read(request: Request, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    if request.client is None or any(name in request.headers for name in _PROXIED):
        return False
    try:
        client = ip_address(request.client.host)
    except ValueError:
        return False
    plain = getattr(client, "ipv4_mapped", None) or client
    return any(plain in network for network in networks)
