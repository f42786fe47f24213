"""Content-Type and Content-Disposition taken apart. RFC 2045 §5.1, RFC 2231."""

import pytest

from store.message.model import Limits
from store.message.notes import Notes
from store.message.parameters import Parameterised, parse_parameterised


def read(raw: bytes, notes: Notes | None = None) -> Parameterised:
    return parse_parameterised(raw, Limits(), notes or Notes())


TABLE: list[tuple[str, bytes, str, dict[str, str]]] = [
    ("plain", b" text/plain; charset=utf-8", "text/plain", {"charset": "utf-8"}),
    ("upper case", b"TEXT/HTML; CHARSET=UTF-8", "text/html", {"charset": "UTF-8"}),
    ("quoted", b'a/b; name="one; \\"two\\".txt"', "a/b", {"name": 'one; "two".txt'}),
    ("quote not closed", b'a/b; name="one', "a/b", {"name": "one"}),
    ("spaces around", b" a / b ; c = d ", "a/b", {"c": "d"}),
    ("folded", b"a/b;\r\n\tc=d;\r\n e=f", "a/b", {"c": "d", "e": "f"}),
    ("comments", b"text/plain (say (this)); charset=us-ascii (Plain text)", "text/plain", {"charset": "us-ascii"}),
    ("parenthesis in a word", b"a/b; name=report(1).pdf", "a/b", {"name": "report(1).pdf"}),
    ("parenthesis in quotes", b'a/b; name="x (1).pdf"', "a/b", {"name": "x (1).pdf"}),
    ("space without quotes", b"a/b; name=my report.pdf", "a/b", {"name": "my report.pdf"}),
    ("semicolon forgotten", b'a/b; c=d\r\n e="f g"', "a/b", {"c": "d", "e": "f g"}),
    ("first semicolon forgotten", b"text/plain charset=utf-8", "text/plain", {"charset": "utf-8"}),
    ("no value", b"a/b; flag; c=d", "a/b", {"c": "d"}),
    ("empty value", b"a/b; c=; d=e", "a/b", {"c": "", "d": "e"}),
    ("nothing", b"", "", {}),
    ("the first of two", b"a/b; c=one; c=two", "a/b", {"c": "one"}),
    ("charset of a value", b"a/b; name*=iso-8859-1'de'%E4.txt", "a/b", {"name": "ä.txt"}),
    ("continued", b"a/b; name*0=one; name*1=two", "a/b", {"name": "onetwo"}),
    ("continued in any order", b"a/b; name*1=two; name*0=one", "a/b", {"name": "onetwo"}),
    ("continued and encoded", b"a/b; name*0*=utf-8''%e2%82; name*1*=%ac; name*2=.txt", "a/b", {"name": "€.txt"}),
    ("gap", b"a/b; name*0=one; name*2=three", "a/b", {"name": "one"}),
    ("extended wins", b"a/b; name=plain; name*=utf-8''%c3%a4", "a/b", {"name": "ä"}),
    ("charset unknown", b"a/b; name*=nonsense''%c3%a4", "a/b", {"name": "ä"}),
    ("encoded word", b'a/b; filename="=?utf-8?B?w6Q=?=.txt"', "a/b", {"filename": "ä.txt"}),
    ("encoded word elsewhere", b'a/b; title="=?utf-8?B?w6Q=?="', "a/b", {"title": "=?utf-8?B?w6Q=?="}),
    ("raw UTF-8", b'a/b; name="\xc3\xa4"', "a/b", {"name": "ä"}),
    ("raw windows-1252", b'a/b; name="\x80"', "a/b", {"name": "€"}),
]


@pytest.mark.parametrize(("raw", "value", "params"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_values_and_parameters(raw: bytes, value: str, params: dict[str, str]) -> None:
    found = read(raw)
    assert (found.value, found.params) == (value, params)


def test_a_repeated_parameter_is_noted() -> None:
    notes = Notes()
    read(b"a/b; boundary=one; boundary=two", notes)
    assert [(defect.name, defect.detail) for defect in notes.all()] == [("mime.parameter-duplicate", "boundary")]


@pytest.mark.parametrize("name", ["p%d", "name*%d", "name*%d*"])
def test_parameters_are_limited(name: str) -> None:
    notes = Notes()
    found = read(b"a/b; " + b"; ".join((name % i).encode() + b"=v" for i in range(5_000)), notes)
    assert len(found.raw) == Limits().parameters
    assert [defect.name for defect in notes.all()] == ["mime.parameters"]
