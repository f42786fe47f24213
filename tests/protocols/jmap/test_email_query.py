"""RFC 8621 §4.4, §5: finding emails, pages of results, texts within a budget."""

from typing import Any

import pytest

from protocols.jmap.settings import JmapSettings
from tests.support.jmap_server import Jmap, jmap_server
from tests.support.mail_store import START_MS, Letter, deliver

DESCENDING = [{"property": "receivedAt", "isAscending": False}]


async def shelf(jmap: Jmap) -> list[str]:
    """Five mails a minute apart, ids oldest first; 0, 1 and 4 are one thread, 2 is junk."""
    letters = [
        (Letter("Lunch", "0@a", body="Pizza at noon?"), "inbox"),
        (Letter("Re: Lunch", "1@a", ("0@a",), body="Rather soup", extra=("List-Id: <lunch.a.example>",)), "inbox"),
        (Letter("Winner", "2@a", sender="Eve <eve@e.example>", body="You won a PIZZA"), "junk"),
        (Letter("Numbers", "3@a", body="Ninety <b>nine</b> & more"), "inbox"),
        (Letter("Re: Re: Lunch", "4@a", ("0@a", "1@a"), body="Fine"), "inbox"),
    ]
    ids = []
    for minute, (letter, role) in enumerate(letters):
        at = START_MS + minute * 60_000
        email = await deliver(jmap.store, jmap.account, letter.octets(), role=role, received_ms=at)
        ids.append(f"E{email.id}")
    return ids


async def numbers(jmap: Jmap, ids: list[str], **arguments: Any) -> list[int]:
    result = await jmap.call("Email/query", **arguments)
    return [ids.index(one) for one in result["ids"]]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, [4, 3, 2, 1, 0]),
        ({}, [4, 3, 2, 1, 0]),
        ({"inMailbox": "M1"}, [4, 3, 1, 0]),
        ({"inMailbox": "M99"}, []),
        ({"inMailbox": "nonsense"}, []),
        ({"inMailboxOtherThan": ["M1"]}, [2]),
        ({"before": "2026-03-02T10:01:00Z"}, [0]),
        ({"after": "2026-03-02T10:03:00Z", "inMailbox": "M1"}, [4, 3]),
        ({"after": "2026-03-02T12:03:00+02:00"}, [4, 3]),
        ({"from": "eve"}, [2]),
        ({"subject": "lunch"}, [4, 1, 0]),
        ({"to": "bob@b.example", "subject": "numbers"}, [3]),
        ({"body": "pizza"}, [2, 0]),
        ({"text": "pizza", "inMailbox": "M1"}, [0]),
        ({"text": '"pizza at noon"'}, [0]),
        ({"text": "noon pizza"}, [0]),
        ({"text": "soup"}, [1]),
        ({"header": ["List-Id"]}, [1]),
        ({"header": ["list-id", "LUNCH"]}, [1]),
        ({"header": ["List-Id", "dinner"]}, []),
        ({"hasKeyword": "$seen"}, []),
        ({"notKeyword": "$seen", "inMailbox": "M4"}, [2]),
        ({"hasAttachment": True}, []),
        ({"hasAttachment": False, "minSize": 1, "maxSize": 100_000}, [4, 3, 2, 1, 0]),
        ({"operator": "OR", "conditions": [{"from": "eve"}, {"body": "soup"}]}, [2, 1]),
        ({"operator": "NOT", "conditions": [{"inMailbox": "M1"}, {"body": "xyz"}]}, [2]),
        (
            {
                "operator": "AND",
                "conditions": [{"inMailbox": "M1"}, {"operator": "NOT", "conditions": [{"text": "lunch"}]}],
            },
            [3],
        ),
        ({"operator": "AND", "conditions": []}, [4, 3, 2, 1, 0]),
    ],
    ids=repr,
)
async def test_filters(wanted: dict[str, Any] | None, found: list[int]) -> None:
    async with jmap_server() as jmap:
        ids = await shelf(jmap)
        assert await numbers(jmap, ids, filter=wanted, sort=DESCENDING) == found
        result = await jmap.call("Email/query", filter=wanted, sort=DESCENDING, calculateTotal=True, limit=1)
        assert result["total"] == len(found)


@pytest.mark.parametrize(
    ("page", "found", "position"),
    [
        ({"limit": 2}, [4, 3], 0),
        ({"limit": 2, "position": 1}, [3, 1], 1),
        ({"position": 99}, [], 99),
        ({"position": -2}, [1, 0], 2),
        ({"position": -99, "limit": 1}, [4], 0),
        ({"anchor": 3}, [3, 1, 0], 1),
        ({"anchor": 3, "anchorOffset": -1, "limit": 2}, [4, 3], 0),
        ({"anchor": 3, "anchorOffset": -9, "limit": 1}, [4], 0),
        ({"anchor": 3, "anchorOffset": 1, "limit": 1}, [1], 2),
        ({"limit": 0}, [], 0),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wanted", [{}, {"body": "i"}], ids=["rows", "texts"])
async def test_pages(wanted: dict[str, Any], page: dict[str, Any], found: list[int], position: int) -> None:
    async with jmap_server() as jmap:
        ids = await shelf(jmap)
        if "anchor" in page:
            page = {**page, "anchor": ids[page["anchor"]]}
        # "i" is in every body of the inbox but "Rather soup"
        wanted = {"operator": "OR", "conditions": [wanted, {"body": "soup"}]} if wanted else wanted
        both = {"operator": "AND", "conditions": [{"inMailbox": "M1"}, wanted]}
        result = await jmap.call("Email/query", filter=both, sort=DESCENDING, **page)
    assert ([ids.index(one) for one in result["ids"]], result["position"]) == (found, position)
    assert result["canCalculateChanges"] is False
    assert ("limit" in result) == ("limit" not in page)


@pytest.mark.parametrize("wanted", [{"inMailbox": "M1"}, {"inMailbox": "M1", "text": "e"}], ids=["rows", "texts"])
async def test_collapsed_threads(wanted: dict[str, Any]) -> None:
    async with jmap_server() as jmap:
        ids = await shelf(jmap)
        arguments = {"filter": wanted, "sort": DESCENDING, "collapseThreads": True, "calculateTotal": True}
        result = await jmap.call("Email/query", **arguments)
        assert [ids.index(one) for one in result["ids"]] == [4, 3]
        assert result["total"] == 2
        result = await jmap.call("Email/query", **arguments, limit=1)
        assert ([ids.index(one) for one in result["ids"]], result["total"]) == ([4], 2)


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ([], [4, 3, 2, 1, 0]),
        ([{"property": "receivedAt"}], [0, 1, 2, 3, 4]),
        ([{"property": "subject"}, {"property": "receivedAt"}], [0, 1, 4, 3, 2]),
        ([{"property": "from", "isAscending": False}, {"property": "receivedAt"}], [2, 0, 1, 3, 4]),
        ([{"property": "hasKeyword", "keyword": "$flagged", "isAscending": False}], [1, 4, 3, 2, 0]),
        (
            [{"property": "someInThreadHaveKeyword", "keyword": "$flagged", "isAscending": False}],
            [4, 1, 0, 3, 2],
        ),
    ],
    ids=repr,
)
async def test_sorts(sort: list[dict[str, Any]], found: list[int]) -> None:
    async with jmap_server() as jmap:
        ids = await shelf(jmap)
        await jmap.call("Email/set", update={ids[1]: {"keywords/$flagged": True}})
        assert await numbers(jmap, ids, sort=sort) == found


def nested(depth: int) -> dict[str, Any]:
    wanted: dict[str, Any] = {"text": "x"}
    for _ in range(depth):
        wanted = {"operator": "NOT", "conditions": [wanted]}
    return wanted


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"filter": {"nonsense": 1}}, "unsupportedFilter"),
        ({"filter": {"inMailbox": 1}}, "invalidArguments"),
        ({"filter": {"minSize": -1}}, "invalidArguments"),
        ({"filter": {"minSize": True}}, "invalidArguments"),
        ({"filter": {"before": "yesterday"}}, "invalidArguments"),
        ({"filter": {"before": "2026-03-02T10:00:00"}}, "invalidArguments"),
        ({"filter": {"header": []}}, "invalidArguments"),
        ({"filter": {"header": ["a", "b", "c"]}}, "invalidArguments"),
        ({"filter": {"operator": "AND", "conditions": [], "x": 1}}, "invalidArguments"),
        ({"filter": nested(50)}, "invalidArguments"),
        ({"filter": {"operator": "OR", "conditions": [{}] * 200}}, "invalidArguments"),
        ({"sort": [{"property": "nonsense"}]}, "unsupportedSort"),
        ({"sort": [{"property": "hasKeyword"}]}, "invalidArguments"),
        ({"anchor": "E99"}, "anchorNotFound"),
        ({"limit": -1}, "invalidArguments"),
        ({"position": "0"}, "invalidArguments"),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_refused(arguments: dict[str, Any], kind: str) -> None:
    async with jmap_server() as jmap:
        assert (await jmap.refusal("Email/query", **arguments))["type"] == kind


@pytest.mark.parametrize(
    "settings",
    [JmapSettings(scan_rows=3), JmapSettings(search_octets=500), JmapSettings(search_s=-1.0)],
    ids=["rows", "octets", "seconds"],
)
async def test_a_search_ends_at_its_budget_and_says_so(settings: JmapSettings) -> None:
    async with jmap_server(settings) as jmap:
        ids = await shelf(jmap)
        error = await jmap.refusal("Email/query", filter={"body": "nothing has this"})
        assert error["type"] == "unsupportedFilter"
        assert await numbers(jmap, ids, filter={"inMailbox": "M1"}, limit=2) == [4, 3]


async def test_texts_read_once_are_remembered() -> None:
    async with jmap_server(JmapSettings(search_octets=2_000)) as jmap:
        ids = await shelf(jmap)
        for _ in range(5):
            assert await numbers(jmap, ids, filter={"body": "pizza"}) == [2, 0]


async def test_an_account_with_many_results_is_told_the_limit() -> None:
    async with jmap_server(JmapSettings(max_results=2)) as jmap:
        ids = await shelf(jmap)
        result = await jmap.call("Email/query", limit=10, calculateTotal=True)
        assert ([ids.index(one) for one in result["ids"]], result["limit"], result["total"]) == ([4, 3], 2, 5)


async def test_the_page_a_client_opens_with() -> None:
    """RFC 8621 §4.10: query, emails by reference, threads by reference, emails of threads by reference."""
    async with jmap_server() as jmap:
        ids = await shelf(jmap)
        answers = await jmap.calls(
            (
                "Email/query",
                {"filter": {"inMailbox": "M1"}, "sort": DESCENDING, "collapseThreads": True, "limit": 30},
                "0",
            ),
            (
                "Email/get",
                {"#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"}, "properties": ["threadId"]},
                "1",
            ),
            (
                "Thread/get",
                {"#ids": {"resultOf": "1", "name": "Email/get", "path": "/list/*/threadId"}},
                "2",
            ),
            (
                "Email/get",
                {
                    "#ids": {"resultOf": "2", "name": "Thread/get", "path": "/list/*/emailIds"},
                    "properties": ["threadId", "subject"],
                },
                "3",
            ),
        )
    assert [name for name, _, _ in answers] == ["Email/query", "Email/get", "Thread/get", "Email/get"]
    assert [ids.index(one["id"]) for one in answers[3][1]["list"]] == [0, 1, 4, 3]


async def test_snippets_show_where_words_were_found() -> None:
    async with jmap_server() as jmap:
        ids = await shelf(jmap)
        wanted = {
            "operator": "AND",
            "conditions": [{"text": "pizza"}, {"operator": "NOT", "conditions": [{"text": "at"}]}],
        }
        result = await jmap.call("SearchSnippet/get", filter=wanted, emailIds=[ids[0], ids[3], "E99"])
        assert result["notFound"] == ["E99"]
        assert result["list"] == [
            {"emailId": ids[0], "subject": None, "preview": "<mark>Pizza</mark> at noon?"},
            {"emailId": ids[3], "subject": None, "preview": None},
        ]
        result = await jmap.call("SearchSnippet/get", filter={"text": "nine lunch"}, emailIds=[ids[3], ids[0]])
        assert result["list"][0]["preview"] == "<mark>Nine</mark>ty &lt;b&gt;<mark>nine</mark>&lt;/b&gt; &amp; more"
        assert result["list"][1]["subject"] == "<mark>Lunch</mark>"
