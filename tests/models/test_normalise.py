"""Obfuscated spellings become one word; honest writing in other scripts stays."""

import pytest

from models.normalise import normalise


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("vеrіfу", id="Cyrillic letters in a Latin word"),
        pytest.param("νerify", id="Greek letter"),
        pytest.param("ver\u200bi\u200dfy", id="zero width"),
        pytest.param("ver\u00adify", id="soft hyphen"),
        pytest.param("\u202everify\u202c", id="bidirectional marks"),
        pytest.param("v e r i f y", id="spaced letters"),
        pytest.param("v.e.r.i.f.y", id="dotted letters"),
        pytest.param("𝐯𝐞𝐫𝐢𝐟𝐲", id="maths bold"),
        pytest.param("𝓿𝓮𝓻𝓲𝓯𝔂", id="maths script"),
        pytest.param("ｖｅｒｉｆｙ", id="full width"),
        pytest.param("ⓥⓔⓡⓘⓕⓨ", id="circled"),
        pytest.param("ᴠᴇʀɪꜰʏ", id="small capitals"),
        pytest.param("🇻🇪🇷🇮🇫🇾", id="flags"),
        pytest.param("VERIFY", id="capitals"),
    ],
)
def test_one_normal_form(written: str) -> None:
    assert normalise(f"please {written}  now").split() == ["please", "verify", "now"]


@pytest.mark.parametrize(
    "text",
    [
        "привет, как дела? это тест",
        "οικονομία της χώρας",
        "für ihre überprüfung",
        "日本語のテキスト",
        "a b c",
        "e.g. this",
    ],
)
def test_honest_writing_stays(text: str) -> None:
    assert normalise(text) == text


def test_a_whole_word_of_look_alikes_is_folded() -> None:
    assert normalise("раураl.com") == "paypal.com"
    assert normalise("сосоа") == "cocoa"
