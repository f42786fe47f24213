"""RFC 8620: session, requests, references, errors at their levels."""

from typing import Any

import httpx
import pytest

from protocols.jmap.context import QUOTA
from protocols.jmap.errors import MethodError
from protocols.jmap.references import resolve
from protocols.jmap.settings import JmapSettings
from tests.support.jmap_server import CORE, MAIL, jmap_server

URN = "urn:ietf:params:jmap:error:"


async def test_the_session_says_where_everything_is() -> None:
    async with jmap_server() as jmap:
        response = await jmap.client.get("/.well-known/jmap")
        session = response.json()
        base = f"http://127.0.0.1:{jmap.port}"
        assert response.headers["cache-control"] == "no-cache, no-store, must-revalidate"
        assert session["username"] == "bob@b.example"
        assert session["primaryAccounts"] == {CORE: "A1", MAIL: "A1", QUOTA: "A1"}
        assert session["accounts"]["A1"]["isPersonal"] is True
        assert set(session["capabilities"]) == {CORE, MAIL, QUOTA}
        assert session["capabilities"][CORE]["maxCallsInRequest"] >= 16
        assert session["apiUrl"] == f"{base}/jmap/api"
        for name in ("{accountId}", "{blobId}", "{name}", "{type}"):
            assert name in session["downloadUrl"]
        for name in ("{types}", "{closeafter}", "{ping}"):
            assert name in session["eventSourceUrl"]
        answer = (await jmap.request(("Core/echo", {}, "0"))).json()
        assert answer["sessionState"] == session["state"]


async def test_a_public_url_replaces_the_host_header() -> None:
    async with jmap_server(JmapSettings(public_url="https://mail.b.example/")) as jmap:
        session = (await jmap.client.get("/.well-known/jmap")).json()
    assert session["apiUrl"] == "https://mail.b.example/jmap/api"


async def test_a_host_that_is_none_is_refused() -> None:
    async with jmap_server() as jmap:
        response = await jmap.client.get("/.well-known/jmap", headers={"Host": 'x"><script>'})
    assert response.status_code == 400


async def test_echo_from_the_rfc() -> None:
    """RFC 8620 §4.1."""
    async with jmap_server() as jmap:
        response = await jmap.request(("Core/echo", {"hello": True, "high": 5}, "b3ff"))
    assert response.json()["methodResponses"] == [["Core/echo", {"hello": True, "high": 5}, "b3ff"]]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "notJSON"),
        (b"{", "notJSON"),
        (b'{"using":["\xff"]}', "notJSON"),
        (b"[" * 100_000, "notJSON"),
        (b"[]", "notRequest"),
        (b'{"using":[]}', "notRequest"),
        (b'{"using":[],"methodCalls":{}}', "notRequest"),
        (b'{"using":[],"methodCalls":[["a",{}]]}', "notRequest"),
        (b'{"using":[],"methodCalls":[["a",[],"0"]]}', "notRequest"),
        (b'{"using":[1],"methodCalls":[]}', "notRequest"),
        (b'{"using":["urn:example:none"],"methodCalls":[]}', "unknownCapability"),
    ],
    ids=["empty", "cut", "utf8", "deep", "array", "missing", "calls", "pair", "arguments", "using", "capability"],
)
async def test_requests_refused_as_a_whole(body: bytes, kind: str) -> None:
    async with jmap_server() as jmap:
        response = await jmap.client.post("/jmap/api", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == URN + kind


async def test_the_content_type_must_be_json() -> None:
    """A form another site sends for a browser cannot be JSON."""
    async with jmap_server() as jmap:
        response = await jmap.client.post("/jmap/api", content=b"{}", headers={"Content-Type": "text/plain"})
    assert response.json()["type"] == URN + "notJSON"


async def test_limits_of_a_request() -> None:
    async with jmap_server(JmapSettings(max_calls=2, max_request_octets=500)) as jmap:
        echo = ("Core/echo", {}, "0")
        assert (await jmap.request(echo, echo)).status_code == 200
        many = (await jmap.request(echo, echo, echo)).json()
        assert (many["type"], many["limit"]) == (URN + "limit", "maxCallsInRequest")
        large = (await jmap.request(("Core/echo", {"x": "y" * 500}, "0"))).json()
        assert (large["type"], large["limit"]) == (URN + "limit", "maxSizeRequest")


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("Foo/get", {}, "unknownMethod"),
        ("Identity/get", {}, "unknownMethod"),  # its capability is not in "using"
        ("Mailbox/get", {"accountId": "A2"}, "accountNotFound"),
        ("Mailbox/get", {"accountId": 5}, "invalidArguments"),
        ("Mailbox/get", {"ids": "M1"}, "invalidArguments"),
        ("Mailbox/get", {"nonsense": 1}, "invalidArguments"),
        ("Mailbox/get", {"properties": ["nonsense"]}, "invalidArguments"),
        ("Mailbox/get", {"ids": [f"M{n}" for n in range(501)]}, "requestTooLarge"),
        ("Mailbox/changes", {"sinceState": "nonsense"}, "cannotCalculateChanges"),
        ("Mailbox/changes", {"sinceState": "99999"}, "cannotCalculateChanges"),
        ("Mailbox/changes", {"sinceState": "0", "maxChanges": 0}, "invalidArguments"),
        ("Email/queryChanges", {"sinceQueryState": "1"}, "cannotCalculateChanges"),
        ("Mailbox/queryChanges", {"sinceQueryState": "1"}, "cannotCalculateChanges"),
        ("Mailbox/set", {"ifInState": "nonsense"}, "stateMismatch"),
        ("Email/set", {"ifInState": "0"}, "stateMismatch"),
        ("Email/set", {"destroy": [f"E{n}" for n in range(501)]}, "requestTooLarge"),
    ],
)
async def test_methods_refused(name: str, arguments: dict[str, Any], kind: str) -> None:
    async with jmap_server() as jmap:
        assert (await jmap.refusal(name, **arguments))["type"] == kind


async def test_a_refused_call_does_not_stop_the_others() -> None:
    async with jmap_server() as jmap:
        answers = await jmap.calls(("Foo/get", {}, "a"), ("Core/echo", {"x": 1}, "b"))
    assert [(name, call_id) for name, _, call_id in answers] == [("error", "a"), ("Core/echo", "b")]


RESPONSES = [
    ("Foo/query", {"ids": ["a", "b"], "list": [{"x": [1, 2]}, {"x": [3]}], "odd/name~": 7, "n": None}, "t0"),
    ("error", {"type": "unknownMethod"}, "t1"),
]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/ids", ["a", "b"]),
        ("/ids/1", "b"),
        ("/ids/*", ["a", "b"]),
        ("/list/*/x", [1, 2, 3]),
        ("/list/0/x", [1, 2]),
        ("/list/*/x/0", [1, 3]),
        ("/odd~1name~0", 7),
        ("/n", None),
        ("", RESPONSES[0][1]),
    ],
)
def test_references_are_followed(path: str, value: Any) -> None:
    reference = {"resultOf": "t0", "name": "Foo/query", "path": path}
    assert resolve({"#ids": reference, "other": 1}, RESPONSES) == {"ids": value, "other": 1}


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ({"resultOf": "t0", "name": "Foo/query", "path": "/none"}, "invalidResultReference"),
        ({"resultOf": "t0", "name": "Foo/query", "path": "/ids/2"}, "invalidResultReference"),
        ({"resultOf": "t0", "name": "Foo/query", "path": "/ids/01"}, "invalidResultReference"),
        ({"resultOf": "t0", "name": "Foo/query", "path": "/n/*"}, "invalidResultReference"),
        ({"resultOf": "t0", "name": "Foo/query", "path": "ids"}, "invalidResultReference"),
        ({"resultOf": "t0", "name": "Foo/get", "path": "/ids"}, "invalidResultReference"),
        ({"resultOf": "t9", "name": "Foo/query", "path": "/ids"}, "invalidResultReference"),
        ({"resultOf": "t1", "name": "Foo/get", "path": "/type"}, "invalidResultReference"),
        ({"resultOf": "t0", "name": "Foo/query"}, "invalidArguments"),
        ("t0", "invalidArguments"),
    ],
)
def test_references_that_lead_nowhere(reference: Any, kind: str) -> None:
    with pytest.raises(MethodError) as refused:
        resolve({"#ids": reference}, RESPONSES)
    assert refused.value.kind == kind


def test_an_argument_and_its_reference_exclude_each_other() -> None:
    with pytest.raises(MethodError) as refused:
        resolve({"ids": [], "#ids": {"resultOf": "t0", "name": "Foo/query", "path": "/ids"}}, RESPONSES)
    assert refused.value.kind == "invalidArguments"


def test_a_path_that_gathers_without_end_is_refused() -> None:
    many = [{"x": list(range(1_000))}] * 1_000
    with pytest.raises(MethodError) as refused:
        reference = {"resultOf": "0", "name": "Foo/get", "path": "/list/*/x"}
        resolve({"#ids": reference}, [("Foo/get", {"list": many}, "0")])
    assert refused.value.kind == "invalidResultReference"


async def test_created_ids_go_in_and_come_out() -> None:
    async with jmap_server() as jmap:
        response = await jmap.request(
            ("Mailbox/set", {"accountId": "A1", "create": {"k1": {"name": "Work"}}}, "0"),
            ("Mailbox/get", {"accountId": "A1", "ids": ["#k1", "#old"], "properties": ["name"]}, "1"),
            createdIds={"old": "M1"},
        )
        answer = response.json()
        made = answer["methodResponses"][0][1]["created"]["k1"]["id"]
    assert [one["name"] for one in answer["methodResponses"][1][1]["list"]] == ["Work", "INBOX"]
    assert answer["createdIds"] == {"old": "M1", "k1": made}


async def test_without_a_password_nothing_is_told() -> None:
    async with (
        jmap_server() as jmap,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{jmap.port}") as stranger,
    ):
        for method, path in (
            ("GET", "/.well-known/jmap"),
            ("POST", "/jmap/api"),
            ("POST", "/jmap/upload/A1"),
            ("GET", "/jmap/download/A1/B" + "0" * 64 + "/x"),
            ("GET", "/jmap/eventsource"),
        ):
            assert (await stranger.request(method, path)).status_code == 401
