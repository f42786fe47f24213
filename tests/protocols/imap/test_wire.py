"""Octets become commands, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap.commands.table import read_command
from protocols.imap.refusal import Disconnect, ImapRefusal
from protocols.imap.scanner import Scanner
from protocols.imap.wire import BadLine, Event, ImapWire, LiteralWanted, NeedData, RawCommand, WireLimits

LIMITS = WireLimits(line=200, literals=50, append=1_000)


def _events(pieces: list[bytes], limits: WireLimits = LIMITS) -> list[Event | str]:
    wire, found = ImapWire(limits), list[Event | str]()
    for piece in pieces:
        wire.feed(piece)
        try:
            while not isinstance(event := wire.next_event(), NeedData):
                found.append(event)
        except Disconnect as error:
            return [*found, error.text]
    return found


def _each(octets: bytes) -> list[bytes]:
    return [octets[at : at + 1] for at in range(len(octets))]


DIALOGUES: dict[str, tuple[bytes, list[Event | str]]] = {
    "two commands": (
        b"a NOOP\r\nb NOOP\r\n",
        [RawCommand((b"a NOOP",), ()), RawCommand((b"b NOOP",), ())],
    ),
    "literal": (
        b"a LOGIN {3}\r\nbob {2}\r\npw\r\n",
        [LiteralWanted(), LiteralWanted(), RawCommand((b"a LOGIN ", b" ", b""), (b"bob", b"pw"))],
    ),
    "non-synchronising literal": (
        b"a LOGIN {3+}\r\nb\r\n {0+}\r\n\r\n",
        [RawCommand((b"a LOGIN ", b" ", b""), (b"b\r\n", b""))],
    ),
    "literal in a list": (b"a ID ({1+}\r\nx NIL)\r\n", [RawCommand((b"a ID (", b" NIL)"), (b"x",))]),
    "no literal inside a word": (b"a NOOP x{3}\r\n", [RawCommand((b"a NOOP x{3}",), ())]),
    "too big a literal": (b"a LOGIN {51}\r\nb NOOP\r\n", [
        BadLine(b"a", "literal too big", is_too_big=True), RawCommand((b"b NOOP",), ())
    ]),
    "too big together": (b"a LOGIN {30+}\r\n" + b"x" * 30 + b" {30}\r\nb NOOP\r\n", [
        BadLine(b"a", "literal too big", is_too_big=True), RawCommand((b"b NOOP",), ())
    ]),
    "too big and on its way": (b"a LOGIN {60+}\r\n" + b"x" * 60 + b" y\r\nb NOOP\r\n", [
        BadLine(b"a", "literal too big", is_too_big=True), RawCommand((b"b NOOP",), ())
    ]),
    "a mail may be larger": (
        b"a APPEND x {900+}\r\n" + b"x" * 900 + b"\r\n",
        [RawCommand((b"a APPEND x ", b""), (b"x" * 900,))],
    ),
    "one mail only": (b"a append x {900+}\r\n" + b"x" * 900 + b" {900}\r\n", [
        BadLine(b"a", "literal too big", is_too_big=True)
    ]),
    "bare LF": (b"a NOOP\nb NOOP\r\n", [
        BadLine(b"a", "lines end with CRLF and hold no other CR, LF or NUL"), RawCommand((b"b NOOP",), ())
    ]),
    "bare CR": (b"a NO\rOP\r\n", [BadLine(b"a", "lines end with CRLF and hold no other CR, LF or NUL")]),
    "NUL": (b"a \0\r\n", [BadLine(b"a", "lines end with CRLF and hold no other CR, LF or NUL")]),
    "no tag": (b"\r\n", [RawCommand((b"",), ())]),
    "endless line": (b"x" * 300, ["line too long"]),
    "endless line in pieces": (b"a " + b"{0+}\r\n " * 60, ["line too long"]),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "expected"), DIALOGUES.values(), ids=DIALOGUES.keys())
def test_events_do_not_depend_on_how_octets_come(octets: bytes, expected: list[Event | str]) -> None:
    assert _events([octets]) == expected
    assert _events(_each(octets)) == expected


def test_before_login_a_literal_that_is_too_big_ends_the_connection() -> None:
    assert _events([b"a LOGIN {60+}\r\n"], WireLimits(200, 50, 0)) == ["literal too big"]


def test_octets_read_before_tls_are_forgotten() -> None:
    wire = ImapWire(LIMITS)
    wire.feed(b"a STARTTLS\r\nb LOGIN {30+}\r\n")
    assert wire.next_event() == RawCommand((b"a STARTTLS",), ())
    assert wire.next_event() == NeedData()
    wire.discard()
    wire.feed(b"c NOOP\r\n")
    assert wire.next_event() == RawCommand((b"c NOOP",), ())


def test_a_skipped_literal_is_not_kept() -> None:
    wire = ImapWire(LIMITS)
    wire.feed(b"a APPEND x {100000+}\r\n")
    for _ in range(99):
        wire.feed(b"x" * 1_000)
        assert wire.next_event() == NeedData()
        assert wire.buffered == 0


_PIECE = st.sampled_from(
    [
        b"a ",
        b"FETCH ",
        b"UID ",
        b"SEARCH ",
        b"LIST ",
        b"STORE ",
        b"APPEND ",
        b"SELECT ",
        b"COPY ",
        b"(",
        b")",
        b"[",
        b"]",
        b'"',
        b"\\",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"{",
        b"}",
        b"\r\n",
        b"\n",
        b"1:*",
        b"1,2",
        b" ",
        b"BODY[",
        b"HEADER.FIELDS (x)",
        b"<0.5>",
        b"NOT ",
        b"OR ",
        b"KEYWORD ",
        b"\\Seen",
        b"FLAGS",
        b"+FLAGS.SILENT",
        b"RETURN (",
        b"&AOQ-",
        b"%",
        b"*",
        b"x" * 40,
        b"LOGIN ",
        b"AUTHENTICATE PLAIN ",
        b"=",
        b"ID ",
        b"ENABLE ",
        b"STATUS ",
        b"(MESSAGES)",
        b"RENAME ",
        b"CREATE ",
        b"\xff",
        b"9" * 30,
        b"BEFORE ",
        b"1-Jan-2026",
        b"CHARSET ",
        b"UTF-8",
        b"MODSEQ ",
        b"TEXT ",
        b"UNCHANGEDSINCE ",
        b'"x" ',
        b"INBOX ",
    ]
)


@given(st.lists(_PIECE | st.binary(max_size=5), max_size=30).map(b"".join), st.data())
def test_any_octets_give_the_same_events_and_only_refusals(octets: bytes, data: st.DataObject) -> None:
    whole = _events([octets])
    assert _events(_each(octets)) == whole
    cut = data.draw(st.integers(0, len(octets)))
    assert _events([octets[:cut], octets[cut:]]) == whole
    for event in whole:
        if isinstance(event, RawCommand):
            try:
                scan = Scanner(event)
                read_command(scan, scan.tag())
            except ImapRefusal as refusal:
                assert b"\r" not in refusal.line(b"a")[:-2]


@given(
    st.sampled_from([b"FETCH 1 ", b"SEARCH ", b"STORE 1 ", b"LIST ", b"UID SEARCH RETURN ", b"APPEND x "]),
    st.lists(_PIECE, max_size=12),
)
def test_arguments_are_read_or_refused(start: bytes, pieces: list[bytes]) -> None:
    arguments = b"".join(pieces).replace(b"\r\n", b"").replace(b"\n", b"")
    scan = Scanner(RawCommand((b"a " + start + arguments,), ()))
    try:
        read_command(scan, scan.tag())
    except ImapRefusal:
        pass
