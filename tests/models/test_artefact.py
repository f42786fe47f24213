"""The packaged model: it loads, fast and lean, without what is only needed to train."""

import subprocess
import sys

import pytest

from models import artefact
from models.combiner import LANGUAGE, WORDS
from models.errors import ArtefactDamaged, ArtefactMissing
from models.features import extract
from models.lm import CLASSES, PIECES, LanguageModel, read_logits
from tests.models.mails import page, plain, see

LURE = page(
    "<p>Dear customer,</p><p>We have limited your account. Verify your password and card number within 24 hours or it "
    'will be closed.</p><a href="http://bank-verify.example/login">Verify account now</a>',
    subject="Your account has been suspended",
)
NOTE = plain(
    "Hi Anna,\r\n\r\nthanks for the minutes. I went through the draft with Ben, the numbers on sheet two are right. "
    "Shall we meet on Thursday at ten?\r\n\r\nBest, Carla",
    subject="Re: minutes",
)


@pytest.fixture(scope="module")
def model() -> artefact.Artefact:
    return artefact.load()


def test_the_packaged_model_is_whole(model: artefact.Artefact) -> None:
    assert model.card.sources
    assert model.card.metrics
    assert model.weights.of(WORDS) == model.weights.of(LANGUAGE) > 0
    for name, digest in model.card.files.items():
        assert artefact.sha256_of(model.path / name) == digest


def test_the_words_tell_a_lure_from_a_note(model: artefact.Artefact) -> None:
    lure, note = see(LURE), see(NOTE)
    assert model.bayes.score(extract(lure)) > 1.5
    assert model.bayes.score(extract(note)) < -0.5
    assert any(p.nats > 0 for p in model.bayes.top_words(lure, extract(lure)))


def test_innocent_padding_does_not_hide_a_lure(model: artefact.Artefact) -> None:
    padding = "the minutes of the meeting were sent to the committee and nobody had anything to add to them " * 20
    padded = see(LURE.replace(b"</a>", f"</a><p>{padding}</p>".encode()))
    assert model.bayes.score(extract(padded)) > 0


def test_a_mail_of_unknown_words_gets_a_small_answer(model: artefact.Artefact) -> None:
    assert abs(model.bayes.score(extract(see(plain("zxqv wqpk jjkx vvbn qqwz " * 20, subject="qzx"))))) < 1.5


def test_the_language_model_tells_a_lure_from_a_note(model: artefact.Artefact) -> None:
    reader = model.language
    assert reader is not None
    lure, note = reader.score(see(LURE)), reader.score(see(NOTE))
    assert set(lure.classes) == set(CLASSES)
    assert sum(lure.classes.values()) == pytest.approx(1.0)
    assert max(lure.classes, key=lambda c: lure.classes[c]) == "phish"
    assert lure.log_odds > 1 > -1 > note.log_odds


def test_the_language_model_reads_head_and_tail(model: artefact.Artefact) -> None:
    reader = model.language
    assert reader is not None
    pieces = reader.pieces("beginning " + "middle " * 5_000 + "the very end")
    assert len(pieces) == PIECES
    assert pieces[-4:-1] == reader.pieces("x the very end")[-4:-1]
    assert len(reader.pieces("")) == 2
    assert isinstance(reader.score(see(b"\r\n\r\n")).log_odds, float)


def test_a_language_model_that_is_not_there(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArtefactMissing, match="not there"):
        LanguageModel(tmp_path / "lm.onnx", tmp_path / "tokenizer.json").score(see(NOTE))


def test_a_language_model_that_is_damaged(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "tokenizer.json").write_bytes((artefact.DEFAULT / "tokenizer.json").read_bytes())
    (tmp_path / "lm.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ArtefactDamaged, match=r"lm\.onnx"):
        LanguageModel(tmp_path / "lm.onnx", tmp_path / "tokenizer.json").score(see(NOTE))


def test_extreme_logits_stay_finite() -> None:
    score = read_logits([1e4, -1e4, 0, 0, 0], CLASSES)
    assert score.log_odds == -8.0
    assert score.classes["ham"] == 1.0


def test_scoring_imports_nothing_that_only_trains() -> None:
    code = (
        "import sys\n"
        "from models import artefact\n"
        "from models.features import extract\n"
        "from models.view import view_of\n"
        "from store.message.mime import parse_message\n"
        "model = artefact.load()\n"
        "view = view_of(parse_message(b'Subject: x\\r\\n\\r\\nverify your account\\r\\n'))\n"
        "model.bayes.score(extract(view))\n"
        "assert not {'onnxruntime', 'tokenizers'} & set(sys.modules), 'the language model must load lazily'\n"
        "model.language.score(view)\n"
        "print(sorted({'sklearn', 'scipy', 'torch', 'transformers', 'training'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
