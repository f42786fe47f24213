"""A scam in harmless text is judged by its worst passage, and only when the whole looks innocent."""

from collections.abc import Callable

import pytest

from models import artefact, reading
from models.features import Features, extract, run_of_words, words_of
from models.lm import LmScore
from models.normalise import normalise
from models.view import MailView
from tests.models.mails import see

SCAM = (
    b"Congratulations! You have won five million dollars in our lottery. To claim your prize send bank details and "
    b"pay the transfer fee today. This is guaranteed, no risk, act now before the offer ends. Click here to claim your "
    b"free money, winner. Cheap viagra without prescription, order now and save 80%."
)
HARMLESS = b"We met on Tuesday and talked about the garden, the new fence and who waters the tomatoes in August. " * 12


@pytest.fixture(scope="module")
def model() -> artefact.Artefact:
    return artefact.load()


def mail(text: bytes) -> tuple[MailView, Features]:
    view = see(b"Subject: news\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text)
    return view, extract(view)


def answers(scam: float, otherwise: float) -> tuple[Callable[[str], LmScore], list[str]]:
    """A reader that dislikes texts that begin with the scam, and what it was asked."""
    asked: list[str] = []

    def ask(text: str) -> LmScore:
        asked.append(text)
        return LmScore(scam if len(asked) > 1 else otherwise, {"ham": 0.5, "spam": 0.5})

    return ask, asked


def test_the_passage_is_the_scam(model: artefact.Artefact) -> None:
    view, features = mail(HARMLESS + SCAM + b" " + HARMLESS)
    passage = reading.suspicious(model.bayes, view, features)
    assert passage is not None
    assert "lottery" in passage.text or "viagra" in passage.text
    assert passage.words > model.bayes.score(features)


@pytest.mark.parametrize("text", [SCAM, HARMLESS], ids=["short", "harmless"])
def test_no_passage(model: artefact.Artefact, text: bytes) -> None:
    view, features = mail(text)
    assert reading.suspicious(model.bayes, view, features) is None


def test_a_bad_passage_makes_junk_and_no_more(model: artefact.Artefact) -> None:
    view, features = mail(HARMLESS + SCAM + b" " + HARMLESS)
    ask, asked = answers(8.0, -3.0)
    found = reading.read(model.bayes, model.stack, ask, view, features, -1.0)
    assert len(asked) == 2
    assert model.stack(-1.0, -3.0) < found.log_odds <= reading.MOST


def test_an_innocent_passage_takes_nothing_away(model: artefact.Artefact) -> None:
    view, features = mail(HARMLESS + SCAM + b" " + HARMLESS)
    ask, _ = answers(-8.0, 1.0)
    found = reading.read(model.bayes, model.stack, ask, view, features, 0.0)
    assert found.log_odds == pytest.approx(model.stack(0.0, 1.0))


def test_what_is_bad_as_a_whole_is_read_once(model: artefact.Artefact) -> None:
    view, features = mail(HARMLESS + SCAM + b" " + HARMLESS)
    ask, asked = answers(8.0, 8.0)
    reading.read(model.bayes, model.stack, ask, view, features, 5.0)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("text", "first", "count", "expected"),
    [
        ("one two three four", 1, 2, "two three"),
        ("see https://a.example/long/path?x=1 now please", 3, 1, "now"),
        ("schöne grüße aus köln", 1, 2, "grüße aus"),
        ("one two", 5, 2, ""),
    ],
    ids=["ascii", "after a link", "accents", "beyond the end"],
)
def test_a_run_of_words_is_cut_from_the_text(text: str, first: int, count: int, expected: str) -> None:
    found = run_of_words(normalise(text), first, count)
    assert found.split()[: len(expected.split())] == expected.split()


def test_runs_count_words_as_the_features_do() -> None:
    text = normalise("pay 100% now!! or call +49 89 1234 at http://x.example/a/b?c=d today")
    words = [w.decode() for w in words_of(text)]
    assert run_of_words(text, words.index("today"), 1) == "today"
