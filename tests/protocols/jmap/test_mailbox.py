"""RFC 8621 §2: mailboxes are got, found, made, renamed and removed."""

from typing import Any

import pytest

from tests.support.jmap_server import Jmap, jmap_server
from tests.support.mail_store import Letter, assert_sound, deliver


async def test_get_all_with_counts_and_rights() -> None:
    async with jmap_server() as jmap:
        await deliver(jmap.store, jmap.account, Letter(message_id="1@a").octets())
        await deliver(jmap.store, jmap.account, Letter(message_id="2@a", references=("1@a",)).octets())
        result = await jmap.call("Mailbox/get", ids=None)
    inbox = result["list"][0]
    assert [one["role"] for one in result["list"]] == ["inbox", "drafts", "sent", "junk", "trash", "archive"]
    assert {k: inbox[k] for k in inbox if k.startswith(("total", "unread"))} == {
        "totalEmails": 2,
        "unreadEmails": 2,
        "totalThreads": 1,
        "unreadThreads": 1,
    }
    assert inbox["myRights"]["mayReadItems"] is True
    assert (inbox["myRights"]["mayDelete"], inbox["myRights"]["mayRename"]) == (False, False)
    assert inbox["parentId"] is None


async def test_get_some_properties_and_what_is_not_there() -> None:
    async with jmap_server() as jmap:
        result = await jmap.call("Mailbox/get", ids=["M4", "M99", "nonsense", "M4"], properties=["name"])
    assert result["list"] == [{"id": "M4", "name": "Junk"}]
    assert result["notFound"] == ["M99", "nonsense"]


async def tree(jmap: Jmap) -> dict[str, str]:
    """Work, Work/Old, Work/New, Play; ids by name. Children are given before their parent."""
    result = await jmap.call(
        "Mailbox/set",
        create={
            "old": {"name": "Old", "parentId": "#work", "sortOrder": 3},
            "new": {"name": "New", "parentId": "#work", "sortOrder": 2, "isSubscribed": False},
            "work": {"name": "Work", "sortOrder": 30},
            "play": {"name": "Play", "sortOrder": 20},
        },
    )
    assert result["notCreated"] is None
    return {name: one["id"] for name, one in result["created"].items()}


async def test_create_tells_what_the_server_set() -> None:
    async with jmap_server() as jmap:
        result = await jmap.call("Mailbox/set", create={"a": {"name": "Work"}})
        assert result["oldState"] != result["newState"]
        made = result["created"]["a"]
        assert made["totalEmails"] == 0
        assert made["sortOrder"] == 10
        assert "name" not in made
        assert (await jmap.call("Mailbox/changes", sinceState=result["oldState"]))["created"] == [made["id"]]


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({}, ["name"]),
        ({"name": "a/b"}, ["name"]),
        ({"name": "Junk"}, ["name"]),
        ({"name": "inbox"}, ["name"]),
        ({"name": "x", "parentId": "M99"}, ["parentId"]),
        ({"name": "x", "parentId": "#nobody"}, ["parentId"]),
        ({"name": "x", "role": "inbox"}, ["role"]),
        ({"name": "x", "role": "nonsense"}, ["role"]),
        ({"name": "x", "totalEmails": 5}, ["totalEmails"]),
        ({"name": 5}, ["name"]),
        ({"name": "x", "sortOrder": -1}, ["name", "sortOrder"]),
    ],
    ids=repr,
)
async def test_create_refused(properties: dict[str, Any], named: list[str]) -> None:
    async with jmap_server() as jmap:
        result = await jmap.call("Mailbox/set", create={"a": properties, "b": {"name": "Fine"}})
        assert result["notCreated"]["a"]["type"] == "invalidProperties"
        assert result["notCreated"]["a"]["properties"] == named
        assert list(result["created"]) == ["b"]


async def test_mailboxes_that_are_each_others_parents_are_refused() -> None:
    async with jmap_server() as jmap:
        circle = {"a": {"name": "A", "parentId": "#b"}, "b": {"name": "B", "parentId": "#a"}}
        result = await jmap.call("Mailbox/set", create=circle)
    assert set(result["notCreated"]) == {"a", "b"}


async def test_rename_move_and_unsubscribe() -> None:
    async with jmap_server() as jmap:
        made = await tree(jmap)
        state = (await jmap.call("Mailbox/get", ids=[]))["state"]
        result = await jmap.call(
            "Mailbox/set",
            ifInState=state,
            update={made["old"]: {"name": "Older", "parentId": made["play"], "isSubscribed": False, "totalEmails": 0}},
        )
        assert result["updated"] == {made["old"]: None}
        shown = (await jmap.call("Mailbox/get", ids=[made["old"]]))["list"][0]
        assert (shown["name"], shown["parentId"], shown["isSubscribed"]) == ("Older", made["play"], False)
        changes = await jmap.call("Mailbox/changes", sinceState=state)
        assert (changes["updated"], changes["updatedProperties"]) == ([made["old"]], None)


@pytest.mark.parametrize(
    ("which", "patch", "kind"),
    [
        ("M1", {"name": "Eingang"}, "forbidden"),
        ("M1", {"role": None}, "forbidden"),
        ("M1", {"parentId": "M2"}, "forbidden"),
        ("M99", {"name": "x"}, "notFound"),
        ("M4", {"name": "Trash"}, "invalidProperties"),
        ("M4", {"parentId": "M4"}, "invalidProperties"),
        ("M4", {"role": "inbox"}, "invalidProperties"),
        ("M4", {"totalEmails": 7}, "invalidProperties"),
        ("M4", {"name": None}, "invalidProperties"),
    ],
    ids=repr,
)
async def test_update_refused(which: str, patch: dict[str, Any], kind: str) -> None:
    async with jmap_server() as jmap:
        result = await jmap.call("Mailbox/set", update={which: patch})
        assert result["notUpdated"][which]["type"] == kind
        assert result["oldState"] == result["newState"]


async def test_destroy_parents_and_children_in_any_order() -> None:
    async with jmap_server() as jmap:
        made = await tree(jmap)
        alone = await jmap.call("Mailbox/set", destroy=[made["work"]])
        assert alone["notDestroyed"] == {made["work"]: {"type": "mailboxHasChild"}}
        together = await jmap.call("Mailbox/set", destroy=[made["work"], made["old"], made["new"]])
        assert set(together["destroyed"]) == {made["work"], made["old"], made["new"]}


async def test_destroy_with_mail_inside() -> None:
    async with jmap_server() as jmap:
        made = await tree(jmap)
        only_here = await deliver(jmap.store, jmap.account, Letter(message_id="1@a").octets())
        also_there = await deliver(jmap.store, jmap.account, Letter(message_id="2@a").octets())
        await jmap.call(
            "Email/set",
            update={
                f"E{only_here.id}": {"mailboxIds": {made["play"]: True}},
                f"E{also_there.id}": {f"mailboxIds/{made['play']}": True},
            },
        )
        refused = await jmap.call("Mailbox/set", destroy=[made["play"]])
        assert refused["notDestroyed"] == {made["play"]: {"type": "mailboxHasEmail"}}
        done = await jmap.call("Mailbox/set", destroy=[made["play"]], onDestroyRemoveEmails=True)
        assert done["destroyed"] == [made["play"]]
        left = await jmap.call("Email/get", ids=[f"E{only_here.id}", f"E{also_there.id}"], properties=["mailboxIds"])
        assert left["notFound"] == [f"E{only_here.id}"]
        assert left["list"][0]["mailboxIds"] == {"M1": True}
        await assert_sound(jmap.store)


async def test_inbox_keeps_its_mail_and_itself() -> None:
    async with jmap_server() as jmap:
        await deliver(jmap.store, jmap.account, Letter().octets())
        result = await jmap.call("Mailbox/set", destroy=["M1"], onDestroyRemoveEmails=True)
        assert result["notDestroyed"]["M1"]["type"] == "forbidden"
        assert (await jmap.call("Mailbox/get", ids=["M1"]))["list"][0]["totalEmails"] == 1


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"filter": {"role": "junk"}}, ["Junk"]),
        ({"filter": {"hasAnyRole": False}, "sort": [{"property": "name"}]}, ["New", "Old", "Play", "Work"]),
        ({"filter": {"parentId": None, "hasAnyRole": False}, "sort": [{"property": "sortOrder"}]}, ["Play", "Work"]),
        ({"filter": {"name": "OL"}}, ["Old"]),
        ({"filter": {"isSubscribed": False}}, ["New"]),
        (
            {"filter": {"operator": "OR", "conditions": [{"role": "junk"}, {"name": "work"}]}},
            ["Junk", "Work"],
        ),
        (
            {
                "filter": {
                    "operator": "NOT",
                    "conditions": [{"hasAnyRole": True}, {"operator": "AND", "conditions": [{"name": "o"}]}],
                }
            },
            ["Play", "New"],
        ),
        (
            {"filter": {"hasAnyRole": False}, "sort": [{"property": "sortOrder"}], "sortAsTree": True},
            ["Play", "Work", "New", "Old"],
        ),
        ({"filter": {"name": "l"}, "filterAsTree": True, "sort": [{"property": "name"}]}, ["Play"]),
        ({"sort": [{"property": "name", "isAscending": False}], "limit": 2}, ["Work", "Trash"]),
        ({"sort": [{"property": "name"}], "position": -1}, ["Work"]),
    ],
    ids=repr,
)
async def test_query(arguments: dict[str, Any], names: list[str]) -> None:
    async with jmap_server() as jmap:
        await tree(jmap)
        result = await jmap.call("Mailbox/query", calculateTotal=True, **arguments)
        shown = await jmap.call("Mailbox/get", ids=result["ids"], properties=["name"])
        assert [one["name"] for one in shown["list"]] == names
        assert result["canCalculateChanges"] is False
        if "limit" not in arguments and "position" not in arguments:
            assert result["total"] == len(names)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"filter": {"nonsense": 1}}, "unsupportedFilter"),
        ({"filter": {"name": 1}}, "invalidArguments"),
        ({"filter": {"operator": "XOR", "conditions": []}}, "invalidArguments"),
        ({"filter": {"operator": "AND", "conditions": [5]}}, "invalidArguments"),
        ({"sort": [{"property": "nonsense"}]}, "unsupportedSort"),
        ({"sort": [{}]}, "invalidArguments"),
        ({"anchor": "M99"}, "anchorNotFound"),
    ],
    ids=repr,
)
async def test_query_refused(arguments: dict[str, Any], kind: str) -> None:
    async with jmap_server() as jmap:
        assert (await jmap.refusal("Mailbox/query", **arguments))["type"] == kind


async def test_a_delivery_changes_counts_only() -> None:
    async with jmap_server() as jmap:
        state = (await jmap.call("Mailbox/get", ids=[]))["state"]
        await deliver(jmap.store, jmap.account, Letter().octets())
        changes = await jmap.call("Mailbox/changes", sinceState=state)
    assert changes["updated"] == ["M1"]
    assert set(changes["updatedProperties"]) == {"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}
    assert changes["hasMoreChanges"] is False
