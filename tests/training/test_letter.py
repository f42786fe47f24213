"""Letters: the format says where it is wrong, slots are filled, families stay on one side."""

import random

import pytest

from models.view import view_of
from store.message.mime import parse_message
from training.corpus.sample import Label
from training.modern import letter
from training.modern.layout import Kind

WHOLE = """# Composed for this project.

== x-parcel ham en
From: Anna's Shop
Subject: Your order {order} {unknown}
Unsubscribe: yes
Attach: Invoice_{order}.pdf

Hi {first},
your lamp is on its way.

| Lamp | 2 | 3.50 |
| Bulb | 1 | 9.00 |
-> Follow it
* left the house
* is in the van

> When will it come?
"""


def test_a_letter_is_read_with_its_marks() -> None:
    (found,) = letter.parse(WHOLE)
    assert (found.family, found.label, found.language) == ("x-parcel", Label.HAM, "en")
    assert [b.kind for b in found.body] == [Kind.TEXT, Kind.ROW, Kind.LINK, Kind.ITEM, Kind.QUOTE]
    assert found.body[1].text.count("\n") == 1


@pytest.mark.parametrize("seed", range(8))
def test_every_layout_says_the_same(seed: int) -> None:
    (found,) = letter.parse(WHOLE)
    raw = letter.compose(found, random.Random(seed))
    view = view_of(parse_message(raw))
    assert "{unknown}" in view.subject and "{order}" not in view.subject
    for said in ("your lamp is on its way", "3.50", "Follow it", "is in the van", "When will it come?"):
        assert said in view.text
    assert raw == letter.compose(found, random.Random(seed))


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param("== one ham\nFrom: A\nSubject: B\n\ntext", "line 1: expected", id="title"),
        pytest.param("== a-b ham en\nFrom: A\nSubject B\n\ntext", "not a header of a letter", id="header"),
        pytest.param("== a-b ham en\nFrom: A\nSubject: B\n\n", "needs From, Subject and a text", id="no-text"),
        pytest.param("== a-b nice en\nFrom: A\nSubject: B\n\ntext", "'nice' is not a valid Label", id="label"),
    ],
)
def test_a_broken_letter_names_its_line(broken: str, says: str) -> None:
    with pytest.raises(letter.BadLetter, match=says):
        list(letter.parse(broken, "x.txt"))


def test_no_family_is_on_both_sides() -> None:
    trained = {m.family for m in letter.mails(1, 7, held_out=False)}
    held = {m.family for m in letter.mails(1, 7, held_out=True)}
    assert not trained & held
    assert {f for f in held if f.startswith(letter.HELD_OUT_PREFIX)} == {
        x.family for x in letter.letters() if x.family.startswith(letter.HELD_OUT_PREFIX)
    }
