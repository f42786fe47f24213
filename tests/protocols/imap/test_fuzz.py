"""Whatever a logged-in client sends, the server neither fails nor falls silent."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap.settings import ImapSettings
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from tests.protocols.imap.client import WAIT_S, connect
from tests.protocols.imap.house import open_house
from tests.protocols.imap.script import NESTED, UMLAUT

_NAMES = st.sampled_from(
    [
        b"INBOX",
        b"Trash",
        b"Junk",
        b"a/b",
        b"a",
        b'""',
        b'"a b"',
        b"INBOX/x",
        b"/",
        b"a//b",
        b"&AOQ-",
        b"{3+}\r\na/c",
        b"*",
        b"%",
    ]
)
_SETS = st.sampled_from([b"1", b"1:*", b"*", b"2:1", b"5", b"*:1", b"1,1,2", b"4294967295", b"0"])
_ITEMS = st.sampled_from(
    [
        b"ALL",
        b"FULL",
        b"(BODY[])",
        b"BODY[2]",
        b"(BODY.PEEK[2.1.MIME] UID)",
        b"BODY[2.HEADER]",
        b"RFC822.TEXT",
        b"BODY[1.1.1]",
        b"(BODY[HEADER.FIELDS.NOT (From)]<3.9>)",
        b"BODY[TEXT]<4294967295.1>",
        b"(FLAGS MODSEQ)",
        b"FLAGS (CHANGEDSINCE 2)",
        b"BODY[2.TEXT]",
    ]
)
_KEYS = st.recursive(
    st.sampled_from(
        [
            b"ALL",
            b"SEEN",
            b"NEW",
            b"TEXT x",
            b'BODY "hidden"',
            b"FROM a",
            b"HEADER X-Colour g",
            b"LARGER 9",
            b"BEFORE 1-Jan-2026",
            b"SENTON 1-Feb-2026",
            b"1:*",
            b"UID 1:9",
            b"KEYWORD w",
            b"MODSEQ 3",
            b"9",
            b"SINCE 31-Feb-2026",
            b"UNKEYWORD \\x",
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda key: b"NOT " + key),
        st.tuples(inner, inner).map(lambda two: b"OR %b %b" % two),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: b"(%b)" % b" ".join(some)),
    ),
    max_leaves=5,
)
_COMMANDS = st.one_of(
    st.tuples(st.sampled_from([b"SELECT", b"EXAMINE", b"CREATE", b"DELETE", b"SUBSCRIBE", b"UNSUBSCRIBE"]), _NAMES).map(
        b" ".join
    ),
    st.tuples(st.sampled_from([b"RENAME", b"LIST", b"LSUB"]), _NAMES, _NAMES).map(b" ".join),
    st.tuples(_NAMES).map(lambda t: b"STATUS %b (MESSAGES SIZE HIGHESTMODSEQ)" % t),
    st.tuples(_NAMES).map(lambda t: b"APPEND %b (\\Deleted) {%d+}\r\n%b" % (t[0], len(UMLAUT), UMLAUT)),
    st.tuples(st.sampled_from([b"FETCH", b"UID FETCH"]), _SETS, _ITEMS).map(b" ".join),
    st.tuples(st.sampled_from([b"COPY", b"MOVE", b"UID COPY", b"UID MOVE"]), _SETS, _NAMES).map(b" ".join),
    st.tuples(
        st.sampled_from([b"STORE", b"UID STORE"]), _SETS, st.sampled_from([b"FLAGS ()", b"+FLAGS (\\Seen w)"])
    ).map(b" ".join),
    st.tuples(st.sampled_from([b"SEARCH ", b"UID SEARCH RETURN (MIN COUNT) "]), _KEYS).map(b"".join),
    st.sampled_from(
        [
            b"EXPUNGE",
            b"UID EXPUNGE 1:*",
            b"CLOSE",
            b"UNSELECT",
            b"NOOP",
            b"ENABLE CONDSTORE",
            b"SELECT INBOX (CONDSTORE)",
        ]
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_COMMANDS, max_size=40))
def test_no_commands_make_the_server_fail(commands: list[bytes]) -> None:
    async def play() -> None:
        kv = MemoryKeyValueStore()
        store = Store(kv, Blobs(kv), Announcer())
        async with open_house(store, ImapSettings(allow_plaintext_login=True, bad_commands=1_000)) as house:
            await house.deliver(NESTED)
            await house.deliver(UMLAUT)
            client, _ = await connect(house)
            await client.login()
            client.writer.write(
                b"s SELECT INBOX\r\n" + b"".join(b"x %b\r\n" % each for each in commands) + b"z NOOP\r\n"
            )
            async with asyncio.timeout(WAIT_S):
                answers = bytearray()
                while b"\nz OK" not in answers:
                    got = await client.reader.read(1 << 16)
                    assert got, f"closed after {bytes(answers[-300:])!r}"
                    answers += got
            assert b"SERVERBUG" not in answers, answers
            assert sum(line.startswith(b"x ") for line in answers.splitlines()) == len(commands)
        await store.close()

    asyncio.run(play())
