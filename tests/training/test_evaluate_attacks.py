"""Attacks on whole mails: each does what it is called, and a reader still reads the mail."""

from email import message_from_bytes
from random import Random

import pytest

from models.normalise import fold_table
from models.view import MailView, view_of
from store.message.mime import parse_message
from training.evaluate.attacks import ATTACKS, CLEAN, Attack, attacked, marked, twins

TEXT = "Dear customer, your parcel is waiting. Confirm the delivery address today."
PLAIN = f"From: a@b.example\nSubject: Your parcel\nContent-Type: text/plain; charset=utf-8\n\n{TEXT}\n".encode()
PAGE = (
    b"From: a@b.example\nSubject: Your parcel\nContent-Type: text/html; charset=utf-8\n\n"
    b"<html><head><style>p{color:red}</style></head><body class=x><p>Dear customer, your <b>parcel</b> "
    b"is waiting &amp; "
    b'safe.</p><!-- delivery --><a href="https://b.example/delivery">Confirm the delivery address</a> today.'
    b"</body></html>\n"
)
INNOCENT = " ".join(f"innocent{n}" for n in range(300))
BY_NAME = {attack.name: attack for attack in ATTACKS}


def view(octets: bytes) -> MailView:
    return view_of(parse_message(octets))


def under(name: str, octets: bytes) -> MailView:
    return view(attacked(octets, BY_NAME[name], INNOCENT, Random(1)))


@pytest.mark.parametrize("octets", [PLAIN, PAGE], ids=["plain", "page"])
def test_rewriting_alone_changes_nothing(octets: bytes) -> None:
    before, after = view(octets), view(attacked(octets, CLEAN, INNOCENT, Random(1)))
    assert (after.normal.split(), after.links, after.tokens) == (before.normal.split(), before.links, before.tokens)


@pytest.mark.parametrize("octets", [PLAIN, PAGE], ids=["plain", "page"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_every_attack_changes_the_octets_the_same_way_for_a_seed(attack: Attack, octets: bytes) -> None:
    first, again = (attacked(octets, attack, INNOCENT, Random(1)) for _ in range(2))
    assert first == again
    assert first != attacked(octets, CLEAN, INNOCENT, Random(1))
    message_from_bytes(first)


@pytest.mark.parametrize("name", [a.name for a in ATTACKS if a.letters is not None])
def test_links_and_styles_are_left_alone(name: str) -> None:
    changed = attacked(PAGE, BY_NAME[name], INNOCENT, Random(1))
    assert b'href="https://b.example/delivery"' in changed and b"p{color:red}" in changed
    assert b"Subject: Your parcel" not in changed


def test_look_alikes_are_all_of_the_standard_and_more_than_our_own_table_folds() -> None:
    assert len(twins()["a"]) > 15 and len(twins()["o"]) > 30
    assert min(len(marked().get(letter, "")) for letter in "aeioustr") > 8
    strange = [c for others in marked().values() for c in others if ord(c) not in fold_table()]
    assert len(strange) > 300


@pytest.mark.parametrize("octets", [PLAIN, PAGE], ids=["plain", "page"])
def test_comments_cut_words_for_machines_only(octets: bytes) -> None:
    changed = attacked(octets, BY_NAME["HTML comments inside words"], INNOCENT, Random(1))
    assert b"delivery address" not in changed.lower()
    assert "delivery address" in view(changed).text


@pytest.mark.parametrize("octets", [PLAIN, PAGE], ids=["plain", "page"])
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("300 innocent words before", True, False),
        ("300 innocent words after", False, True),
        ("300 innocent words on both sides", True, True),
    ],
)
def test_padding_stands_where_it_should(octets: bytes, name: str, first: bool, last: bool) -> None:
    text = under(name, octets).text
    assert text.lstrip().startswith("innocent0") is first
    assert text.rstrip().endswith("innocent299") is last
    assert "Confirm" in text


def test_a_picture_is_all_that_is_left() -> None:
    found = under("picture only", PAGE)
    assert found.text.strip() == "" and found.image_count == 1 and found.subject == "Your parcel"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Subject: x\n\n",
        b"Content-Type: text/plain; charset=nonsense\n\n\xff\xfe",
        b"Content-Type: multipart/mixed\n\nx",
    ],
    ids=["empty", "no body", "unknown charset", "no boundary"],
)
@pytest.mark.parametrize("attack", [CLEAN, *ATTACKS], ids=lambda a: a.name)
def test_broken_mails_are_attacked_without_harm(attack: Attack, octets: bytes) -> None:
    assert isinstance(attacked(octets, attack, INNOCENT, Random(1)), bytes)


def test_hostile_markup_takes_linear_time() -> None:
    page = b"Content-Type: text/html\n\n" + b"<!-- <style <" * 20_000
    assert len(attacked(page, BY_NAME["words cut by a space"], "", Random(1))) > 100_000
