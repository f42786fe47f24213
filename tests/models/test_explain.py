"""Explanations of the models: words add up exactly, sentences by leaving them out, bounded."""

import math

import pytest

from models.artefact import load
from models.bayes import CLIP
from models.explain import SENTENCES, pieces, sentences, without, words
from models.features import extract
from models.view import MailView
from tests.models.mails import page, plain, see

LONG = " ".join(f"Sentence number {word} is about money and meetings." for word in ("one", "two", "three")) * 60
MAILS = {
    "spam": plain("Click here to claim your FREE prize! Cheap pills, no prescription. Unsubscribe below.", "You won"),
    "ham": plain("Hi Ana,\n\nthe minutes of yesterday's meeting are attached. See you on Monday.\n\nBob", "Minutes"),
    "html": page("<p>Your account is <b>locked</b>. <a href='http://x.test/login'>Sign in</a> to unlock it.</p>"),
    "empty": plain("", ""),
    "one word": plain("hello", ""),
    "long": plain(LONG),
    "another script": plain("Ваш счёт заблокирован. Перейдите по ссылке, чтобы войти.", "Срочно"),
}


@pytest.mark.parametrize("octets", MAILS.values(), ids=MAILS)
def test_the_words_sum_to_the_models_answer(octets: bytes) -> None:
    bayes, view = load().bayes, see(octets)
    features = extract(view)
    raw, told = bayes.raw(features), words(load().bayes, view, features)
    assert told.unclipped == pytest.approx(bayes.calibration(raw.complement, raw.linear, raw.window), abs=1e-6)
    assert told.nats == pytest.approx(bayes.score(features), abs=1e-9)
    assert told.nats == pytest.approx(min(CLIP, max(-CLIP, told.unclipped)), abs=1e-6)
    pulls = [abs(part.nats) for part in told.parts]
    assert pulls == sorted(pulls, reverse=True)


def test_the_words_are_those_of_the_mail() -> None:
    view = see(MAILS["spam"])
    said = {part.words for part in words(load().bayes, view, extract(view)).parts}
    assert "prescription" in said
    assert "" not in said


CUT = {
    "nothing": ("", ()),
    "one": ("Only this sentence", ("Only this sentence",)),
    "sentences": ("First one is here. Second one is here!", ("First one is here.", "Second one is here!")),
    "a short one goes with the next": ("Hi. The parcel waits for you.", ("Hi. The parcel waits for you.",)),
    "lines": ("Dear customer of ours\nYour account is locked", ("Dear customer of ours", "Your account is locked")),
    "a short end": ("The parcel waits for you. Bye", ("The parcel waits for you.", "Bye")),
    "ideographs": ("您的帐户已被锁定请立即登录以恢复您的访问。请点击下面的链接以确认您的身份信息。",
                   ("您的帐户已被锁定请立即登录以恢复您的访问。", "请点击下面的链接以确认您的身份信息。")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CUT.values(), ids=CUT)
def test_a_text_is_cut_into_sentences(text: str, expected: tuple[str, ...]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize("text", [LONG, "a" * 100_000, "word. " * 50_000, "\n" * 100_000], ids=range(4))
def test_there_are_never_too_many_pieces(text: str) -> None:
    assert len(pieces(text)) <= SENTENCES


def test_a_sentence_is_worth_what_goes_with_it() -> None:
    view = see(plain("The meeting is on Monday at nine. Buy cheap pills right now."))
    asked: list[str] = []

    def counted(shown: MailView) -> float:
        asked.append(shown.text)
        return 2.0 * ("pills" in shown.normal) - 1.0 * ("meeting" in shown.normal)

    found = sentences(view, counted)
    assert [(part.text, part.nats) for part in found] == [
        ("Buy cheap pills right now.", 2.0),
        ("The meeting is on Monday at nine.", -1.0),
    ]
    assert len(asked) == 3
    assert math.fsum(part.nats for part in found) == 1.0


def test_what_is_left_out_is_gone_everywhere_it_is_read() -> None:
    view = see(plain("The meeting is on Monday at nine. Buy cheap pills right now."))
    left = without(view, frozenset({"Buy cheap pills right now."}))
    assert "pills" not in left.text + left.normal + left.plain_text + left.html_text
    assert "meeting" in left.normal
    assert (left.subject, left.links, left.tokens) == (view.subject, view.links, view.tokens)
