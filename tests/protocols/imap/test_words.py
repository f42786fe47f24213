"""Sets, names, flags, dates and patterns."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap import flags, moments, numbers, utf7
from protocols.imap.answers.listing import matches


@pytest.mark.parametrize(
    ("written", "largest", "ranges"),
    [
        (b"1", 9, ((1, 1),)),
        (b"4:2", 9, ((2, 4),)),
        (b"3:*", 9, ((3, 9),)),
        (b"12:*", 9, ((9, 12),)),
        (b"*", 9, ((9, 9),)),
        (b"*:*,1", 9, ((1, 1), (9, 9))),
        (b"5,1:3,2:4", 9, ((1, 5),)),
        (b"4294967295", 9, ((4294967295, 4294967295),)),
    ],
)
def test_sets(written: bytes, largest: int, ranges: tuple[tuple[int, int], ...]) -> None:
    assert numbers.parse(written).resolve(largest) == ranges


@pytest.mark.parametrize("written", [b"", b"0", b"1:", b":1", b"1,,2", b"a", b"1:2:3", b"4294967296", b"1 "])
def test_what_is_no_set(written: bytes) -> None:
    with pytest.raises(numbers.BadSet):
        numbers.parse(written)


@given(st.sets(st.integers(1, 300)))
def test_sets_round_trip(members: set[int]) -> None:
    if members:
        found = numbers.parse(numbers.render(sorted(members))).resolve(300)
        assert {number for low, high in found for number in range(low, high + 1)} == members


def test_order_is_kept_for_copyuid() -> None:
    assert numbers.render([7, 8, 3, 4, 9]) == b"7:8,3:4,9"


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"&-", "&"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"&AOQA9gD8-", "äöü"),
        (b"&2D3eAA-", "\U0001f600"),
        (b"a&-b", "a&b"),
    ],
)
def test_mailbox_names(wire: bytes, name: str) -> None:
    assert utf7.decode(wire) == name
    assert utf7.encode(name) == wire


@pytest.mark.parametrize(
    "wire", [b"&", b"&AOQ", b"&AOQ=-", b"&!-", b"&AGE-", b"\xc3\xa4", b"a\tb", b"&2D0-", b"&AOQ-&AOQ-", b"&AOR-"]
)
def test_names_that_are_refused(wire: bytes) -> None:
    with pytest.raises(utf7.BadName):
        utf7.decode(wire)


@given(st.text())
def test_any_name_round_trips(name: str) -> None:
    encoded = utf7.encode(name)
    assert encoded.isascii()
    if not any(ord(char) < 0x20 or ord(char) == 0x7F for char in name):
        assert utf7.decode(encoded) == name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.parametrize(
    ("flag", "keyword"), [(b"\\Seen", "$seen"), (b"\\DELETED", "$deleted"), (b"$Junk", "$junk"), (b"work", "work")]
)
def test_flags(flag: bytes, keyword: str) -> None:
    assert flags.to_keyword(flag) == keyword


@pytest.mark.parametrize("flag", [b"\\Recent", b"\\Foo", b"a b", b"a(", b"a]", b'"', b"", b"\xe4", b"a\\"])
def test_what_is_no_flag(flag: bytes) -> None:
    with pytest.raises(flags.BadFlag):
        flags.to_keyword(flag)


def test_a_keyword_cannot_break_out_of_its_list() -> None:
    assert flags.render(frozenset({"$seen", "a) \r\n* BYE", "ok"})) == b"\\Seen ok"


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (b" 1-Feb-2026 00:00:00 +0000", 1_769_904_000_000),
        (b"01-feb-2026 01:00:00 +0100", 1_769_904_000_000),
        (b"31-Jan-2026 19:00:00 -0500", 1_769_904_000_000),
        (b" 1-Jan-1960 00:00:00 +0000", 0),
        (b" 1-Jan-0001 00:00:00 +1200", 0),
    ],
)
def test_date_times(written: bytes, ms: int) -> None:
    assert moments.parse_date_time(written) == ms


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"1-Feb-2026",
        b"30-Feb-2026 00:00:00 +0000",
        b" 1-Foo-2026 00:00:00 +0000",
        b" 1-Feb-2026 25:00:00 +0000",
        b" 1-Feb-2026 00:00:00 +2400",
        b" 1-Feb-0000 00:00:00 +0000",
    ],
)
def test_what_is_no_date_time(written: bytes) -> None:
    with pytest.raises(moments.BadMoment):
        moments.parse_date_time(written)


def test_internal_date_round_trips() -> None:
    assert moments.render_date_time(1_769_904_000_000) == b'" 1-Feb-2026 00:00:00 +0000"'
    assert moments.parse_date(b"1-Feb-2026") == date(2026, 2, 1) == moments.day_of(1_769_904_000_000)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*", "a/b", True),
        ("%", "a/b", False),
        ("%/%", "a/b", True),
        ("a*", "a", True),
        ("%b", "a/b", False),
        ("*b", "a/b", True),
        ("a%c*e", "abc/d/e", True),
        ("inbox", "INBOX", True),
        ("i%x", "INBOX", True),
        ("inbox/*", "INBOX/x", True),
        ("", "a", False),
        ("a", "A", False),
        ("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "a" * 200, False),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected
