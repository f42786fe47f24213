"""What follows DATA: where it ends, what it holds, and what would smuggle."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smtp.data import END, Allowance, DataFault, DataReader, hops

LIMIT = 10_000


def read(wire: bytes, step: int, limit: int = LIMIT) -> tuple[bytes, bytes | None, DataFault | None]:
    """Mail, rest after the end (None: no end), fault; fed ``step`` octets at a time."""
    reader = DataReader(limit, Allowance(1 << 30))
    for start in range(0, len(wire), step):
        rest = reader.feed(wire[start : start + step])
        if rest is not None:
            octets = reader.octets()
            return octets, rest + wire[start + step :], reader.fault
    return b"", None, reader.fault


MAILS = {
    "one line": (b"hello\r\n.\r\n", b"hello\r\n"),
    "empty": (b".\r\n", b""),
    "an empty line": (b"\r\n.\r\n", b"\r\n"),
    "a stuffed dot": (b"..\r\n.\r\n", b".\r\n"),
    "stuffed first and later": (b"..a\r\n...b\r\n.\r\n", b".a\r\n..b\r\n"),
    "a dot that should have been stuffed": (b".a\r\n.\r\n", b"a\r\n"),
    "a dot inside a line": (b"a.b\r\na.\r\n.\r\n", b"a.b\r\na.\r\n"),
    "not an end: dot and text": (b"a\r\n.b\r\n.\r\n", b"a\r\nb\r\n"),
    "no line end limit": (b"x" * 5_000 + b"\r\n.\r\n", b"x" * 5_000 + b"\r\n"),
    "8-bit and NUL": (bytes(set(range(256)) - {10, 13}) + b"\r\n.\r\n", bytes(set(range(256)) - {10, 13}) + b"\r\n"),
}


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize(("wire", "mail"), MAILS.values(), ids=MAILS)
def test_mails_are_read_the_same_however_they_are_cut(wire: bytes, mail: bytes, step: int) -> None:
    assert read(wire + b"RSET\r\n", step) == (mail, b"RSET\r\n", None)


SMUGGLING = {
    "LF dot LF": b"a\n.\nMAIL",
    "LF dot CRLF": b"a\n.\r\nMAIL",
    "CRLF dot LF": b"a\r\n.\nMAIL",
    "CR dot CR": b"a\r.\rMAIL",
    "CR dot CRLF": b"a\r.\r\nMAIL",
    "CRLF dot CR": b"a\r\n.\rMAIL",
    "LF dot CR": b"a\n.\rMAIL",
    "CR CRLF dot CRLF-less": b"a\r\r\n.b",
    "LF CR": b"a\n\rMAIL",
    "a bare LF": b"a\nb",
    "a bare CR": b"a\rb",
    "LF first of all": b"\nb",
    "CR first of all": b"\rb",
    "dot LF first of all": b".\nMAIL",
    "dot CR first of all": b".\rMAIL",
    "NUL in the end mark": b"a\r\n.\0\rMAIL",
}


@pytest.mark.parametrize("step", [1, 2, 100_000])
@pytest.mark.parametrize("wire", SMUGGLING.values(), ids=SMUGGLING)
def test_what_another_server_may_take_for_an_end_is_refused(wire: bytes, step: int) -> None:
    """It does not end the mail here, and the mail that holds it is refused."""
    assert read(wire, step)[1] is None
    assert read(wire + END + b"NOOP\r\n", step) == (b"", b"NOOP\r\n", DataFault.BARE_LINE_END)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_mail_of_exactly_the_limit_is_taken_however_it_is_cut(cut: int) -> None:
    wire = b"x" * 98 + b"\r\n.\r\n"
    reader = DataReader(100, Allowance(1 << 30))
    first = reader.feed(wire[:-cut])
    rest = reader.feed(wire[-cut:]) if first is None else first
    assert (rest, reader.octets(), reader.fault) == (b"", wire[:100], None)


@pytest.mark.parametrize("step", [1, 3, 64, 100_000])
def test_a_mail_one_octet_over_the_limit_is_refused_and_what_follows_kept(step: int) -> None:
    assert read(b"x" * 99 + b"\r\n.\r\nQUIT\r\n", step, 100) == (b"", b"QUIT\r\n", DataFault.TOO_BIG)


def test_memory_stays_bounded_by_the_limit() -> None:
    reader = DataReader(100_000, Allowance(1 << 30))
    chunk = b"y" * 65_536
    tracemalloc.start()
    try:
        for _ in range(400):
            assert reader.feed(chunk) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reader.feed(END) == b""
    assert reader.fault is DataFault.TOO_BIG
    assert peak < 1_000_000


def test_an_end_mark_cut_after_the_limit_is_found() -> None:
    reader = DataReader(10, Allowance(1 << 30))
    for octet in b"z" * 50 + END[:-1]:
        assert reader.feed(bytes([octet])) is None
    assert reader.feed(b"\n") == b""
    assert reader.fault is DataFault.TOO_BIG


LINES = st.lists(
    st.one_of(st.sampled_from([b"", b".", b"..", b".a"]), st.binary(max_size=20)).map(
        lambda line: line.replace(b"\r", b"").replace(b"\n", b"")
    ),
    max_size=12,
)


@given(LINES, st.binary(max_size=20), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_stuffed_mails_come_back_whole(lines: list[bytes], rest: bytes, cuts: list[int]) -> None:
    """Any lines, stuffed by the rule (RFC 5321 §4.5.2), cut anywhere: the same lines, and all of the rest."""
    mail = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    wire = stuffed + b".\r\n" + rest
    reader, position, turn = DataReader(LIMIT, Allowance(1 << 30)), 0, 0
    found = None
    while found is None:
        step = cuts[turn % len(cuts)]
        found = reader.feed(wire[position : position + step])
        position, turn = position + step, turn + 1
    assert (reader.octets(), found + wire[position:], reader.fault) == (mail, rest, None)


@given(st.text(alphabet="\r\n.a", max_size=30).map(str.encode), st.integers(1, 5))
def test_nothing_taken_holds_a_bare_line_end(wire: bytes, step: int) -> None:
    octets, rest, fault = read(wire + END, step)
    assert rest is not None
    if fault is None:
        assert b"\r" not in octets.replace(b"\r\n", b"")
        assert b"\n" not in octets.replace(b"\r\n", b"")


def test_what_all_mails_hold_together_is_bounded_and_given_back() -> None:
    allowance = Allowance(100)
    first, second = DataReader(1_000, allowance), DataReader(1_000, allowance)
    assert first.feed(b"x" * 60) is None
    assert second.feed(b"y" * 60) is None
    assert (first.fault, second.fault) == (None, DataFault.CROWDED)
    assert second.feed(b"y" * 10_000 + b"\r\n.\r\nNOOP\r\n") == b"NOOP\r\n"
    assert second.octets() == b""
    assert allowance.held_octets == 62
    assert first.feed(b"\r\n.\r\n") == b""
    assert first.octets() == b"x" * 60 + b"\r\n"
    first.release()
    second.release()
    first.release()
    assert allowance.held_octets == 0


HOPS = {
    "none": (b"Subject: x\r\n\r\nReceived: in the body\r\n", 0),
    "no header": (b"\r\nReceived: in the body\r\n", 0),
    "two": (b"Received: a\r\n\tReceived: folded\r\nRECEIVED : b\r\nX-Received: c\r\n\r\n", 2),
    "no body": (b"Received: a\r\nReceived: b\r\n", 2),
}


@pytest.mark.parametrize(("octets", "expected"), HOPS.values(), ids=HOPS)
def test_hops_are_counted_in_the_header(octets: bytes, expected: int) -> None:
    assert hops(octets) == expected
