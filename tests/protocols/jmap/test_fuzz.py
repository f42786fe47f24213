"""Whatever a client says, it is answered or refused; nothing is ever our defect, and the store stays sound."""

import asyncio
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protocols.http.problem import Problem
from protocols.jmap.api import parse_request, run_calls
from protocols.jmap.context import KNOWN, Context
from protocols.jmap.email_headers import grouped_addresses, parse_property
from protocols.jmap.errors import MethodError
from protocols.jmap.methods import METHODS
from protocols.jmap.settings import JmapSettings
from store.search.texts import Texts
from tests.support.jmap_server import NOW
from tests.support.mail_store import Letter, assert_sound, deliver, new_account, new_store

INTO = {"mailboxIds": {"M1": True}}
IDS = ["M1", "M4", "M99", "E7", "E8", "T7", "#a", "#b", "A1", "B" + "0" * 64, "", "x", "I1"]
NAMES = [
    "ids",
    "properties",
    "filter",
    "sort",
    "limit",
    "position",
    "anchor",
    "anchorOffset",
    "calculateTotal",
    "collapseThreads",
    "create",
    "update",
    "destroy",
    "ifInState",
    "sinceState",
    "maxChanges",
    "emails",
    "blobIds",
    "emailIds",
    "fetchAllBodyValues",
    "bodyProperties",
    "maxBodyValueBytes",
    "onDestroyRemoveEmails",
    "sortAsTree",
    "filterAsTree",
    "sinceQueryState",
    "#ids",
    "#blobIds",
]
WORDS = [
    "name",
    "parentId",
    "role",
    "sortOrder",
    "isSubscribed",
    "mailboxIds",
    "keywords",
    "keywords/$seen",
    "mailboxIds/M1",
    "mailboxIds/M4",
    "inMailbox",
    "from",
    "to",
    "subject",
    "text",
    "body",
    "header",
    "before",
    "after",
    "minSize",
    "operator",
    "conditions",
    "AND",
    "OR",
    "NOT",
    "property",
    "isAscending",
    "keyword",
    "receivedAt",
    "size",
    "textBody",
    "htmlBody",
    "bodyValues",
    "attachments",
    "bodyStructure",
    "partId",
    "blobId",
    "type",
    "subParts",
    "value",
    "multipart/mixed",
    "text/plain",
    "message/rfc822",
    "email",
    "header:X-A:asText",
    "header:To:asAddresses",
    "2026-03-02T10:00:00Z",
    "inbox",
    "junk",
    "Work",
    "resultOf",
    "path",
    "/ids",
    "/list/*/id",
    "0",
    "1",
    "hasKeyword",
    "messageId",
    "inReplyTo",
    "sentAt",
    "cid",
    "disposition",
    "id",
    "threadId",
    "preview",
    "headers",
    "$seen",
    "allInThreadHaveKeyword",
]
texts = st.one_of(st.sampled_from(IDS), st.sampled_from(WORDS), st.text(max_size=8))
scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([2**53, -(2**63)]), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
CREATE = [
    "subject",
    "from",
    "to",
    "sentAt",
    "messageId",
    "header:X-A:asText",
    "header:X-B",
    "header:To:asGroupedAddresses",
    "header:X-C:asURLs",
    "header:X-D:asDate",
    "textBody",
    "htmlBody",
    "attachments",
    "bodyStructure",
    "bodyValues",
    "keywords",
    "receivedAt",
]
PATCH = ["keywords", "mailboxIds", "keywords/$seen", "keywords/a~1b", "mailboxIds/M1", "mailboxIds/M4", "keywords/"]
PART = [
    "partId",
    "blobId",
    "type",
    "charset",
    "name",
    "disposition",
    "cid",
    "language",
    "location",
    "subParts",
    "header:X-A",
]
BOX = ["name", "parentId", "role", "sortOrder", "isSubscribed", "totalEmails"]
CONDITION = [
    "inMailbox",
    "inMailboxOtherThan",
    "before",
    "after",
    "minSize",
    "maxSize",
    "hasKeyword",
    "allInThreadHaveKeyword",
    "text",
    "body",
    "header",
    "from",
    "operator",
    "conditions",
    "hasAttachment",
]


def objects(names: list[str], inner: st.SearchStrategy[Any] = values) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), inner, max_size=5)


parts = objects(PART, st.one_of(values, st.lists(objects(PART), max_size=2)))
mails = objects(CREATE, st.one_of(values, parts, st.lists(parts, max_size=2))).map(lambda given: {**INTO, **given})
conditions = st.recursive(
    objects(CONDITION),
    lambda inner: st.fixed_dictionaries(
        {"operator": st.sampled_from(["AND", "OR", "NOT"]), "conditions": st.lists(inner, max_size=3)}
    ),
    max_leaves=5,
)
shaped = st.one_of(
    st.tuples(st.just("Email/set"), st.fixed_dictionaries({"create": st.fixed_dictionaries({"a": mails})})),
    st.tuples(st.just("Email/set"), st.fixed_dictionaries({"update": st.fixed_dictionaries({"E7": objects(PATCH)})})),
    st.tuples(
        st.just("Mailbox/set"), st.fixed_dictionaries({"create": st.dictionaries(texts, objects(BOX), max_size=3)})
    ),
    st.tuples(st.just("Mailbox/set"), st.fixed_dictionaries({"update": st.fixed_dictionaries({"M4": objects(BOX)})})),
    st.tuples(st.just("Email/query"), st.fixed_dictionaries({"filter": conditions})),
    st.tuples(st.just("Mailbox/query"), st.fixed_dictionaries({"filter": objects(BOX)})),
    st.tuples(
        st.just("Email/get"),
        st.fixed_dictionaries(
            {"ids": st.just(["E7"]), "properties": st.lists(st.sampled_from([*WORDS, *CREATE]), max_size=4)}
        ),
    ),
    st.tuples(st.sampled_from(sorted(METHODS)), st.dictionaries(st.sampled_from(NAMES), values, max_size=5)),
)
calls = st.tuples(shaped, st.sampled_from(["0", "1"])).map(
    lambda one: (one[0][0], {"accountId": "A1", **one[0][1]}, one[1])
)


def quick(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)


async def answered(methods: list[tuple[str, dict[str, Any], str]]) -> list[Any]:
    store = new_store()
    try:
        account = await new_account(store)
        await deliver(store, account, Letter(message_id="1@a").octets())
        await deliver(store, account, Letter(message_id="2@a", references=("1@a",)).octets(), role="junk")
        context = Context(store, JmapSettings(), account, lambda: NOW, Texts(store, 10_000))
        body = msgspec.json.encode({"using": sorted(KNOWN), "methodCalls": methods})
        answer = await run_calls(parse_request(body, 32), context)
        await assert_sound(store)
        responses: list[Any] = msgspec.json.decode(msgspec.json.encode(answer))["methodResponses"]
        return responses
    finally:
        await store.close()


@quick(250)
@given(st.lists(calls, min_size=1, max_size=3))
@example([("Email/set", {"accountId": "A1", "create": {"a": {**INTO, "from": [{"email": ""}]}}}, "0")])
@example([("Email/set", {"accountId": "A1", "create": {"a": {**INTO, "subject": "\x00"}}}, "0")])
@example([("Email/query", {"accountId": "A1", "filter": {"after": "0001-01-01T00:00:00Z"}}, "0")])
@example([("Email/query", {"accountId": "A1", "filter": {"before": "9999-12-31T23:59:59-23:59"}}, "0")])
def test_nothing_a_client_says_is_our_defect(methods: list[tuple[str, dict[str, Any], str]]) -> None:
    responses = asyncio.run(answered(methods))
    assert len(responses) == len(methods)
    assert [one for one in responses if one[1].get("type") == "serverFail"] == []


@quick(200)
@given(st.binary(max_size=200))
def test_octets_are_a_request_or_refused(body: bytes) -> None:
    try:
        parse_request(body, 16)
    except Problem as refused:
        assert refused.status == 400


@quick(200)
@given(st.lists(st.sampled_from(["header", ":", "To", "asText", "all", "", " ", "ö"]), max_size=8).map("".join))
def test_header_properties_are_read_or_refused(key: str) -> None:
    try:
        assert parse_property("header:" + key).name
    except MethodError as refused:
        assert refused.kind == "invalidArguments"


@quick(200)
@given(st.lists(st.sampled_from([b"a@b", *(bytes([c]) for c in b':;,"()<>\\ \xff')]), max_size=30))
def test_any_address_field_has_groups(pieces: list[bytes]) -> None:
    for group in grouped_addresses(b"".join(pieces)):
        assert set(group) == {"name", "addresses"}
