"""Filters and sorts, answered alike before and after mail is indexed."""

from collections.abc import AsyncIterator

import pytest

from store.accounts.account import Account
from store.changes.engine import Store
from store.mail import emails
from store.mail.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Attachment,
    Filter,
    HeaderWords,
    InMailbox,
    InThread,
    Keyword,
    Not,
    Or,
    OutsideOf,
    Phrase,
    Place,
    Received,
    Sent,
    Share,
    Size,
    ThreadKeyword,
    Words,
)
from store.mail.model import EmailId, MailboxId, ThreadId
from store.mail.parsing import digest_octets
from store.mail.searchable import html_text, phrases
from store.search.finding import Limits, Question, find
from store.search.indexing import Indexer
from store.search.ordering import SortBy, SortKey
from store.search.texts import Budget, SearchTooLarge
from tests.support.mail_store import START_MS, Letter, deliver, mailbox_with, new_account, new_store

INBOX, JUNK = MailboxId(1), MailboxId(4)
PDF = (
    "MIME-Version: 1.0",
    "Content-Type: application/pdf; name=a.pdf",
    "Content-Disposition: attachment; filename=a.pdf",
)


class Shelf:
    """Four mails, oldest first: a lunch, its answer in Junk, numbers with an attachment, and Straße."""

    def __init__(self, store: Store, account: Account, ids: list[EmailId]) -> None:
        self.store, self.account, self.ids = store, account, ids

    async def numbers(self, wanted: Filter, *sort: SortKey, rows: int = 1_000, enough: int | None = None) -> list[int]:
        """Numbers of the mails that match, in order."""
        question = Question(wanted, sort, enough)
        found = await find(self.store, self.account.id, question, limits=Limits(rows))
        return [self.ids.index(EmailId(one)) for one in found.ids]


@pytest.fixture(params=["indexed", "not indexed", "half indexed"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    store = new_store()
    account = await new_account(store)
    letters = [
        (Letter("Lunch", "1@a", sender="Ann <ann@a.example>"), "inbox", {"$seen"}),
        (Letter("Re: Lunch", "2@a", ("1@a",), sender="Carl <carl@c.example>"), "junk", {"$flagged"}),
        (Letter("Numbers", "3@a", sender="bea@b.example", body="JVBERg" * 300, extra=PDF), "inbox", set()),
        (Letter("=?utf-8?q?Stra=C3=9Fe?=", "4@a", to="Dora <dora@d.example>"), "inbox", set()),
    ]
    ids = []
    for offset, (letter, role, keywords) in enumerate(letters):
        mail = await deliver(
            store,
            account,
            letter.octets(),
            role=role,
            keywords=frozenset(keywords),
            received_ms=START_MS + offset * 1_000,
        )
        ids.append(mail.id)
        if request.param == "half indexed" and offset == 1:
            await Indexer(store).catch_up(account.id)
    if request.param == "indexed":
        await Indexer(store).catch_up(account.id)
    inbox = await store.read(lambda view: mailbox_with(view.account(account.id), "inbox"))
    junk = await store.read(lambda view: mailbox_with(view.account(account.id), "junk"))
    assert (inbox, junk) == (INBOX, JUNK)
    yield Shelf(store, account, ids)
    await store.close()


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (EVERYTHING, [3, 2, 1, 0]),
        (NOTHING, []),
        (InMailbox(INBOX), [3, 2, 0]),
        (InMailbox(MailboxId(99)), []),
        (OutsideOf(frozenset({INBOX})), [1]),
        (And((InMailbox(INBOX), Keyword("$seen"))), [0]),
        (And((InMailbox(INBOX), InMailbox(JUNK))), []),
        (Or((InMailbox(JUNK), Keyword("$seen"))), [1, 0]),
        (Not(Keyword("$seen")), [3, 2, 1]),
        (Not(Or((Keyword("$seen"), Keyword("$flagged")))), [3, 2]),
        (Received(after_ms=START_MS + 1_000), [3, 2, 1]),
        (Received(before_ms=START_MS + 1_000), [0]),
        (And((Received(after_ms=START_MS + 1_000), Received(before_ms=START_MS + 3_000))), [2, 1]),
        (Not(Received(before_ms=START_MS + 1_000)), [3, 2, 1]),
        (Size(at_least=1_000), [2]),
        (Size(below=1_000), [3, 1, 0]),
        (Attachment(), [2]),
        (ThreadKeyword(Share.SOME, "$flagged"), [1, 0]),
        (ThreadKeyword(Share.ALL, "$flagged"), []),
        (Words(Place.FROM, (Phrase("carl"),)), [1]),
        (Words(Place.FROM, (Phrase("b.example"),)), [2]),
        (Words(Place.TO, (Phrase("dora"),)), [3]),
        (Words(Place.SUBJECT, (Phrase("STRASSE"),)), [3]),
        (
            Words(
                Place.SUBJECT,
                (
                    Phrase("lunch"),
                    Phrase("re:"),
                ),
            ),
            [1],
        ),
        (Words(Place.SUBJECT, (Phrase("umber"),)), [2]),
        (Words(Place.ATTACHMENT, (Phrase("a.pdf"),)), [2]),
        (Words(Place.TEXT, (Phrase("noon"),)), [3, 1, 0]),
        (Words(Place.TEXT, (Phrase("see you at no"),)), [3, 1, 0]),
        (Words(Place.TEXT, (Phrase("you see"),)), []),
        (Words(Place.TEXT, (Phrase("seeing", is_exact=False),)), [3, 1, 0]),
        (Words(Place.TEXT, (Phrase("seeing"),)), []),
        (Words(Place.TEXT, (Phrase("..."),)), [3, 2, 1, 0]),
        (And((Words(Place.TEXT, (Phrase("noon"),)), Not(Words(Place.FROM, (Phrase("carl"),))))), [3, 0]),
        (Not(Words(Place.TEXT, (Phrase("noon"),))), [2]),
        (HeaderWords("message-id", ("1@a",)), [0]),
        (HeaderWords("references", ()), [1]),
        (HeaderWords("content-type", ("application",)), [2]),
        (InThread(ThreadId(7)), [1, 0]),
        (Sent(), [3, 2, 1, 0]),
        (Sent(before_ms=START_MS - 60_000), []),
        (Words(Place.CC, (Phrase("ann"),)), []),
    ],
    ids=repr,
)
async def test_filters(shelf: Shelf, wanted: Filter, numbers: list[int]) -> None:
    assert await shelf.numbers(wanted) == numbers


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ((), [3, 2, 1, 0]),
        ((SortKey(SortBy.RECEIVED),), [0, 1, 2, 3]),
        ((SortKey(SortBy.SIZE, False),), [2, 3, 1, 0]),
        ((SortKey(SortBy.FROM),), [3, 0, 2, 1]),
        ((SortKey(SortBy.TO), SortKey(SortBy.RECEIVED)), [0, 1, 2, 3]),
        ((SortKey(SortBy.SUBJECT), SortKey(SortBy.RECEIVED)), [0, 1, 2, 3]),
        ((SortKey(SortBy.SUBJECT), SortKey(SortBy.RECEIVED, False)), [1, 0, 2, 3]),
        ((SortKey(SortBy.KEYWORD, False, "$seen"),), [0, 3, 2, 1]),
        ((SortKey(SortBy.SOME_IN_THREAD, False, "$flagged"),), [1, 0, 3, 2]),
        ((SortKey(SortBy.ALL_IN_THREAD, False, "$flagged"),), [3, 2, 1, 0]),
        ((SortKey(SortBy.SENT), SortKey(SortBy.RECEIVED)), [0, 1, 2, 3]),
    ],
    ids=repr,
)
async def test_sorts(shelf: Shelf, sort: tuple[SortKey, ...], numbers: list[int]) -> None:
    assert await shelf.numbers(EVERYTHING, *sort) == numbers


async def test_equal_dates_are_ordered_by_the_next_key(shelf: Shelf) -> None:
    for subject in ("b", "a", "c"):
        mail = await deliver(shelf.store, shelf.account, Letter(subject).octets(), received_ms=START_MS + 9_000)
        shelf.ids.append(mail.id)
    found = await shelf.numbers(EVERYTHING, SortKey(SortBy.RECEIVED, False), SortKey(SortBy.SUBJECT))
    assert found == [5, 4, 6, 3, 2, 1, 0]


async def test_a_budget_of_rows_ends_a_question(shelf: Shelf) -> None:
    with pytest.raises(SearchTooLarge):
        await shelf.numbers(Keyword("$seen"), rows=3)
    assert await shelf.numbers(Keyword("$seen"), rows=100) == [0]


async def test_a_budget_of_octets_ends_a_question(shelf: Shelf) -> None:
    limits = Limits(budget=Budget(100, 10.0))
    with pytest.raises(SearchTooLarge):
        await find(shelf.store, shelf.account.id, Question(HeaderWords("x-none", ())), limits=limits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lunch  Noon", (Phrase("Lunch", is_exact=False), Phrase("Noon", is_exact=False))),
        ('"see you" at', (Phrase("see you"), Phrase("at", is_exact=False))),
        ("'See  You'", (Phrase("See  You"),)),
        (r'"a \"b\" c"', (Phrase('a "b" c'),)),
        ('"open', (Phrase('"open', is_exact=False),)),
        ("", ()),
    ],
    ids=["words", "phrase", "single", "escaped", "open", "empty"],
)
def test_phrases(text: str, expected: tuple[Phrase, ...]) -> None:
    assert phrases(text) == expected


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a<b>b</b></p><p>c<br>d<a href=x>e</a>", "ab c de"),
        ("<style>p { color: red }</style><p>a", "a"),
        ("<STYLE type=x>p</Style >a<script>b</script>c", "a c"),
        ("a<!-- b > c -->d", "a d"),
        ("a<style>never closed", "a"),
        ("<title>x</title>a &lt;b&gt;", "a <b>"),
        ("a < b", "a < b"),
        ("<stylesheet>a</stylesheet>", "a"),
    ],
)
def test_words_of_html(markup: str, text: str) -> None:
    assert " ".join(html_text(markup).split()) == text


@pytest.mark.parametrize("markup", ["<style>" * 100_000, "<!--" * 200_000, "<script>a</script" * 50_000, "<" * 500_000])
def test_hostile_html_is_read_in_time(markup: str) -> None:
    html_text(markup)


def test_a_page_has_a_preview_of_its_words() -> None:
    page = b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>Dear <b>Bob</b>, hello</p>"
    assert digest_octets(page).preview == "Dear Bob, hello"


async def test_a_query_over_what_was_destroyed_meanwhile_is_consistent(shelf: Shelf) -> None:
    await shelf.store.write(lambda txn: emails.destroy(txn.account(shelf.account.id), shelf.ids[2]))
    assert await shelf.numbers(InMailbox(INBOX)) == [3, 0]
