"""Quota objects, overQuota, and a change log that does not reach back far enough."""

from typing import Any

import pytest

from protocols.jmap.context import CORE, MAIL, QUOTA
from store.changes import history
from store.mail import emails, quota
from store.upkeep.accounts import look_after
from tests.support.jmap_server import Jmap, jmap_server
from tests.support.mail_store import Letter, deliver

LETTER = Letter().octets()


async def ask(jmap: Jmap, name: str, **arguments: Any) -> tuple[str, Any]:
    body = {"using": [CORE, MAIL, QUOTA], "methodCalls": [[name, {"accountId": "A1", **arguments}, "c"]]}
    response = await jmap.client.post("/jmap/api", json=body)
    assert response.status_code == 200, response.text
    found = response.json()["methodResponses"][0]
    return found[0], found[1]


async def limit(jmap: Jmap, mails: int, octets: int = 0) -> None:
    await jmap.store.write(lambda txn: quota.limit(txn.account(jmap.account.id), most_mails=mails, most_octets=octets))


async def test_only_what_is_limited_has_a_quota() -> None:
    async with jmap_server() as jmap:
        await deliver(jmap.store, jmap.account, LETTER)
        assert (await ask(jmap, "Quota/get"))[1]["list"] == []
        await limit(jmap, 10, 5_000)
        found = {one["id"]: one for one in (await ask(jmap, "Quota/get"))[1]["list"]}
        assert found["storage"]["used"] == len(LETTER)
        assert found["storage"]["hardLimit"] == 5_000
        assert (found["storage"]["resourceType"], found["messages"]["resourceType"]) == ("octets", "count")
        assert (found["messages"]["used"], found["messages"]["scope"]) == (1, "account")
        one = (await ask(jmap, "Quota/get", ids=["messages", "none"], properties=["used"]))[1]
        assert (one["list"], one["notFound"]) == ([{"id": "messages", "used": 1}], ["none"])


async def test_the_state_of_quotas_moves_with_the_mail() -> None:
    async with jmap_server() as jmap:
        await limit(jmap, 10)
        state = (await ask(jmap, "Quota/get"))[1]["state"]
        unchanged = (await ask(jmap, "Quota/changes", sinceState=state))[1]
        assert (unchanged["newState"], unchanged["updated"]) == (state, [])
        await deliver(jmap.store, jmap.account, LETTER)
        assert (await ask(jmap, "Quota/changes", sinceState=state))[1]["type"] == "cannotCalculateChanges"


QUERIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all": ({}, ["storage", "messages"]),
    "by name": ({"filter": {"name": "mess"}}, ["messages"]),
    "by kind": ({"filter": {"resourceType": "octets", "scope": "account"}}, ["storage"]),
    "by type": ({"filter": {"type": "Calendar"}}, []),
    "not": ({"filter": {"operator": "NOT", "conditions": [{"name": "mess"}]}}, ["storage"]),
    "sorted": ({"sort": [{"property": "name"}]}, ["messages", "storage"]),
    "sorted down": ({"sort": [{"property": "used", "isAscending": False}]}, ["storage", "messages"]),
}


@pytest.mark.parametrize(("arguments", "expected"), QUERIES.values(), ids=QUERIES)
async def test_quotas_are_queried(arguments: dict[str, Any], expected: list[str]) -> None:
    async with jmap_server() as jmap:
        await deliver(jmap.store, jmap.account, LETTER)
        await limit(jmap, 10, 5_000)
        assert (await ask(jmap, "Quota/query", **arguments))[1]["ids"] == expected


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"filter": {"colour": "red"}}, "unsupportedFilter"),
        ({"filter": {"name": 1}}, "invalidArguments"),
        ({"sort": [{"property": "hardLimit"}]}, "unsupportedSort"),
    ],
    ids=["unknown condition", "wrong type", "unknown sort"],
)
async def test_a_query_that_cannot_be_is_refused(arguments: dict[str, Any], kind: str) -> None:
    async with jmap_server() as jmap:
        assert (await ask(jmap, "Quota/query", **arguments))[1]["type"] == kind


async def test_a_mail_that_does_not_fit_is_over_quota_and_others_are_not_concerned() -> None:
    async with jmap_server() as jmap:
        await limit(jmap, 1)
        mail = {"mailboxIds": {"M1": True}, "subject": "x", "bodyValues": {}, "from": [{"email": "bob@b.example"}]}
        _, answer = await ask(jmap, "Email/set", create={"a": mail, "b": mail})
        assert list(answer["created"]) == ["a"]
        assert answer["notCreated"]["b"]["type"] == "overQuota"


async def test_changes_that_are_forgotten_cannot_be_calculated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BATCH", 3)
    async with jmap_server() as jmap:
        _, before = await ask(jmap, "Email/get", ids=[])
        mail = await deliver(jmap.store, jmap.account, LETTER)
        for number in range(20):
            await jmap.store.write(
                lambda txn, n=number: emails.set_keywords(txn.account(jmap.account.id), mail.id, {f"k{n}"})  # type: ignore[misc]
            )
        _, late = await ask(jmap, "Email/get", ids=[])
        await look_after(jmap.store, 5)
        assert (await ask(jmap, "Email/changes", sinceState=before["state"]))[1]["type"] == "cannotCalculateChanges"
        recent = (await ask(jmap, "Email/changes", sinceState=str(int(late["state"]) - 5)))[1]
        assert recent["updated"] == [f"E{mail.id}"]
