"""The words shown beside a subject."""

import pytest

from store.message.preview import preview

TABLE: list[tuple[str, str, str]] = [
    ("white space", " one\r\n\r\n two\tthree  ", "one two three"),
    ("quote below", "Yes.\n\nOn Monday Jane wrote:\n> Shall we?\n", "Yes."),
    ("quote above", "> Shall we?\nYes.", "Yes."),
    ("only a quote", "> Shall we?\n", "> Shall we?"),
    ("signature", "Hello\n-- \nJane\nExample Ltd", "Hello"),
    ("only a signature", "-- \nJane", "-- Jane"),
    ("rules", "=====\nNews\n-----\n", "News"),
    ("invisible", "a\u200b\u00adb\u034fc", "abc"),
    ("direction overrides", "exe.\u202efdp", "exe.fdp"),
    ("nothing", "", ""),
]


@pytest.mark.parametrize(("text", "shown"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_preview(text: str, shown: str) -> None:
    assert preview(text) == shown


def test_preview_is_cut() -> None:
    assert preview("word " * 1_000_000) == ("word " * 52)[:256].rstrip()
    assert preview("x" * 1_000, 10) == "x" * 10
