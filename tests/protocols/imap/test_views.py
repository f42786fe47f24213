"""Two sessions do random things to one mailbox; what each was told must add up to what is there."""

import asyncio
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap import view as views
from protocols.imap.settings import ImapSettings
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from tests.protocols.imap.client import Client, connect
from tests.protocols.imap.house import House, open_house
from tests.protocols.imap.script import PLAIN

_FETCH = re.compile(rb"\* (\d+) FETCH \((?:UID \d+ )?FLAGS \(([^)]*)\)")
_NUMBER = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)\r\n")
_APPEND = b"APPEND INBOX {%d+}\r\n%b" % (len(PLAIN), PLAIN)


@dataclass
class Follower:
    """A client that believes every untagged answer and knows nothing else. One entry a mail: its flags, or None."""

    client: Client
    mails: list[frozenset[bytes] | None] = field(default_factory=list)

    async def say(self, command: bytes) -> None:
        by_number = command.split()[0] in (b"FETCH", b"STORE", b"SEARCH")
        for line in (await self.client.command(command))[:-1]:
            number = _NUMBER.fullmatch(line)
            if number is not None and number[2] == b"EXPUNGE":
                assert not by_number, f"EXPUNGE while answering {command!r} (RFC 3501 §7.4.1)"
                del self.mails[int(number[1]) - 1]
            elif number is not None:
                assert int(number[1]) >= len(self.mails), "EXISTS never takes away"
                self.mails += [None] * (int(number[1]) - len(self.mails))
            elif (fetch := _FETCH.match(line)) is not None:
                self.mails[int(fetch[1]) - 1] = frozenset(fetch[2].split())

    async def select(self, *, looks: bool = True) -> None:
        self.mails = []
        await self.say(b"SELECT INBOX")
        if looks:
            await self.say(b"FETCH 1:* (FLAGS)")


_NUMBERS = st.sampled_from([b"1", b"*", b"1:*", b"1,*", b"3:*"])
_FLAGS = st.sampled_from([b"\\Seen", b"\\Deleted", b"\\Flagged", b"word"])
_COMMANDS = st.one_of(
    st.sampled_from([_APPEND, b"NOOP", b"EXPUNGE", b"CHECK", b"UID EXPUNGE 1:3", b"FETCH 1:* (FLAGS)", b"SEARCH ALL"]),
    st.tuples(_NUMBERS, st.sampled_from([b"+FLAGS", b"-FLAGS", b"FLAGS"]), _FLAGS).map(
        lambda t: b"STORE %b %b (%b)" % t
    ),
    st.tuples(_NUMBERS, _FLAGS).map(lambda t: b"UID STORE %b +FLAGS (%b)" % t),
    st.tuples(_NUMBERS, st.sampled_from([b"COPY %b INBOX", b"MOVE %b Archive", b"UID MOVE %b Trash"])).map(
        lambda t: t[1] % t[0]
    ),
    _NUMBERS.map(lambda n: b"FETCH %b (BODY[TEXT]<0.1> FLAGS)" % n),
)


async def _follow(house: House, steps: list[tuple[bool, bytes]], before: int, *, looks: bool) -> None:
    followers = []
    for _ in range(2):
        client, _ = await connect(house)
        await client.login()
        followers.append(Follower(client))
        for _ in range(before):
            await followers[-1].say(_APPEND)
    for follower in followers:
        await follower.select(looks=looks)
    for is_second, command in steps:
        await followers[is_second].say(command)
    for follower in followers:
        await follower.say(b"NOOP")
    told = [follower.mails for follower in followers]
    for follower, mails in zip(followers, told, strict=True):
        await follower.select()
        truth = follower.mails
        assert len(mails) == len(truth)
        for believed, true in zip(mails, truth, strict=True):
            assert believed is None or believed == true, "a change of flags was not told"


def _play(steps: list[tuple[bool, bytes]], before: int, *, looks: bool) -> None:
    async def play() -> None:
        kv = MemoryKeyValueStore()
        store = Store(kv, Blobs(kv), Announcer())
        async with open_house(store, ImapSettings(allow_plaintext_login=True, bad_commands=1_000)) as house:
            await _follow(house, steps, before, looks=looks)
        await store.close()

    asyncio.run(play())


_STEPS = st.lists(st.tuples(st.booleans(), _COMMANDS), max_size=25)


@settings(max_examples=60, deadline=None)
@given(_STEPS)
def test_what_sessions_are_told_adds_up(steps: list[tuple[bool, bytes]]) -> None:
    _play(steps, 1, looks=True)


@settings(max_examples=60, deadline=None)
@given(_STEPS, st.integers(1, 4))
def test_it_adds_up_when_only_the_newest_mails_were_read_at_first(steps: list[tuple[bool, bytes]], tail: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "TAIL", tail)
        patch.setattr(views, "_HEAD_STEP", 2)
        _play(steps, 4, looks=False)
