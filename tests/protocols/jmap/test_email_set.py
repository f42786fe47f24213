"""RFC 8621 §4.6 to §4.9: flag, file, write, import, parse, destroy."""

from typing import Any

import pytest

from store.mail.moves import Moved
from store.message.mime import parse_message
from tests.support.jmap_server import Jmap, jmap_server
from tests.support.mail_store import Letter, assert_sound, deliver


async def delivered(jmap: Jmap, **keywords: bool) -> str:
    email = await deliver(jmap.store, jmap.account, Letter().octets(), keywords=frozenset(keywords))
    return f"E{email.id}"


async def shown(jmap: Jmap, email: str, *properties: str) -> dict[str, Any]:
    result = await jmap.call("Email/get", ids=[email], properties=list(properties))
    found: dict[str, Any] = result["list"][0]
    return found


@pytest.mark.parametrize(
    ("patch", "keywords", "mailboxes"),
    [
        ({"keywords/$seen": True}, {"$flagged", "$seen"}, {"M1"}),
        ({"keywords/$FLAGGED": None}, set(), {"M1"}),
        ({"keywords": {"$Draft": True}}, {"$draft"}, {"M1"}),
        ({"keywords/a~1b": True}, {"$flagged", "a/b"}, {"M1"}),
        ({"keywords/x": None}, {"$flagged"}, {"M1"}),
        ({"mailboxIds/M4": True}, {"$flagged"}, {"M1", "M4"}),
        ({"mailboxIds/M4": True, "mailboxIds/M1": None}, {"$flagged"}, {"M4"}),
        ({"mailboxIds": {"M5": True}, "keywords": {}}, set(), {"M5"}),
        ({}, {"$flagged"}, {"M1"}),
    ],
    ids=lambda value: repr(sorted(value)) if isinstance(value, set) else repr(value),
)
async def test_updates(patch: dict[str, Any], keywords: set[str], mailboxes: set[str]) -> None:
    async with jmap_server() as jmap:
        email = await deliver(jmap.store, jmap.account, Letter().octets(), keywords=frozenset({"$flagged"}))
        result = await jmap.call("Email/set", update={f"E{email.id}": patch})
        assert result["updated"] == {f"E{email.id}": None}
        now = await shown(jmap, f"E{email.id}", "keywords", "mailboxIds")
        assert (set(now["keywords"]), set(now["mailboxIds"])) == (keywords, mailboxes)
        await assert_sound(jmap.store)


@pytest.mark.parametrize(
    ("patch", "kind"),
    [
        ({"keywords/$seen": False}, "invalidProperties"),
        ({"keywords/$seen": 1}, "invalidProperties"),
        ({"keywords": ["$seen"]}, "invalidProperties"),
        ({"keywords": {"bad keyword": True}}, "invalidProperties"),
        ({"keywords": {"": True}}, "invalidProperties"),
        ({"keywords": {f"k{n}": True for n in range(101)}}, "invalidProperties"),
        ({"keywords": {}, "keywords/x": True}, "invalidPatch"),
        ({"keywords/a/b": True}, "invalidPatch"),
        ({"mailboxIds": {}}, "invalidProperties"),
        ({"mailboxIds/M1": None}, "invalidProperties"),
        ({"mailboxIds/M99": True}, "invalidProperties"),
        ({"mailboxIds": {"nonsense": True}}, "invalidProperties"),
        ({"subject": "new"}, "invalidProperties"),
        ({"keywords/$seen": True, "receivedAt": "2026-03-02T10:00:00Z"}, "invalidProperties"),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_updates_refused_change_nothing(patch: dict[str, Any], kind: str) -> None:
    async with jmap_server() as jmap:
        email = await delivered(jmap)
        result = await jmap.call("Email/set", update={email: patch, "E99": {}})
        assert result["notUpdated"][email]["type"] == kind
        assert result["notUpdated"]["E99"] == {"type": "notFound"}
        assert result["oldState"] == result["newState"]


async def test_destroy_and_changes() -> None:
    async with jmap_server() as jmap:
        gone, kept = await delivered(jmap), await delivered(jmap)
        state = (await jmap.call("Email/get", ids=[]))["state"]
        result = await jmap.call(
            "Email/set", ifInState=state, destroy=[gone, "E99", gone], update={kept: {"keywords/$seen": True}}
        )
        assert result["destroyed"] == [gone]
        assert result["notDestroyed"] == {"E99": {"type": "notFound"}}
        changes = await jmap.call("Email/changes", sinceState=state)
        assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [kept], [gone])
        assert changes["newState"] == result["newState"]
        await assert_sound(jmap.store)


async def test_changes_in_pieces_lead_to_the_present() -> None:
    async with jmap_server() as jmap:
        emails = [await delivered(jmap) for _ in range(5)]
        state = start = (await jmap.call("Email/get", ids=[]))["state"]
        await jmap.call("Email/set", update={email: {"keywords/$seen": True} for email in emails})
        updated: list[str] = []
        more = True
        while more:
            changes = await jmap.call("Email/changes", sinceState=state, maxChanges=2)
            assert len(changes["updated"]) <= 2
            updated += changes["updated"]
            state, more = changes["newState"], changes["hasMoreChanges"]
        assert updated == emails
        assert state == (await jmap.call("Email/get", ids=[]))["state"]
        assert (await jmap.call("Email/changes", sinceState=start))["updated"] == emails


async def test_create_a_draft() -> None:
    async with jmap_server() as jmap:
        result = await jmap.call(
            "Email/set",
            create={
                "d": {
                    "mailboxIds": {"M2": True},
                    "keywords": {"$draft": True, "$seen": True},
                    "receivedAt": "2026-01-02T03:04:05Z",
                    "from": [{"name": "Bob Ünder", "email": "bob@b.example"}],
                    "to": [{"name": None, "email": "ann@a.example"}, {"name": "Carl, C.", "email": "carl@c.example"}],
                    "subject": "Grüße",
                    "sentAt": "2026-01-02T03:04:05+01:00",
                    "inReplyTo": ["one@a.example"],
                    "references": ["zero@a.example", "one@a.example"],
                    "header:X-Mood:asText": "sunny",
                    "textBody": [{"partId": "t", "type": "text/plain"}],
                    "htmlBody": [{"partId": "h", "type": "text/html"}],
                    "bodyValues": {"t": {"value": "Schöne Grüße\n"}, "h": {"value": "<p>Schöne Grüße</p>"}},
                }
            },
        )
        made = result["created"]["d"]
        email = (await jmap.call("Email/get", ids=[made["id"]], fetchAllBodyValues=True))["list"][0]
        octets = (await jmap.client.get(f"/jmap/download/A1/{made['blobId']}/mail.eml")).content
    assert (set(email["mailboxIds"]), set(email["keywords"])) == ({"M2"}, {"$draft", "$seen"})
    assert email["receivedAt"] == "2026-01-02T03:04:05Z"
    assert email["sentAt"] == "2026-01-02T02:04:05Z"
    assert email["from"] == [{"name": "Bob Ünder", "email": "bob@b.example"}]
    assert email["to"][1] == {"name": "Carl, C.", "email": "carl@c.example"}
    assert (email["subject"], email["inReplyTo"]) == ("Grüße", ["one@a.example"])
    assert email["references"] == ["zero@a.example", "one@a.example"]
    values = [email["bodyValues"][part["partId"]]["value"] for part in (email["textBody"][0], email["htmlBody"][0])]
    assert values == ["Schöne Grüße\n", "<p>Schöne Grüße</p>\n"]
    assert (made["size"], made["blobId"]) == (len(octets), email["blobId"])
    message = parse_message(octets)
    assert [defect.name for defect in message.defects] == []
    assert message.headers.text("X-Mood") == "sunny"
    assert b"\n" not in octets.replace(b"\r\n", b"")


async def test_create_with_attachments_and_a_structure_of_ones_own() -> None:
    async with jmap_server() as jmap:
        pixel = (
            await jmap.client.post("/jmap/upload/A1", content=b"\x89PNG", headers={"Content-Type": "image/png"})
        ).json()
        inner = (await jmap.client.post("/jmap/upload/A1", content=Letter().octets())).json()
        picture = {
            "blobId": pixel["blobId"],
            "type": "image/png",
            "name": "Ü.png",
            "cid": "p@b",
            "disposition": "inline",
        }
        result = await jmap.call(
            "Email/set",
            create={
                "a": {
                    "mailboxIds": {"M2": True},
                    "textBody": [{"partId": "t"}],
                    "bodyValues": {"t": {"value": "See below"}},
                    "attachments": [picture, {"blobId": inner["blobId"], "type": "message/rfc822"}],
                },
                "b": {
                    "mailboxIds": {"M2": True},
                    "bodyStructure": {
                        "type": "multipart/related",
                        "subParts": [{"partId": "h", "type": "text/html"}, picture],
                    },
                    "bodyValues": {"h": {"value": "<img src=cid:p@b>"}},
                },
            },
        )
        assert result["notCreated"] is None
        ids = [result["created"][key]["id"] for key in ("a", "b")]
        first, second = (await jmap.call("Email/get", ids=ids, properties=["bodyStructure", "attachments"]))["list"]
        assert [part["type"] for part in first["bodyStructure"]["subParts"]] == [
            "text/plain",
            "image/png",
            "message/rfc822",
        ]
        assert first["bodyStructure"]["subParts"][1]["name"] == "Ü.png"
        assert first["attachments"][-1]["disposition"] == "attachment"
        assert second["bodyStructure"]["type"] == "multipart/related"
        assert second["bodyStructure"]["subParts"][1]["cid"] == "p@b"
        part = second["bodyStructure"]["subParts"][1]["blobId"]
        assert (await jmap.client.get(f"/jmap/download/A1/{part}/p.png")).content == b"\x89PNG"
        await assert_sound(jmap.store)


BASE = {"mailboxIds": {"M2": True}}


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({}, "invalidProperties"),
        ({"mailboxIds": {}}, "invalidProperties"),
        ({"mailboxIds": {"M99": True}}, "invalidProperties"),
        ({**BASE, "nonsense": 1}, "invalidProperties"),
        ({**BASE, "size": 5}, "invalidProperties"),
        ({**BASE, "receivedAt": "now"}, "invalidProperties"),
        ({**BASE, "subject": "a\r\nBcc: eve@e.example"}, "invalidProperties"),
        ({**BASE, "subject": 5}, "invalidProperties"),
        ({**BASE, "header:X-A": "a\nBcc: eve@e.example"}, "invalidProperties"),
        ({**BASE, "header:Subject:asText": "a", "subject": "b"}, "invalidProperties"),
        ({**BASE, "header:Content-Type": "text/html"}, "invalidProperties"),
        ({**BASE, "header:X-A:all": ["a"]}, "invalidProperties"),
        ({**BASE, "header:X-A:asDate": "never"}, "invalidProperties"),
        ({**BASE, "from": [{"email": "a@b\r\nBcc: eve@e.example"}]}, "invalidProperties"),
        ({**BASE, "from": "ann@a.example"}, "invalidProperties"),
        ({**BASE, "messageId": ["a> <b"]}, "invalidProperties"),
        ({**BASE, "textBody": [{"partId": "t"}]}, "invalidProperties"),
        ({**BASE, "textBody": [{"partId": "t"}, {"partId": "t"}]}, "invalidProperties"),
        ({**BASE, "textBody": [{"partId": "t", "type": "text/html"}]}, "invalidProperties"),
        ({**BASE, "attachments": [{"blobId": "B" + "0" * 64}]}, "blobNotFound"),
        ({**BASE, "attachments": [{"blobId": "nonsense"}]}, "blobNotFound"),
        ({**BASE, "attachments": ["x"]}, "invalidProperties"),
        ({**BASE, "bodyStructure": {"type": "multipart/mixed"}}, "invalidProperties"),
        ({**BASE, "bodyStructure": {"type": "text"}}, "invalidProperties"),
        ({**BASE, "bodyStructure": {"type": "text/plain"}, "textBody": [{"partId": "t"}]}, "invalidProperties"),
    ],
    ids=lambda value: repr(value)[26:80],
)
async def test_create_refused(properties: dict[str, Any], kind: str) -> None:
    async with jmap_server() as jmap:
        result = await jmap.call("Email/set", create={"a": properties})
        assert result["notCreated"]["a"]["type"] == kind
        assert result["oldState"] == result["newState"]


async def test_a_part_that_contains_itself_many_times_is_refused() -> None:
    part: dict[str, Any] = {"type": "text/plain", "partId": "t"}
    for _ in range(30):
        part = {"type": "multipart/mixed", "subParts": [part]}
    async with jmap_server() as jmap:
        create = {"a": {**BASE, "bodyStructure": part, "bodyValues": {"t": {"value": ""}}}}
        result = await jmap.call("Email/set", create=create)
    assert result["notCreated"]["a"]["type"] == "invalidProperties"


async def test_made_and_changed_in_one_request_by_creation_ids() -> None:
    async with jmap_server() as jmap:
        answers = await jmap.calls(
            ("Mailbox/set", {"create": {"box": {"name": "Work"}}}, "0"),
            ("Email/set", {"create": {"mail": {"mailboxIds": {"#box": True}}}}, "1"),
            ("Email/set", {"update": {"#mail": {"keywords/$seen": True, "mailboxIds/M1": True}}}, "2"),
            ("Email/get", {"ids": ["#mail"], "properties": ["keywords", "mailboxIds"]}, "3"),
            ("Email/query", {"filter": {"inMailbox": "#box"}}, "4"),
        )
        box, mail = answers[0][1]["created"]["box"]["id"], answers[1][1]["created"]["mail"]["id"]
        assert answers[3][1]["list"] == [
            {"id": mail, "keywords": {"$seen": True}, "mailboxIds": {"M1": True, box: True}}
        ]
        assert answers[4][1]["ids"] == [mail]


async def test_import_and_parse() -> None:
    async with jmap_server() as jmap:
        octets = Letter("Imported", extra=("X-Note: yes",)).octets()
        blob = (await jmap.client.post("/jmap/upload/A1", content=octets)).json()["blobId"]
        parsed = await jmap.call(
            "Email/parse",
            blobIds=[blob, "B" + "0" * 64],
            properties=["subject", "blobId", "id", "size", "header:X-Note:asText", "bodyValues"],
            fetchTextBodyValues=True,
        )
        assert parsed["notFound"] == ["B" + "0" * 64]
        assert parsed["parsed"][blob] == {
            "id": None,
            "subject": "Imported",
            "blobId": blob,
            "size": len(octets),
            "header:X-Note:asText": "yes",
            "bodyValues": {"1": {"value": "See you at noon.\n", "isTruncated": False, "isEncodingProblem": False}},
        }
        result = await jmap.call(
            "Email/import",
            emails={
                "a": {"blobId": blob, "mailboxIds": {"M6": True}, "keywords": {"$Seen": True}},
                "b": {"blobId": "B" + "0" * 64, "mailboxIds": {"M6": True}},
                "c": {"blobId": blob, "mailboxIds": {"M99": True}},
                "d": {"blobId": blob},
            },
        )
        assert set(result["notCreated"]) == {"b", "c", "d"}
        now = await shown(jmap, result["created"]["a"]["id"], "keywords", "mailboxIds", "blobId", "receivedAt")
        assert (set(now["keywords"]), set(now["mailboxIds"]), now["blobId"]) == ({"$seen"}, {"M6"}, blob)
        assert now["receivedAt"] == "2026-03-02T10:00:00Z"
        await assert_sound(jmap.store)


async def test_a_mail_attached_to_a_mail_is_parsed_by_its_parts_blob() -> None:
    inner = Letter("Inside").octets().decode()
    outer = (
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n"
    )
    async with jmap_server() as jmap:
        email = await deliver(jmap.store, jmap.account, outer.encode())
        part = (await jmap.call("Email/get", ids=[f"E{email.id}"], properties=["attachments"]))["list"][0][
            "attachments"
        ][0]
        parsed = await jmap.call("Email/parse", blobIds=[part["blobId"]], properties=["subject", "from"])
    assert parsed["parsed"][part["blobId"]]["subject"] == "Inside"


@pytest.mark.parametrize(
    ("patch", "roles"),
    [
        ({"mailboxIds": {"M4": True}}, [("inbox", "junk")]),
        ({"mailboxIds/M4": True}, [("inbox", "junk")]),
        ({"mailboxIds": {"M4": True, "M6": True}}, [("inbox", "junk")]),
        ({"mailboxIds": {"M5": True}}, [("inbox", "trash")]),
        ({"mailboxIds": {"M1": True}}, []),
        ({"keywords/$seen": True}, []),
        ({"keywords/$junk": True}, [("", "junk")]),
        ({"keywords/$notjunk": True}, [("junk", "")]),
        ({"keywords/$junk": True, "keywords/$notjunk": True}, []),
        ({"keywords/$junk": True, "mailboxIds": {"M4": True}}, [("inbox", "junk")]),
        ({"mailboxIds": {"M99": True}}, []),
    ],
    ids=repr,
)
async def test_who_learns_is_told_of_moves(patch: dict[str, Any], roles: list[tuple[str, str]]) -> None:
    moves: list[Moved] = []
    async with jmap_server(on_moved=moves.append) as jmap:
        email = await delivered(jmap)
        await jmap.call("Email/set", update={email: patch})
        assert [(move.source_role, move.target_role) for move in moves] == roles
        assert all(move.account == jmap.account.id and f"E{move.emails[0]}" == email for move in moves)
