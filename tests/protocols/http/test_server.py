"""The HTTP server on real sockets: limits, headers, errors, slow and rude clients, closing."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trustme
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from protocols.http.app import build_app, read_body
from protocols.http.problem import Problem
from protocols.http.server import HttpServer
from protocols.http.settings import HttpSettings
from tests.support.jmap_server import listen


async def echo(request: Request) -> Response:
    return Response(await read_body(request, 1_000), media_type="application/octet-stream")


async def refuse(_: Request) -> Response:
    raise Problem(409, "no <b>way</b>", extra={"limit": "x"})


async def break_down(_: Request) -> Response:
    raise KeyError("secret detail")


async def hang(_: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def wait_for_leaving(request: Request) -> Response:
    while not await request.is_disconnected():
        message = await request.receive()
        if message["type"] == "http.disconnect":
            break
    return PlainTextResponse("left")


async def whoami(request: Request) -> Response:
    assert request.client is not None
    return PlainTextResponse(f"{request.client.host} {request.url.scheme}")


ROUTES = [
    Route("/echo", echo, methods=["POST"]),
    Route("/refuse", refuse),
    Route("/break", break_down),
    Route("/hang", hang),
    Route("/wait", wait_for_leaving),
    Route("/whoami", whoami),
]


@asynccontextmanager
async def serving(settings: HttpSettings, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[HttpServer, int]]:
    server = HttpServer(build_app(ROUTES, settings), settings, tls)
    sock = listen()
    port = sock.getsockname()[1]
    await server.start(sock)
    try:
        yield server, port
    finally:
        await server.close(1.0)


@asynccontextmanager
async def client_of(settings: HttpSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(settings) as (_, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20.0) as client,
    ):
        yield client


async def test_healthz_says_ok_with_security_headers() -> None:
    async with client_of(HttpSettings()) as client:
        response = await client.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "date" in response.headers
    assert "server" not in response.headers
    assert "strict-transport-security" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/echo", 405), ("GET", "/refuse", 409), ("GET", "/break", 500)],
)
async def test_errors_are_problem_details(method: str, path: str, status: int) -> None:
    async with client_of(HttpSettings()) as client:
        response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert "secret" not in response.text
    assert response.headers["x-frame-options"] == "DENY"


async def test_extra_members_of_a_problem_are_told() -> None:
    async with client_of(HttpSettings()) as client:
        assert (await client.get("/refuse")).json()["limit"] == "x"


async def test_a_browser_gets_a_page_with_the_detail_escaped() -> None:
    async with client_of(HttpSettings()) as client:
        response = await client.get("/refuse", headers={"Accept": "text/html,*/*"})
    assert response.headers["content-type"].startswith("text/html")
    assert "no &lt;b&gt;way" in response.text


@pytest.mark.parametrize("size", [1_001, 5_001], ids=["route", "server"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_too_large_is_refused(size: int, chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    async with client_of(HttpSettings(body_octets=5_000)) as client:
        response = await client.post("/echo", content=chunks() if chunked else b"x" * size)
        assert response.status_code == 413
        assert (await client.post("/echo", content=b"x" * 1_000)).content == b"x" * 1_000


async def test_a_request_that_takes_too_long_is_answered() -> None:
    async with client_of(HttpSettings(request_s=0.1)) as client:
        response = await client.get("/hang")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "60"


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with serving(HttpSettings(body_s=0.1)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["none", "line", "field"]
)
async def test_a_client_that_does_not_finish_its_header_is_left(said: bytes) -> None:
    async with serving(HttpSettings(header_s=0.1)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_kept_connection_has_a_new_limit_for_each_header() -> None:
    async with serving(HttpSettings(header_s=0.2)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /hea")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_connections_over_the_limit_are_told_so() -> None:
    async with serving(HttpSettings(connections=2)) as (_, port):
        first = await asyncio.open_connection("127.0.0.1", port)
        first[1].write(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        writer.close()
        first[1].close()


async def test_forwarding_headers_do_not_change_who_one_is() -> None:
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "Forwarded": "for=192.0.2.1;proto=https"}
    async with client_of(HttpSettings()) as client:
        assert (await client.get("/whoami", headers=forged)).text == "127.0.0.1 http"


async def test_over_tls_the_scheme_is_https_and_browsers_are_told_to_stay_there() -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with (
        serving(HttpSettings(), tls) as (_, port),
        httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=trusting) as client,
    ):
        response = await client.get("/whoami")
    assert response.text.endswith("https")
    assert response.headers["strict-transport-security"] == "max-age=31536000"


async def test_several_sockets_serve_one_app() -> None:
    async with serving(HttpSettings()) as (server, port):
        second = listen()
        other = second.getsockname()[1]
        await server.start(second)
        async with httpx.AsyncClient() as client:
            for each in (port, other):
                assert (await client.get(f"http://127.0.0.1:{each}/healthz")).status_code == 200


async def test_closing_ends_who_waits_and_cancels_who_hangs() -> None:
    settings = HttpSettings()
    server = HttpServer(build_app(ROUTES, settings), settings, None)
    sock = listen()
    port = sock.getsockname()[1]
    await server.start(sock)
    waiting = await asyncio.open_connection("127.0.0.1", port)
    waiting[1].write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    hanging = await asyncio.open_connection("127.0.0.1", port)
    hanging[1].write(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
    async with httpx.AsyncClient() as client:  # both requests came before this one and are running now
        await client.get(f"http://127.0.0.1:{port}/healthz")
    async with asyncio.timeout(10):
        await server.close(0.1)
        answered = await waiting[0].read()
        await hanging[0].read()
    assert answered.startswith(b"HTTP/1.1 200")
    for _, writer in (waiting, hanging):
        writer.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GARBAGE\r\n\r\n"], ids=["tls", "words"]
)
async def test_what_is_no_http_is_refused(said: bytes) -> None:
    async with serving(HttpSettings()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
        writer.close()
