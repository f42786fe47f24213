"""Who gets in, how long they stay, and what a stolen or forged form can do."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from protocols.console import guard, sessions
from protocols.console.routes import routes
from protocols.console.services import ConsoleSettings
from store.accounts import account as accounts
from store.schema import keys
from tests.protocols.console.mails import ADMIN, ANA
from tests.protocols.console.scene import PASSWORD, Browser, Scene, browser, scene, token_of


@pytest.fixture
async def made() -> AsyncIterator[Scene]:
    async with scene((), ConsoleSettings(session_idle_s=3_600, session_max_s=7_200)) as one:
        yield one


@pytest.fixture
async def client(made: Scene) -> AsyncIterator[Browser]:
    async with browser(made) as one:
        yield one


async def test_a_password_opens_the_queue(client: Browser) -> None:
    answer = await client.sign_in()
    assert answer.status_code == 200
    assert answer.url.path == "/queue"
    assert "admin@example.com" in answer.text


@pytest.mark.parametrize("path", ["/", "/queue", "/message/0a1b", "/live", "/live/events", "/audit"])
async def test_without_a_session_everything_leads_to_the_form(client: Browser, path: str) -> None:
    answer = await client.get(path)
    assert answer.url.path == "/login"


async def test_after_signing_in_one_is_where_one_wanted_to_be(client: Browser) -> None:
    page = await client.get("/queue?tab=all")
    form = {"csrf": token_of(page), "login": ADMIN, "password": PASSWORD, "next": "/queue?tab=all"}
    answer = await client.post("/login", data=form)
    assert str(answer.url).endswith("/queue?tab=all")


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: x=1"],
    ids=["absolute", "no-scheme", "backslash", "script", "line-break"],
)
async def test_signing_in_leads_nowhere_else(client: Browser, target: str) -> None:
    page = await client.get("/login")
    form = {"csrf": token_of(page), "login": ADMIN, "password": PASSWORD, "next": target}
    answer = await client.post("/login", data=form, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/queue"


async def test_a_wrong_password_says_so_and_keeps_the_address(client: Browser) -> None:
    answer = await client.sign_in(ANA, "wrong")
    assert answer.status_code == 401
    assert "Address or password is wrong" in answer.text
    assert 'value="ana@example.com"' in answer.text
    assert "mailward-session" not in client.cookies


async def test_guessing_is_slowed_down(client: Browser) -> None:
    for _ in range(3):
        assert (await client.sign_in(ANA, "wrong")).status_code == 401
    answer = await client.sign_in(ANA, PASSWORD)
    assert answer.status_code == 429
    assert "Wait five minutes" in answer.text
    assert answer.headers["retry-after"] == "300"


async def test_the_cookie_cannot_be_read_by_script_or_sent_from_elsewhere(client: Browser) -> None:
    page = await client.get("/login")
    form = {"csrf": token_of(page), "login": ADMIN, "password": PASSWORD}
    answer = await client.post("/login", data=form, follow_redirects=False)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("mailward-session="))
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


async def test_behind_tls_the_cookie_is_bound_to_the_host(made: Scene) -> None:
    made.services.settings = ConsoleSettings(behind_tls_proxy=True)
    async with browser(made) as client:
        answer = await client.get("/login")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-mailward-form=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie


async def test_the_store_holds_no_secret_of_a_session(made: Scene, client: Browser) -> None:
    await client.sign_in()
    secret = client.cookies["mailward-session"].encode()
    rows = await made.store.read(
        lambda view: [key + value for key, value in view.kv.scan(keys.SESSION, keys.prefix_end(keys.SESSION))]
    )
    assert len(rows) == 1
    assert secret not in rows[0]


@pytest.mark.parametrize("minutes", [[61], [50, 50, 21]], ids=["idle", "too old"])
async def test_a_session_ends_by_itself(made: Scene, client: Browser, minutes: list[int]) -> None:
    await client.sign_in()
    for wait in minutes[:-1]:
        made.clock.forward(minutes=wait)
        assert (await client.get("/queue")).url.path == "/queue"
    made.clock.forward(minutes=minutes[-1])
    assert (await client.get("/queue")).url.path == "/login"


async def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(made: Scene, client: Browser) -> None:
    await client.sign_in()
    stolen = dict(client.cookies)
    answer = await client.submit("/logout", {})
    assert answer.url.path == "/login"
    async with httpx.AsyncClient(base_url=made.url, cookies=stolen) as thief:
        assert (await thief.get("/queue")).status_code == 303


async def test_a_new_password_ends_old_sessions(made: Scene, client: Browser) -> None:
    await client.sign_in(ANA)

    def body(txn: object) -> None:
        changed = accounts.Account(made.people[ANA].id, ANA, "Ana Ruiz", "another hash")
        accounts.save(txn, changed)  # type: ignore[arg-type]

    await made.store.write(body)
    assert (await client.get("/queue")).url.path == "/login"


async def test_a_link_signs_in_once(made: Scene, client: Browser) -> None:
    token = await made.services.one_time_token(ADMIN)
    first = await client.get(f"/login?t={token}")
    assert first.status_code == 200
    assert (await client.get("/queue")).url.path == "/queue"
    async with browser(made) as other:
        second = await other.get(f"/login?t={token}")
        assert second.status_code == 403
        assert "used already" in second.text
        assert (await other.get("/queue")).url.path == "/login"


async def test_a_link_is_no_session_and_a_session_no_link(made: Scene, client: Browser) -> None:
    token = await made.services.one_time_token(ADMIN)
    async with httpx.AsyncClient(base_url=made.url, cookies={"mailward-session": token}) as thief:
        assert (await thief.get("/queue")).status_code == 303
    await client.sign_in()
    async with browser(made) as other:
        answer = await other.get(f"/login?t={client.cookies['mailward-session']}")
        assert answer.status_code == 403


async def test_a_link_is_over_after_its_time(made: Scene, client: Browser) -> None:
    token = await made.services.one_time_token(ADMIN)
    made.clock.forward(minutes=61)
    assert (await client.get(f"/login?t={token}")).status_code == 403


async def test_no_link_for_nobody(made: Scene) -> None:
    with pytest.raises(sessions.NoSuchAccount):
        await made.services.one_time_token("nobody@example.com")


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"act": "release"}, {}),
        ({"csrf": "0" * 64}, {}),
        (None, {"Origin": "https://evil.example"}),
        (None, {"Origin": "null"}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
        (None, {"Sec-Fetch-Site": "same-site"}),
    ],
    ids=["no token", "wrong token", "other origin", "null origin", "cross-site", "other subdomain"],
)
@pytest.mark.parametrize("path", ["/queue/act", "/message/0a1b/act", "/policy/unblock", "/audit/verify", "/logout"])
async def test_a_forged_form_is_refused(
    client: Browser, path: str, fields: dict[str, str] | None, headers: dict[str, str]
) -> None:
    page = await client.sign_in()
    data = {"csrf": token_of(page)} if fields is None else fields
    answer = await client.post(path, data=data, headers=headers)
    assert answer.status_code == 403
    assert "did not come from this console" in answer.text
    assert (await client.get("/queue")).url.path == "/queue", "still signed in"


async def test_another_persons_token_is_no_good(made: Scene, client: Browser) -> None:
    await client.sign_in()
    async with browser(made) as ana:
        token = token_of(await ana.sign_in(ANA))
    answer = await client.post("/audit/verify", data={"csrf": token})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"a=" + b"x" * 300_000, "application/x-www-form-urlencoded", 413),
        (b"a=1&" * 4_000, "application/x-www-form-urlencoded", 400),
        (b"a=\xff", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
    ],
    ids=["long", "many fields", "not UTF-8", "not a form"],
)
async def test_an_odd_form_is_refused(client: Browser, content: bytes, kind: str, status: int) -> None:
    await client.sign_in()
    answer = await client.post("/queue/act", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("scheme", "client", "behind_proxy", "is_fine"),
    [
        ("http", "192.0.2.9", False, False),
        ("http", "127.0.0.1", False, True),
        ("http", "::1", False, True),
        ("https", "192.0.2.9", False, True),
        ("http", "192.0.2.9", True, True),
    ],
    ids=["plain", "loopback", "loopback IPv6", "TLS", "TLS ended before us"],
)
def test_passwords_do_not_cross_a_network_in_clear(
    made: Scene, scheme: str, client: str, behind_proxy: bool, is_fine: bool
) -> None:
    made.services.settings = ConsoleSettings(behind_tls_proxy=behind_proxy)
    scope = {"type": "http", "scheme": scheme, "client": (client, 4_000), "server": ("c.example", 80), "path": "/login"}
    scope |= {"headers": [], "query_string": b"", "method": "POST", "root_path": ""}
    assert guard.may_sign_in(Request(scope), made.services) == is_fine


async def test_without_tls_from_elsewhere_there_is_no_form(made: Scene) -> None:
    app = Starlette(routes=routes(made.services))
    transport = httpx.ASGITransport(app, client=("192.0.2.9", 4_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://console.example") as client:
        for answer in (
            await client.get("/login"),
            await client.post("/login", data={"login": ADMIN, "password": PASSWORD}),
        ):
            assert answer.status_code == 403
            assert "over HTTPS only" in answer.text
            assert "<form" not in answer.text
