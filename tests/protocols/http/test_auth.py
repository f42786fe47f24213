"""Basic authentication: who is let in, over what, and what guessing costs."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.requests import Request

from protocols.http.auth import Authenticator, is_loopback
from protocols.http.problem import Problem
from store.accounts.login import Logins, LoginSettings
from tests.support.jmap_server import PASSWORD, PASSWORD_HASH
from tests.support.mail_store import new_account, new_store


def basic(login: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def request_of(authorization: str | None, *, scheme: str = "https", host: str = "192.0.2.9", **headers: str) -> Request:
    fields = {**headers, **({"authorization": authorization} if authorization is not None else {})}
    scope = {
        "type": "http",
        "scheme": scheme,
        "path": "/",
        "query_string": b"",
        "server": ("mail.example", 443),
        "client": (host, 5000),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()],
    }
    return Request(scope)


@asynccontextmanager
async def authenticator(*, allow_plaintext: bool = False) -> AsyncIterator[Authenticator]:
    store = new_store()
    await new_account(store, password_hash=PASSWORD_HASH)
    logins = Logins(store, LoginSettings(failures=2), clock=lambda: 0.0)
    yield Authenticator(logins, allow_plaintext=allow_plaintext)
    logins.close()
    await store.close()


async def test_the_right_password_is_let_in() -> None:
    async with authenticator() as auth:
        account = await auth.account(request_of(basic("Bob@B.example", PASSWORD)))
    assert account.address == "bob@b.example"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Bearer abc",
        "Digest username=x",
        "Basic " + "A" * 5_000,
        basic("bob@b.example", "wrong"),
        basic("nobody@b.example", PASSWORD),
        basic("bob+tag@b.example", PASSWORD),
    ],
    ids=["none", "empty", "bare", "base64", "colon", "utf8", "bearer", "digest", "long", "wrong", "nobody", "detail"],
)
async def test_everyone_else_is_asked_to_sign_in(authorization: str | None) -> None:
    async with authenticator() as auth:
        with pytest.raises(Problem) as refused:
            await auth.account(request_of(authorization))
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"] == 'Basic realm="Mailward", charset="UTF-8"'


async def test_guessing_is_slowed_by_address() -> None:
    async with authenticator() as auth:
        for _ in range(2):
            with pytest.raises(Problem):
                await auth.account(request_of(basic("bob@b.example", "wrong")))
        with pytest.raises(Problem) as refused:
            await auth.account(request_of(basic("bob@b.example", PASSWORD)))
        assert refused.value.status == 429
        assert refused.value.headers["Retry-After"] == "60"
        elsewhere = request_of(basic("bob@b.example", PASSWORD), host="198.51.100.4", x_forwarded_for="192.0.2.9")
        assert (await auth.account(elsewhere)).address == "bob@b.example"


@pytest.mark.parametrize(
    ("host", "allowed", "status"),
    [("192.0.2.9", False, 403), ("192.0.2.9", True, 403), ("127.0.0.1", False, 403), ("127.0.0.1", True, 200)],
    ids=["far", "far-allowed", "near", "near-allowed"],
)
async def test_passwords_without_tls(host: str, allowed: bool, status: int) -> None:
    async with authenticator(allow_plaintext=allowed) as auth:
        request = request_of(basic("bob@b.example", PASSWORD), scheme="http", host=host)
        if status == 200:
            assert (await auth.account(request)).address == "bob@b.example"
            return
        with pytest.raises(Problem) as refused:
            await auth.account(request)
        assert refused.value.status == status


@pytest.mark.parametrize(("site", "let_in"), [("cross-site", False), ("same-origin", True), ("none", True)])
async def test_a_browser_cannot_be_made_to_use_its_password_by_another_site(site: str, let_in: bool) -> None:
    async with authenticator() as auth:
        request = request_of(basic("bob@b.example", PASSWORD), sec_fetch_site=site)
        if let_in:
            assert (await auth.account(request)).address == "bob@b.example"
            return
        with pytest.raises(Problem) as refused:
            await auth.account(request)
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("", False), ("localhost", False)],
)
def test_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


async def test_over_a_real_socket() -> None:
    from tests.support.jmap_server import jmap_server

    async with jmap_server() as jmap:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{jmap.port}") as stranger:
            response = await stranger.get("/.well-known/jmap")
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Basic ")
        assert (await jmap.client.get("/.well-known/jmap")).status_code == 200
