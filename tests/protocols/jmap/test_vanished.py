"""A mail that is destroyed between the look at its row and the look at its octets was not there."""

import pytest

from tests.support.jmap_server import jmap_server
from tests.support.mail_store import Letter, deliver


@pytest.mark.parametrize(
    "wanted",
    [{"properties": ["id", "headers"]}, {"properties": ["id", "bodyValues"], "fetchAllBodyValues": True}],
    ids=["headers", "body"],
)
async def test_an_email_without_octets_is_not_found(wanted: dict[str, object]) -> None:
    async with jmap_server() as jmap:
        first = await deliver(jmap.store, jmap.account, Letter("One", "1@a.example").octets())
        second = await deliver(jmap.store, jmap.account, Letter("Two", "2@a.example").octets())
        await jmap.store.blobs.remove(first.blob)
        result = await jmap.call("Email/get", ids=[f"E{first.id}", f"E{second.id}"], **wanted)
    assert [one["id"] for one in result["list"]] == [f"E{second.id}"]
    assert result["notFound"] == [f"E{first.id}"]


async def test_rows_are_shown_without_their_octets() -> None:
    async with jmap_server() as jmap:
        email = await deliver(jmap.store, jmap.account, Letter("One").octets())
        await jmap.store.blobs.remove(email.blob)
        result = await jmap.call("Email/get", ids=[f"E{email.id}"], properties=["subject"])
    assert result["list"] == [{"id": f"E{email.id}", "subject": "One"}]
