"""Header values decoded: RFC 2047 words, addresses, dates, message ids."""

from datetime import UTC, datetime

import pytest

from store.message.addresses import Kind, read_entries
from store.message.headers import decode_unstructured, message_ids, parse_addresses, parse_date

WORDS: list[tuple[str, bytes, str]] = [
    ("plain", b" Hello\r\n", "Hello"),
    ("folded", b" one\r\n\ttwo", "one two"),
    ("q", b"=?iso-8859-1?q?M=FCnchen_am_See?=", "München am See"),
    ("b", b"=?UTF-8?B?4oKs?=", "€"),
    ("text around", b"Re: =?utf-8?q?=C3=A4?= done", "Re: ä done"),
    ("adjacent", b"=?utf-8?q?a?=  =?utf-8?q?b?=", "ab"),
    ("adjacent folded", b"=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E4?=", "aä"),
    ("character split", b"=?utf-8?q?=E2=82?= =?utf-8?q?=AC?=", "€"),
    ("character split, base64", b"=?utf-8?B?4oI=?=\r\n =?utf-8?B?rA==?=", "€"),
    ("shift states", b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= =?iso-2022-jp?B?GyRCOGwbKEI=?=", "日本語"),
    ("within a word", b"[x]=?utf-8?q?y?=z", "[x]yz"),
    ("language", b"=?utf-8*en?q?a?=", "a"),
    ("charset unknown", b"=?nonsense?q?=C3=A4?=", "ä"),
    ("charset lies", b"=?us-ascii?q?=E4?=", "ä"),
    ("gb2312 means gb18030", b"=?gb2312?B?1tDOxA==?=", "中文"),
    ("padding missing", b"=?utf-8?B?YWJjZA?=", "abcd"),
    ("base64 damaged", b"=?utf-8?B?YW!Jj?=", "abc"),
    ("base64 one too many", b"=?utf-8?B?YWJjZ?=", "abc"),
    ("not a word", b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
    ("not closed", b"=?utf-8?q?abc", "=?utf-8?q?abc"),
    ("raw UTF-8", "Grüße".encode(), "Grüße"),
    ("raw windows-1252", b"Gr\xfc\xdfe \x80", "Grüße €"),
    ("raw beside a word", b"\xe4 =?utf-8?q?b?=", "ä b"),
    ("control characters", b"=?utf-8?q?a=00b=0D=0Ac?=", "ab  c"),
    ("codecs that are no charset", b"=?rot13?q?abc?= =?base64?q?abc?=", "abcabc"),
]


@pytest.mark.parametrize(("raw", "text"), [row[1:] for row in WORDS], ids=[row[0] for row in WORDS])
def test_unstructured(raw: bytes, text: str) -> None:
    assert decode_unstructured(raw) == text


ADDRESSES: list[tuple[str, bytes, list[tuple[str, str]]]] = [
    ("bare", b"a@b.example", [("", "a@b.example")]),
    ("angle", b"Jane Doe <j@x.example>", [("Jane Doe", "j@x.example")]),
    ("quoted name", b'"Doe, Jane \\"J\\"" <j@x.example>', [('Doe, Jane "J"', "j@x.example")]),
    ("list", b"a@b.example, J <j@x.example>,,", [("", "a@b.example"), ("J", "j@x.example")]),
    ("folded", b"a@b.example,\r\n b@b.example", [("", "a@b.example"), ("", "b@b.example")]),
    ("name in a comment", b"j@x.example (Jane (the) Doe)", [("Jane (the) Doe", "j@x.example")]),
    ("comments", b"Pete(nice \\) chap) <pete(his)@silly.test(host)>", [("Pete", "pete@silly.test")]),
    ("group", b"Team: J <j@x.example>; c@c.example", [("J", "j@x.example"), ("", "c@c.example")]),
    ("empty group", b"undisclosed-recipients:;", []),
    ("route", b"M <@a.test,@b.test:m@c.test>", [("M", "m@c.test")]),
    ("quoted local part", b'"j. doe"@x.example', [("", '"j. doe"@x.example')]),
    ("quoted local part in angle", b'J <"j, @doe"@x.example>', [("J", '"j, @doe"@x.example')]),
    ("spaces in an address", b"j @ x . example", [("", "j@x.example")]),
    ("literal", b"j@[192.0.2.1]", [("", "j@[192.0.2.1]")]),
    ("literal IPv6", b"J <j@[IPv6:2001:db8::1]>", [("J", "j@[IPv6:2001:db8::1]")]),
    ("encoded name", b"=?utf-8?q?J=C3=BCrgen?= <j@x.example>", [("Jürgen", "j@x.example")]),
    ("encoded name in quotes", b'"=?utf-8?q?J=C3=BCrgen?=" <j@x.example>', [("Jürgen", "j@x.example")]),
    ("encoded comma", b"=?utf-8?q?Doe,_Jane?= <j@x.example>", [("Doe, Jane", "j@x.example")]),
    ("encoded words joined", b"=?utf-8?q?a?= =?utf-8?q?b?= <j@x.example>", [("ab", "j@x.example")]),
    ("raw UTF-8", "Jürgen <jürgen@x.example>".encode(), [("Jürgen", "jürgen@x.example")]),
    ("address as name", b'"boss@bank.example" <x@evil.example>', [("boss@bank.example", "x@evil.example")]),
    ("two angles", b"A <a@x.example> B <b@x.example>", [("A", "a@x.example"), ("B", "b@x.example")]),
    ("angle not closed", b"A <a@x.example", [("A", "a@x.example")]),
    ("quote not closed", b'"A <a@x.example>', [('"A', "a@x.example")]),
    ("comment not closed", b"A (b <a@x.example>", [("A (b", "a@x.example")]),
    ("semicolons between", b"a@x.example; b@x.example", [("", "a@x.example"), ("", "b@x.example")]),
    ("no address", b"Jane Doe", [("Jane Doe", "")]),
    ("empty angle", b"<>", []),
    ("name and empty angle", b"Mailer <>", [("Mailer", "")]),
    ("mailto", b"<mailto:a@x.example>", [("", "a@x.example")]),
    ("nothing", b"", []),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "found"), [row[1:] for row in ADDRESSES], ids=[row[0] for row in ADDRESSES])
def test_addresses(raw: bytes, found: list[tuple[str, str]]) -> None:
    assert [(address.name, address.email) for address in parse_addresses(raw)] == found


def test_addresses_are_limited() -> None:
    raw = b", ".join(b"R <r%d@x.example>" % i for i in range(5_000))
    assert len(parse_addresses(raw)) == 2_000
    assert parse_addresses(raw)[-1].email == "r1999@x.example"


def test_groups_are_kept_for_imap_and_always_end() -> None:
    kinds = [entry.kind for entry in read_entries(b"A: a@x.example; B: b@x.example")]
    assert kinds == [Kind.GROUP, Kind.MAILBOX, Kind.GROUP_END, Kind.GROUP, Kind.MAILBOX, Kind.GROUP_END]


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]


DATES: list[tuple[str, bytes, datetime | None]] = [
    ("usual", b" Tue, 1 Jul 2003 10:52:37 +0200", at(2003, 7, 1, 8, 52, 37)),
    ("west", b"Fri, 21 Nov 1997 09:55:06 -0330", at(1997, 11, 21, 13, 25, 6)),
    ("no weekday", b"21 Nov 1997 09:55 +0000", at(1997, 11, 21, 9, 55)),
    ("comment", b"Thu,\r\n\t13 Feb 1969 23:32 -0330 (Newfoundland Time)", at(1969, 2, 14, 3, 2)),
    ("two digits, this century", b"21 Nov 49 09:55:06 GMT", at(2049, 11, 21, 9, 55, 6)),
    ("two digits, last century", b"21 Nov 97 09:55:06 GMT", at(1997, 11, 21, 9, 55, 6)),
    ("three digits", b"21 Nov 103 09:55:06 GMT", at(2003, 11, 21, 9, 55, 6)),
    ("zone by name", b"Fri, 21 Nov 1997 09:55:06 EST", at(1997, 11, 21, 14, 55, 6)),
    ("military zone", b"Fri, 21 Nov 1997 09:55:06 Z", at(1997, 11, 21, 9, 55, 6)),
    ("unknown zone", b"Fri, 21 Nov 1997 09:55:06 MESZ", at(1997, 11, 21, 9, 55, 6)),
    ("no zone", b"Fri, 21 Nov 1997 09:55:06", at(1997, 11, 21, 9, 55, 6)),
    ("GMT and offset", b"Fri, 21 Nov 1997 09:55:06 GMT+01:00", at(1997, 11, 21, 8, 55, 6)),
    ("afternoon", b"Fri, 21 Nov 1997 1:55:06 PM +0000", at(1997, 11, 21, 13, 55, 6)),
    ("hyphens", b"21-Nov-1997 09:55:06 +0000", at(1997, 11, 21, 9, 55, 6)),
    ("asctime", b"Fri Nov 21 09:55:06 1997", at(1997, 11, 21, 9, 55, 6)),
    ("month in full", b"21 November 1997 09:55:06 +0000", at(1997, 11, 21, 9, 55, 6)),
    ("leap second", b"31 Dec 1998 23:59:60 +0000", at(1998, 12, 31, 23, 59, 59)),
    ("day out of range", b"31 Feb 2003 10:52:37 +0200", None),
    ("hour out of range", b"1 Jul 2003 25:52:37 +0200", None),
    ("second out of range", b"1 Jul 2003 10:52:61 +0200", None),
    ("zone out of range", b"1 Jul 2003 10:52:37 +9900", None),
    ("before all time", b"1 Jan 0001 00:00:00 +0100", None),
    ("no month", b"1 Foo 2003 10:52:37 +0200", None),
    ("digits of other scripts", "١ Jul 2003 10:52:37 +0200".encode(), None),
    ("text", b"yesterday", None),
    ("nothing", b"", None),
    ("much", b"1" * 1_000_000, None),
]


@pytest.mark.parametrize(("raw", "moment"), [row[1:] for row in DATES], ids=[row[0] for row in DATES])
def test_dates(raw: bytes, moment: datetime | None) -> None:
    assert parse_date(raw) == moment


IDS: list[tuple[str, bytes, tuple[str, ...]]] = [
    ("one", b" <a@x.example>\r\n", ("a@x.example",)),
    ("several", b"<a@x.example> <b@x.example>\r\n\t<c@x.example>", ("a@x.example", "b@x.example", "c@x.example")),
    ("text between", b'"A mail" of Monday <a@x.example>', ("a@x.example",)),
    ("spaces within", b"<a @ x.example>", ("a@x.example",)),
    ("no brackets", b" a@x.example ", ("a@x.example",)),
    ("words", b"your message of yesterday", ()),
    ("empty", b"<>", ()),
    ("not closed", b"<a@x.example", ()),
    ("nothing", b"", ()),
]


@pytest.mark.parametrize(("raw", "found"), [row[1:] for row in IDS], ids=[row[0] for row in IDS])
def test_message_ids(raw: bytes, found: tuple[str, ...]) -> None:
    assert message_ids(raw) == found


def test_of_many_references_the_first_and_the_newest_stay() -> None:
    found = message_ids(b" ".join(b"<%d@x.example>" % i for i in range(10_000)))
    assert len(found) == 200
    assert (found[0], found[1], found[-1]) == ("0@x.example", "9801@x.example", "9999@x.example")
