"""RFC 8621 §4.1, §4.2: every property of an email, from the mail as it came."""

from typing import Any

import pytest

from protocols.jmap.email_headers import grouped_addresses
from protocols.jmap.settings import JmapSettings
from tests.support.jmap_server import Jmap, jmap_server
from tests.support.mail_store import Letter, deliver

RICH = "\r\n".join(
    [
        "Received: from a.example by b.example; Mon, 2 Mar 2026 10:00:00 +0000",
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@a.example>, plain@a.example",
        "Sender: list@a.example",
        "To: Team: Ann <ann@a.example>, bob@b.example;, Carl <carl@c.example>",
        "Cc: dora@d.example",
        "Reply-To: replies@a.example",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        " from the coast",
        "Date: Mon, 2 Mar 2026 10:59:00 +0100",
        "Message-ID: <rich@a.example>",
        "In-Reply-To: <one@a.example>",
        "References: <zero@a.example> <one@a.example>",
        "List-Post: <mailto:list@a.example>, <https://a.example/post>",
        "X-Note: first",
        "X-Note: second",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="m"',
        "",
        "--m",
        'Content-Type: multipart/alternative; boundary="a"',
        "",
        "--a",
        "Content-Type: text/plain; charset=iso-8859-1",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Language: de, en",
        "",
        "Sch=F6ne Gr=FC=DFe",
        "--a",
        "Content-Type: text/html; charset=utf-8",
        "Content-Location: https://a.example/page",
        "",
        "<p>Schöne <b>Grüße</b></p>",
        "--a--",
        "--m",
        "Content-Type: image/png; name=pic.png",
        "Content-Disposition: inline; filename=pic.png",
        "Content-ID: <pic@a.example>",
        "Content-Transfer-Encoding: base64",
        "X-Part: yes",
        "",
        "iVBORw0KGgo=",
        "--m",
        "Content-Type: message/rfc822",
        "Content-Disposition: attachment",
        "",
        "From: inner@a.example",
        "Subject: Inside",
        "",
        "Inner text",
        "--m--",
        "",
    ]
).encode()


async def got(jmap: Jmap, octets: bytes, *properties: str, **arguments: Any) -> dict[str, Any]:
    """One delivered mail's properties."""
    email = await deliver(jmap.store, jmap.account, octets)
    asked = list(properties) if properties else None
    result = await jmap.call("Email/get", ids=[f"E{email.id}"], properties=asked, **arguments)
    assert result["notFound"] == []
    shown: dict[str, Any] = result["list"][0]
    return shown


async def test_metadata_and_convenient_headers() -> None:
    async with jmap_server() as jmap:
        shown = await got(jmap, RICH)
    assert shown["id"].startswith("E")
    assert shown["threadId"].startswith("T")
    assert shown["mailboxIds"] == {"M1": True}
    assert shown["keywords"] == {}
    assert shown["size"] == len(RICH)
    assert shown["receivedAt"] == "2026-03-02T10:00:00Z"
    assert shown["sentAt"] == "2026-03-02T09:59:00Z"
    assert shown["messageId"] == ["rich@a.example"]
    assert shown["inReplyTo"] == ["one@a.example"]
    assert shown["references"] == ["zero@a.example", "one@a.example"]
    assert shown["from"] == [
        {"name": "Jörg", "email": "joerg@a.example"},
        {"name": None, "email": "plain@a.example"},
    ]
    assert [one["email"] for one in shown["to"]] == ["ann@a.example", "bob@b.example", "carl@c.example"]
    assert (shown["sender"], shown["bcc"]) == ([{"name": None, "email": "list@a.example"}], None)
    assert shown["subject"] == "Grüße from the coast"
    assert shown["hasAttachment"] is True
    assert shown["preview"] == "Schöne Grüße"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("header:Subject", " =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from the coast"),
        ("header:subject:asText", "Grüße from the coast"),
        ("header:X-Note", " second"),
        ("header:X-Note:all", [" first", " second"]),
        ("header:X-Note:asText:all", ["first", "second"]),
        ("header:X-None", None),
        ("header:X-None:all", []),
        ("header:Cc:asAddresses", [{"name": None, "email": "dora@d.example"}]),
        (
            "header:To:asGroupedAddresses",
            [
                {
                    "name": "Team",
                    "addresses": [
                        {"name": "Ann", "email": "ann@a.example"},
                        {"name": None, "email": "bob@b.example"},
                    ],
                },
                {"name": None, "addresses": [{"name": "Carl", "email": "carl@c.example"}]},
            ],
        ),
        ("header:References:asMessageIds", ["zero@a.example", "one@a.example"]),
        ("header:X-Note:asMessageIds:all", [["first"], ["second"]]),
        ("header:Date:asDate", "2026-03-02T09:59:00Z"),
        ("header:X-Note:asDate", None),
        ("header:List-Post:asURLs", ["mailto:list@a.example", "https://a.example/post"]),
        ("header:X-Note:asURLs", None),
    ],
)
async def test_header_forms(name: str, value: Any) -> None:
    async with jmap_server() as jmap:
        shown = await got(jmap, RICH, name)
    assert shown[name] == value


@pytest.mark.parametrize(
    "name",
    [
        "header:",
        "header:Sub ject",
        "header:Subject:asDate",
        "header:Date:asText",
        "header:From:asText",
        "header:Received:asText",
        "header:Subject:asNonsense",
        "header:Subject:all:asText",
        "header:Subject:asText:all:all",
        "headerSubject",
    ],
)
async def test_header_properties_refused(name: str) -> None:
    async with jmap_server() as jmap:
        error = await jmap.refusal("Email/get", ids=["E1"], properties=[name])
    assert error["type"] == "invalidArguments"


async def test_all_headers_in_their_order() -> None:
    async with jmap_server() as jmap:
        shown = await got(jmap, RICH, "headers")
    names = [one["name"] for one in shown["headers"]]
    assert (names[:2], len(names)) == (["Received", "From"], 16)


async def test_body_structure() -> None:
    async with jmap_server() as jmap:
        shown = await got(
            jmap, RICH, "blobId", "bodyStructure", bodyProperties=["partId", "blobId", "type", "size", "cid", "name"]
        )
    root = shown["bodyStructure"]
    assert (root["type"], root["partId"], root["blobId"]) == ("multipart/mixed", None, None)
    alternative, image, inner = root["subParts"]
    assert [part["type"] for part in alternative["subParts"]] == ["text/plain", "text/html"]
    assert [part["partId"] for part in alternative["subParts"]] == ["1.1", "1.2"]
    assert (image["partId"], image["size"], image["cid"], image["name"]) == ("2", 8, "pic@a.example", "pic.png")
    assert image["blobId"] == shown["blobId"] + "-2"
    assert inner["type"] == "message/rfc822"
    assert "subParts" not in inner


async def test_part_properties() -> None:
    async with jmap_server() as jmap:
        shown = await got(jmap, RICH, "textBody", "htmlBody", "attachments")
        text, html = shown["textBody"][0], shown["htmlBody"][0]
        assert (text["charset"], text["language"], text["size"]) == ("iso-8859-1", ["de", "en"], 12)
        assert html["location"] == "https://a.example/page"
        assert [part["type"] for part in shown["textBody"]] == ["text/plain", "image/png"]
        assert [part["type"] for part in shown["htmlBody"]] == ["text/html", "image/png"]
        assert [part["type"] for part in shown["attachments"]] == ["message/rfc822"]
        assert shown["textBody"][1]["disposition"] == "inline"
        headers = await got(jmap, RICH, "textBody", bodyProperties=["header:X-Part:asText", "headers"])
    text, image = headers["textBody"]
    assert image["header:X-Part:asText"] == "yes"
    assert image["headers"][0] == {"name": "Content-Type", "value": " image/png; name=pic.png"}
    assert text["header:X-Part:asText"] is None


@pytest.mark.parametrize(
    ("fetch", "parts"),
    [
        ({}, set()),
        ({"fetchTextBodyValues": True}, {"1.1"}),
        ({"fetchHTMLBodyValues": True}, {"1.2"}),
        ({"fetchAllBodyValues": True}, {"1.1", "1.2"}),
    ],
    ids=["none", "text", "html", "all"],
)
async def test_body_values(fetch: dict[str, bool], parts: set[str]) -> None:
    async with jmap_server() as jmap:
        shown = await got(jmap, RICH, "bodyValues", **fetch)
    assert set(shown["bodyValues"]) == parts
    for value in shown["bodyValues"].values():
        assert "Grüße" in value["value"]
        assert (value["isTruncated"], value["isEncodingProblem"]) == (False, False)


@pytest.mark.parametrize(
    ("kind", "body", "limit", "value", "is_truncated"),
    [
        ("text/plain", "abcdef", 3, "abc", True),
        ("text/plain", "abc", 3, "abc", False),
        ("text/plain", "aöö", 2, "a", True),
        ("text/plain", "a\r\nb", 0, "a\nb", False),
        ("text/html", "ab<p class=x>cd", 6, "ab", True),
        ("text/html", "<p>abcd", 5, "<p>ab", True),
    ],
)
async def test_body_values_are_cut(kind: str, body: str, limit: int, value: str, is_truncated: bool) -> None:
    octets = f"Content-Type: {kind}; charset=utf-8\r\n\r\n{body}".encode()
    async with jmap_server() as jmap:
        shown = await got(jmap, octets, "bodyValues", fetchAllBodyValues=True, maxBodyValueBytes=limit)
    assert shown["bodyValues"]["1"] == {
        "value": value,
        "isTruncated": is_truncated,
        "isEncodingProblem": False,
    }


@pytest.mark.parametrize(
    "octets",
    [
        b"Content-Type: text/plain; charset=x-nonsense\r\n\r\nabc",
        b"Content-Transfer-Encoding: rot13\r\n\r\nabc",
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nfa\xe7ade",
    ],
    ids=["charset", "encoding", "octets"],
)
async def test_encoding_problems_are_told(octets: bytes) -> None:
    async with jmap_server() as jmap:
        shown = await got(jmap, octets, "bodyValues", fetchAllBodyValues=True)
    assert shown["bodyValues"]["1"]["isEncodingProblem"] is True


async def test_a_call_returns_no_more_body_than_its_budget() -> None:
    async with jmap_server(JmapSettings(body_value_octets=10)) as jmap:
        first = await deliver(jmap.store, jmap.account, b"Subject: a\r\n\r\n" + b"a" * 8)
        second = await deliver(jmap.store, jmap.account, b"Subject: b\r\n\r\n" + b"b" * 8)
        result = await jmap.call(
            "Email/get", ids=[f"E{first.id}", f"E{second.id}"], properties=["bodyValues"], fetchAllBodyValues=True
        )
    values = [one["bodyValues"]["1"] for one in result["list"]]
    assert [value["value"] for value in values] == ["a" * 8, "b" * 2]
    assert [value["isTruncated"] for value in values] == [False, True]


async def test_a_call_reads_no_more_mail_than_its_budget() -> None:
    async with jmap_server(JmapSettings(read_octets=1_000)) as jmap:
        email = await deliver(jmap.store, jmap.account, b"Subject: a\r\n\r\n" + b"a" * 1_000)
        ids = [f"E{email.id}"]
        error = await jmap.refusal("Email/get", ids=ids, properties=["bodyValues"], fetchAllBodyValues=True)
        assert error["type"] == "requestTooLarge"
        assert (await jmap.call("Email/get", ids=ids, properties=["subject"]))["list"][0]["subject"] == "a"


HOSTILE = [
    b"",
    b"\0\xff\xfe",
    b"Subject: " + b"=?utf-8?q?" * 1_000,
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 90,
    b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nabc",
    b"To: " + b"a:" * 5_000 + b";" * 5_000,
    b"To: " + b"<" * 20_000,
    b"References: " + b"<a@b> " * 5_000,
    b"Date: Mon, 99 Foo 99999 99:99:99 +9999\r\n\r\n",
    b"Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
]


@pytest.mark.parametrize("octets", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_mails_are_shown(octets: bytes) -> None:
    properties = [
        "headers",
        "header:To:asGroupedAddresses:all",
        "header:Subject:asText",
        "references",
        "sentAt",
        "bodyStructure",
        "textBody",
        "attachments",
        "bodyValues",
        "preview",
    ]
    async with jmap_server() as jmap:
        shown = await got(jmap, octets, *properties, fetchAllBodyValues=True)
    assert set(shown) == {"id", *properties}


@pytest.mark.parametrize(
    ("raw", "groups"),
    [
        (b" a@a.example", [(None, 1)]),
        (b" A: a@a.example;", [("A", 1)]),
        (b" A:;", [("A", 0)]),
        (b" x@x.example, A: a@a.example, b@a.example;, y@y.example", [(None, 1), ("A", 2), (None, 1)]),
        (b' "Quoted: no group" <a@a.example>', [(None, 1)]),
        (b" A: a@a.example", [("A", 1)]),
        (b"", []),
    ],
)
def test_groups(raw: bytes, groups: list[tuple[str | None, int]]) -> None:
    assert [(group["name"], len(group["addresses"])) for group in grouped_addresses(raw)] == groups


async def test_ids_of_nothing() -> None:
    async with jmap_server() as jmap:
        asked = ["E99", "M1", "", "E0", "E99999999999999999999", "E1' OR"]
        result = await jmap.call("Email/get", ids=asked)
        assert result["notFound"] == asked
        assert (await jmap.refusal("Email/get", ids=None))["type"] == "invalidArguments"


async def test_threads() -> None:
    async with jmap_server() as jmap:
        first = await deliver(jmap.store, jmap.account, Letter(message_id="1@a").octets())
        reply = await deliver(jmap.store, jmap.account, Letter(message_id="2@a", references=("1@a",)).octets())
        state = (await jmap.call("Email/get", ids=[]))["state"]
        result = await jmap.call("Thread/get", ids=[f"T{first.thread}", "T99"])
        assert result["list"] == [{"id": f"T{first.thread}", "emailIds": [f"E{first.id}", f"E{reply.id}"]}]
        assert result["notFound"] == ["T99"]
        await jmap.call("Email/set", destroy=[f"E{first.id}"])
        assert (await jmap.call("Thread/changes", sinceState=state))["updated"] == [f"T{first.thread}"]
        await jmap.call("Email/set", destroy=[f"E{reply.id}"])
        assert (await jmap.call("Thread/changes", sinceState=state))["destroyed"] == [f"T{first.thread}"]
