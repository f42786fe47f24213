"""Places in the demo's mails, and what is attached to them."""

import io
import zipfile
from datetime import UTC, datetime

import pytest

from gateway.demo.attachments import PROGRAM, attachment
from gateway.demo.templates import BadTemplate, Filler, load

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain {text} }}", "plain {text} }}"),
        ("{{time -90m}}", "Mon, 02 Mar 2026 08:00:00 +0000"),
        ("{{time +2h}}", "Mon, 02 Mar 2026 11:30:00 +0000"),
        ("{{time +2d %d %B}}", "04 March"),
        ("{{word Jürgen}} <j@weber.test>", "=?utf-8?q?J=C3=BCrgen?= <j@weber.test>"),
    ],
)
def test_places(text: str, filled: str) -> None:
    assert Filler("mail", NOW, 0).fill(text) == filled


def test_chance_is_the_same_in_one_mail_and_another_in_the_next() -> None:
    text = "{{id}} {{number 8}}"
    one = Filler("one", NOW, 0).fill(text)
    assert one == Filler("one", NOW, 0).fill(text) and len(one) == 14 + 1 + 8
    assert len({one, Filler("two", NOW, 0).fill(text), Filler("one", NOW, 1).fill(text)}) == 3


@pytest.mark.parametrize("text", ["{{nothing}}", "{{time soon}}", "{{number many}}", "{{attach nothing}}"])
def test_bad_places_are_named(text: str) -> None:
    with pytest.raises(BadTemplate, match="mail"):
        Filler("mail", NOW, 0).fill(text)


def test_charset_and_line_ends() -> None:
    french, japanese = load("15-french", NOW, 0, "iso-8859-1"), load("16-japanese", NOW, 0, "iso-2022-jp")
    assert b"consomme moiti\xe9 moins" in french and b"\r\n\r\n" in french
    assert japanese.isascii() and b"\x1b$B" in japanese


def test_the_archive_opens_with_its_password_only() -> None:
    archive = zipfile.ZipFile(io.BytesIO(attachment("locked.zip", 0)))
    assert archive.namelist() == ["complaint.js"]
    assert archive.read("complaint.js", pwd=b"7731").startswith(b"// a harmless sample")
    with pytest.raises(RuntimeError):
        archive.read("complaint.js", pwd=b"1377")


def test_the_pdf_finds_its_objects() -> None:
    pdf = attachment("invoice.pdf", 0)
    table = int(pdf.rpartition(b"startxref\n")[2].split()[0])
    rows = pdf[table:].split(b"\n")[3:8]
    assert [pdf[int(row[:10]) :].partition(b"\n")[0] for row in rows] == [b"%d 0 obj" % n for n in range(1, 6)]


def test_the_program_is_none() -> None:
    assert PROGRAM.startswith(b"MZ") and b"PE\0\0" not in PROGRAM and PROGRAM[64:].isascii()
