"""Filters and sorts over rows, and what is left for a mail's text."""

from collections.abc import AsyncIterator

import pytest

from store.accounts.account import Account
from store.changes.engine import AccountView, Store
from store.mail import emails, query
from store.mail.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Attachment,
    Filter,
    HeaderWords,
    InMailbox,
    Keyword,
    Not,
    Or,
    OutsideOf,
    Place,
    Received,
    Share,
    Size,
    ThreadKeyword,
    Words,
    holds_in_text,
)
from store.mail.model import EmailId, MailboxId
from store.mail.parsing import digest_octets
from store.mail.query import Query, SortBy, SortKey, TooManyRows
from store.mail.searchable import MailText, fold, html_text, mail_text, phrases
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

    async def ask(self, wanted: Filter, *sort: SortKey, rows: int = 1_000) -> list[tuple[int, Filter | None]]:
        """Numbers of the mails that match, with what is left to ask."""

        def body(view: AccountView) -> list[tuple[int, Filter | None]]:
            hits = Query(view, wanted, sort, rows).hits()
            return [(self.ids.index(hit.id), hit.rest) for hit in hits]

        return await self.store.read(lambda view: body(view.account(self.account.id)))

    async def numbers(self, wanted: Filter, *sort: SortKey) -> list[int]:
        found = await self.ask(wanted, *sort)
        assert all(rest is None for _, rest in found)
        return [number for number, _ in found]


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
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
        (Words(Place.FROM, ("carl",)), [1]),
        (Words(Place.FROM, ("b.example",)), [2]),
        (Words(Place.TO, ("dora",)), [3]),
        (Words(Place.SUBJECT, (fold("STRASSE"),)), [3]),
        (Words(Place.SUBJECT, ("lunch", "re:")), [1]),
        (Words(Place.CC, ("ann",)), []),
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


async def test_text_is_asked_only_where_rows_do_not_decide(shelf: Shelf) -> None:
    words = Words(Place.TEXT, ("lunch",))
    assert await shelf.ask(words) == [(3, words), (2, words), (1, None), (0, None)]
    wanted = And((Keyword("$seen"), Words(Place.BODY, ("noon",))))
    assert await shelf.ask(wanted) == [(0, Words(Place.BODY, ("noon",)))]
    either = Or((Keyword("$seen"), HeaderWords("list-id", ())))
    assert await shelf.ask(either) == [
        (3, HeaderWords("list-id", ())),
        (2, HeaderWords("list-id", ())),
        (1, HeaderWords("list-id", ())),
        (0, None),
    ]
    assert await shelf.ask(Not(Words(Place.BODY, ("noon",)))) == [
        (number, Not(Words(Place.BODY, ("noon",)))) for number in (3, 2, 1, 0)
    ]


async def test_the_newest_of_a_mailbox_cost_what_is_read_of_them(shelf: Shelf) -> None:
    reads: list[bytes] = []

    class Counting(AccountView):
        def get(self, key: bytes) -> bytes | None:
            reads.append(key)
            return super().get(key)

    def body(view: AccountView) -> list[EmailId]:
        counting = Counting(view._read, shelf.account.id)
        hits = Query(counting, InMailbox(INBOX), (SortKey(SortBy.RECEIVED, False),), 1_000).hits()
        return [next(hits).id, next(hits).id]

    found = await shelf.store.read(lambda view: body(view.account(shelf.account.id)))
    assert found == [shelf.ids[3], shelf.ids[2]]
    assert reads == []


async def test_a_budget_of_rows_ends_a_question(shelf: Shelf) -> None:
    with pytest.raises(TooManyRows):
        await shelf.ask(Keyword("$seen"), rows=3)
    assert len(await shelf.ask(Keyword("$seen"), rows=4)) == 1


@pytest.mark.parametrize(
    ("wanted", "mailbox"),
    [
        (InMailbox(INBOX), INBOX),
        (And((InMailbox(INBOX),)), INBOX),
        (And((InMailbox(INBOX), Keyword("$seen"))), None),
        (And((InMailbox(INBOX), Received(before_ms=5))), None),
        (Or((InMailbox(INBOX), InMailbox(JUNK))), None),
        (EVERYTHING, None),
    ],
    ids=repr,
)
def test_counts_answer_for_a_mailbox_alone(wanted: Filter, mailbox: MailboxId | None) -> None:
    assert query.required_mailbox(wanted) == mailbox


TEXT = MailText((("subject", "lunch"), ("list-id", "<news.example>"), ("x-tag", "body words")), "see you at noon")


@pytest.mark.parametrize(
    ("rest", "holds"),
    [
        (Words(Place.BODY, ("noon", "see you")), True),
        (Words(Place.BODY, ("lunch",)), False),
        (Words(Place.TEXT, ("lunch", "noon")), True),
        (Words(Place.TEXT, ("news",)), False),
        (HeaderWords("list-id", ()), True),
        (HeaderWords("list-id", ("news",)), True),
        (HeaderWords("list-id", ("olds",)), False),
        (HeaderWords("x-none", ()), False),
        (Not(Words(Place.BODY, ("noon",))), False),
        (And((Words(Place.BODY, ("noon",)), HeaderWords("x-none", ()))), False),
        (Or((Words(Place.BODY, ("noon",)), HeaderWords("x-none", ()))), True),
    ],
    ids=repr,
)
def test_text_answers_what_is_left(rest: Filter, holds: bool) -> None:
    assert holds_in_text(rest, TEXT) is holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lunch  Noon", ("lunch", "noon")),
        ('"see you" at', ("see you", "at")),
        ("'See  You'", ("see you",)),
        (r'"a \"b\" c"', ('a "b" c',)),
        ('"open', ('"open',)),
        ("", ()),
        ("ＦＵＬＬ Straße", ("full", "strasse")),
    ],
    ids=["words", "phrase", "single", "escaped", "open", "empty", "folded"],
)
def test_phrases(text: str, expected: tuple[str, ...]) -> None:
    assert phrases(text) == expected


def test_a_mail_is_folded_with_decoded_headers_and_without_markup() -> None:
    octets = (
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/html; charset=iso-8859-1\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"<p title=secret>Fran=E7ois &amp; <b>FRIENDS</b></p>\r\n"
    )
    text = mail_text(octets)
    assert text.fields[0] == ("subject", "grüsse")
    assert text.body == "françois & friends"


@pytest.mark.parametrize(
    "octets", [b"", b"\0" * 50, b"<" * 200_000, b"Content-Type: text/html\r\n\r\n" + b"<a" * 200_000]
)
def test_hostile_mails_are_folded_in_time(octets: bytes) -> None:
    assert isinstance(mail_text(octets), MailText)


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
    assert fold(html_text(markup)) == text


@pytest.mark.parametrize("markup", ["<style>" * 100_000, "<!--" * 200_000, "<script>a</script" * 50_000, "<" * 500_000])
def test_hostile_html_is_read_in_time(markup: str) -> None:
    html_text(markup)


def test_a_page_has_a_preview_of_its_words() -> None:
    page = b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>Dear <b>Bob</b>, hello</p>"
    assert digest_octets(page).preview == "Dear Bob, hello"


async def test_a_query_over_what_was_destroyed_meanwhile_is_consistent(shelf: Shelf) -> None:
    await shelf.store.write(lambda txn: emails.destroy(txn.account(shelf.account.id), shelf.ids[2]))
    assert await shelf.numbers(InMailbox(INBOX)) == [3, 0]
