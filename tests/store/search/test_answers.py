"""The index against a plain model: random mails, random questions, on every backend, at every state of the index.

The model knows nothing of indexes: it writes the words of a mail with blanks between them and looks for substrings.
"""

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from store.accounts.account import Account
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.opening import open_kv
from store.mail import emails, mailboxes
from store.mail.filters import And, Filter, InMailbox, Keyword, Not, Or, Phrase, Place, Size, Words
from store.mail.model import EmailId, MailboxId
from store.search import check, merging
from store.search.finding import Question, find
from store.search.indexing import Indexer
from store.search.memory import memory_of
from store.search.ordering import SortBy, SortKey
from tests.support.mail_store import START_MS, Letter, deliver, new_account

WORDS = (
    *("meeting", "meetings", "Meet", "eat", "budget", "Straße", "grüße", "naïve", "e-mail", "3.14", "a", "I", "x"),
    *(
        "bob@example.com",
        "example",
        "mail.example.com",
        "東京都",
        "京都",
        "東",
        "สวัสดี",
        "한국어",
        "हिन्दी",
        "😀",
        "$5",
        "don't",
    ),
    *("Ωmega", "STRASSE", "ﬁne", "foo_bar", "the", "and", "you", "zzz" * 30),
)
NEEDLES = (
    *WORDS,
    "eet",
    "mee",
    "ings",
    "et b",
    "eat a",
    "京",
    "京都 a",
    "ss",
    "example co",
    "il.ex",
    "zzzz",
    "...",
    "t",
    "ob@ex",
)
PLACES = {"subject": Place.SUBJECT, "body": Place.BODY, "from": Place.FROM, "any": Place.TEXT}


@dataclass(frozen=True)
class Mail:
    subject: tuple[str, ...]
    body: tuple[str, ...]
    name: str
    is_seen: bool
    minute: int

    def octets(self, number: int) -> bytes:
        letter = Letter(
            " ".join(self.subject), f"{number}@a", body="\r\n".join(self.body), sender=f"{self.name} <ann@a.example>"
        )
        text = letter.octets().decode()
        for header in (" ".join(self.subject), self.name):
            if not header.isascii():
                text = text.replace(header, f"=?utf-8?q?{''.join(f'={o:02X}' for o in header.encode())}?=", 1)
        return text.replace("\r\n\r\n", "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", 1).encode()


def plain(text: str) -> str:
    """The words of a text with a blank between them: what a needle is a substring of."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if not 0x300 <= ord(c) <= 0x36F)
    out: list[str] = []
    before = ""
    for char in unicodedata.normalize("NFKC", bare).casefold():
        kind = unicodedata.category(char)
        if kind in ("So", "Sc"):
            group = f"symbol {len(out)}"  # each stands alone
        elif re.match("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff]", char):
            group = "unspaced"
        else:
            group = "word" if char.isalnum() or kind in ("Mn", "Mc") else ""
        if group != before and out and out[-1] != " ":
            out.append(" ")
        if group:
            out.append(char)
        before = group
    words = "".join(out).strip().split(" ")
    return " ".join(word if re.match("[\u0e00-\u9fff]", word) else word[:64] for word in words)


def says(mail: Mail, number: int, place: Place) -> list[str]:
    fields = {
        Place.SUBJECT: plain(" ".join(mail.subject)),
        Place.BODY: plain("\n".join(mail.body)),
        Place.FROM: plain(f"{mail.name} ann@a.example"),
    }
    if place is not Place.TEXT:
        return [fields[place]]
    return [*fields.values(), plain("bob@b.example"), plain(f"{number}@a")]


def holds(wanted: Filter, mail: Mail, number: int, size: int) -> bool:
    match wanted:
        case And(parts):
            return all(holds(part, mail, number, size) for part in parts)
        case Or(parts):
            return any(holds(part, mail, number, size) for part in parts)
        case Not(part):
            return not holds(part, mail, number, size)
        case Words(place, phrases):
            return all(any(plain(p.text) in text for text in says(mail, number, place)) for p in phrases)
        case Keyword(_):
            return mail.is_seen
        case Size(at_least, below):
            return at_least <= size < below
    raise AssertionError(wanted)


some_words = st.lists(st.sampled_from(WORDS), max_size=8).map(tuple)
mails = st.lists(
    st.builds(
        Mail,
        subject=some_words.filter(lambda words: sum(map(len, words)) < 60),
        body=st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=4).map(tuple),
        name=st.sampled_from(("Ann", "Bob Meeting", "Jürgen Straße", "東京 太郎")),
        is_seen=st.booleans(),
        minute=st.integers(0, 5),
    ),
    max_size=8,
)
leaves: st.SearchStrategy[Filter] = st.one_of(
    st.builds(
        lambda place, texts: Words(place, tuple(Phrase(text) for text in texts)),
        st.sampled_from(list(PLACES.values())),
        st.lists(st.sampled_from(NEEDLES), min_size=1, max_size=2),
    ),
    st.builds(
        lambda place, words: Words(place, (Phrase(" ".join(words)),)),
        st.sampled_from(list(PLACES.values())),
        st.lists(st.sampled_from(WORDS), min_size=2, max_size=3),
    ),
    st.just(Keyword("$seen")),
    st.builds(lambda size: Size(at_least=size), st.integers(200, 500)),
)
questions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=5,
)


@dataclass
class Box:
    """An account and what the model knows of it."""

    store: Store
    account: Account
    mails: dict[int, Mail] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    async def take(self, some: Iterable[Mail]) -> None:
        for mail in some:
            number = len(self.numbers)
            octets = mail.octets(number)
            email = await deliver(
                self.store,
                self.account,
                octets,
                keywords=frozenset({"$seen"}) if mail.is_seen else frozenset(),
                received_ms=START_MS + mail.minute * 60_000,
            )
            self.mails[email.id], self.sizes[email.id], self.numbers[email.id] = mail, len(octets), number

    async def lose(self, email: int) -> None:
        await self.store.write(lambda txn: emails.destroy(txn.account(self.account.id), EmailId(email)))
        del self.mails[email]

    async def agree(self, wanted: Filter) -> None:
        matching = [i for i, m in self.mails.items() if holds(wanted, m, self.numbers[i], self.sizes[i])]
        newest = sorted(matching, key=lambda i: (self.mails[i].minute, i), reverse=True)
        found = await find(self.store, self.account.id, Question(wanted, wants_total=True))
        assert (found.ids, found.total) == (newest, len(newest))
        page = await find(self.store, self.account.id, Question(wanted, enough=2))
        assert page.ids[:2] == newest[:2]
        inbox = And((InMailbox(await self.inbox()), wanted))
        page = await find(self.store, self.account.id, Question(inbox, enough=2, wants_total=True))
        assert (page.ids[:2], page.total) == (newest[:2], len(newest))
        shown = await find(self.store, self.account.id, Question(wanted, (SortKey(SortBy.SIZE, False),), enough=3))
        assert shown.ids == sorted(newest, key=lambda i: -self.sizes[i])[:3]
        shown = await find(self.store, self.account.id, Question(wanted, (SortKey(SortBy.SUBJECT),), enough=3))
        every = await find(self.store, self.account.id, Question(wanted, (SortKey(SortBy.SUBJECT),)))
        assert (shown.ids, sorted(every.ids)) == (every.ids[:3], sorted(newest))
        by_size = await find(self.store, self.account.id, Question(wanted, (SortKey(SortBy.SIZE),)))
        assert by_size.ids == sorted(newest, key=lambda i: self.sizes[i])

    async def inbox(self) -> MailboxId:
        found = await self.store.read(lambda view: mailboxes.with_role(view.account(self.account.id), "inbox"))
        assert found is not None
        return found.id

    async def problems(self) -> list[str]:
        return await self.store.read(lambda view: list(check.check_index(view.account(self.account.id))))


@asynccontextmanager
async def box(url: str, memory: int = 1 << 26) -> AsyncIterator[Box]:
    kv = await open_kv(url)
    store = Store(kv, Blobs(kv), Announcer())
    memory_of(store).most_octets = memory
    yield Box(store, await new_account(store))
    await store.close()


async def _agree_everywhere(
    url: str, given_mails: list[Mail], asked: list[Filter], cut: int, memory: int = 1 << 26
) -> None:
    """Not indexed, partly, merged, with mails destroyed, wholly, and made anew."""
    async with box(url, memory) as here:
        indexer = Indexer(here.store)
        for batch in (given_mails[:cut], given_mails[cut:]):
            await here.take(batch)
            for wanted in asked:
                await here.agree(wanted)
            await indexer.catch_up(here.account.id)
            for wanted in asked:
                await here.agree(wanted)
            assert await here.problems() == []
        for email in list(here.mails)[::2]:
            await here.lose(email)
        for wanted in asked:
            await here.agree(wanted)
        await indexer.start_over(here.account.id)
        await indexer.catch_up(here.account.id)
        for wanted in asked:
            await here.agree(wanted)
        assert await here.problems() == []


FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(mails, st.lists(questions, min_size=1, max_size=4), st.integers(0, 8), st.sampled_from([0, 3_000, 1 << 26]))
@example(
    [Mail(("東京都",), ("e-mail 京都 a",), "Ann", False, 0), Mail((), ("京都 abc zzz",), "Ann", True, 0)],
    [Words(Place.TEXT, (Phrase("京都 a"),)), Words(Place.TEXT, (Phrase("都"),)), Words(Place.TEXT, (Phrase("京"),))],
    1,
    1 << 26,
)
async def test_the_index_answers_as_the_model_does(
    given_mails: list[Mail], asked: list[Filter], cut: int, memory: int
) -> None:
    await _agree_everywhere("memory:", given_mails, asked, cut, memory)


@pytest.mark.parametrize("scheme", ["sqlite", "rocksdb"])
def test_every_backend_answers_alike(scheme: str) -> None:
    @FEW
    @given(mails, st.lists(questions, min_size=1, max_size=3), st.integers(0, 8))
    def agree(given_mails: list[Mail], asked: list[Filter], cut: int) -> None:
        with TemporaryDirectory() as folder:
            asyncio.run(_agree_everywhere(f"{scheme}:{Path(folder) / 'store'}", given_mails, asked, cut))

    agree()


async def test_postgres_answers_alike(postgres_url: str) -> None:
    mail = [
        Mail((word, "Meet"), (f"{word} and you", "東京都 bob@example.com"), "Jürgen Straße", word > "m", number % 3)
        for number, word in enumerate(WORDS)
        if len(word) < 40
    ]
    asked: list[Filter] = [Words(place, (Phrase(text),)) for place in PLACES.values() for text in NEEDLES]
    async with box(postgres_url) as here:
        await here.take(mail)
        for wanted in asked[::9]:
            await here.agree(wanted)
        await Indexer(here.store).catch_up(here.account.id)
        for wanted in asked[::2]:
            await here.agree(wanted)
        assert await here.problems() == []


async def test_many_small_segments_are_merged_and_answer_alike() -> None:
    async with box("memory:") as here:
        indexer = Indexer(here.store)
        words = [word for word in WORDS if len(word) < 20]
        for number in range(40):
            await here.take([Mail((words[number % len(words)],), (words[number % 7] + " budget",), "Ann", False, 0)])
            await indexer.catch_up(here.account.id)
        state = await here.store.read(lambda view: check.states.get(view.account(here.account.id)))
        assert len(state.serving.segments) < 2 * merging.FAN
        assert (sum(one.mails for one in state.serving.segments), state.dropping) == (40, ())
        for needle in NEEDLES:
            await here.agree(Words(Place.TEXT, (Phrase(needle),)))
        assert await here.problems() == []


async def test_what_is_destroyed_leaves_the_segments() -> None:
    async with box("memory:") as here:
        indexer = Indexer(here.store)
        await here.take([Mail(("budget",), ("the meeting",), "Ann", False, 0)] * 80)
        await indexer.catch_up(here.account.id)
        for email in list(here.mails)[:60]:
            await here.lose(email)
        await here.agree(Words(Place.TEXT, (Phrase("budget"),)))
        await indexer.catch_up(here.account.id)
        view_of = here.account.id
        state = await here.store.read(lambda view: check.states.get(view.account(view_of)))
        gone = await here.store.read(lambda view: list(check.states.gone(view.account(view_of), 0, 1 << 62)))
        assert ([one.mails for one in state.serving.segments], gone) == ([20], [])
        await here.agree(Words(Place.TEXT, (Phrase("budget"),)))
