"""The real models, damaged while the server runs: the mail is held for a person to see, never let through by it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from gateway.checks import PURE
from gateway.learning.scorer import ModelScorer
from gateway.observe.stages import Stages
from gateway.pipeline.judge import Judge
from gateway.pipeline.rules import AT_LEAST, AT_MOST
from gateway.pipeline.verdict import Action, Policy, Verdict
from gateway.reputation.facts import SenderHistory
from models.artefact import DEFAULT, Artefact, load
from tests.support.facts import authenticated, facts, mail

FRIENDLY = facts(mail(), auth=authenticated("shop.example"), history=SenderHistory(seen=99, ham=99))


class Session:
    """In place of an ONNX session."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run

    def run(self, *_: object) -> Any:
        return self._run()


class Tokenizer:
    def encode(self, text: str, **_: object) -> Any:
        raise UnicodeError(text[:10])


def raising(error: Exception) -> Callable[[], Any]:
    def run() -> Any:
        raise error

    return run


def logits(*numbers: float) -> Callable[[], Any]:
    return lambda: [np.array([numbers], dtype=np.float32)]


def break_session(run: Callable[[], Any]) -> Callable[[Artefact], None]:
    def injure(artefact: Artefact) -> None:
        language = artefact.language
        assert language is not None
        language.open()
        language._session = Session(run)

    return injure


def break_tokenizer(artefact: Artefact) -> None:
    assert artefact.language is not None
    artefact.language.open()
    artefact.language._tokenizer = Tokenizer()


def remove_file(name: str) -> Callable[[Artefact], None]:
    def injure(artefact: Artefact) -> None:
        assert artefact.language is not None  # its hashes were right when the server started
        (artefact.path / name).unlink()

    return injure


def damage_file(name: str) -> Callable[[Artefact], None]:
    def injure(artefact: Artefact) -> None:
        assert artefact.language is not None
        (artefact.path / name).write_bytes(b"\0damage" * 100)

    return injure


def break_words(artefact: Artefact) -> None:
    artefact.bayes.vector = raising(IndexError("damage"))  # type: ignore[method-assign]


def spoil_words(artefact: Artefact) -> None:
    artefact.bayes.weights.linear[:] = np.nan


def sure_words(artefact: Artefact) -> None:
    artefact.bayes.score = lambda *_: float("nan")  # type: ignore[method-assign]


INJURIES: dict[str, Callable[[Artefact], None]] = {
    "session raises": break_session(raising(RuntimeError("out of arena"))),
    "session runs out of memory": break_session(raising(MemoryError())),
    "session gives nothing": break_session(list),
    "session gives no number": break_session(logits(*[float("nan")] * 5)),
    "session gives endless numbers": break_session(logits(*[float("inf")] * 5)),
    "session gives too few classes": break_session(logits(1.0, 2.0)),
    "session gives text": break_session(lambda: [["ham"]]),
    "tokenizer raises": break_tokenizer,
    "network removed": remove_file("lm.onnx"),
    "vocabulary removed": remove_file("tokenizer.json"),
    "network damaged": damage_file("lm.onnx"),
    "vocabulary damaged": damage_file("tokenizer.json"),
    "words raise": break_words,
    "words' weights are no numbers": spoil_words,
    "words give no number": sure_words,
}


async def verdict(artefact: Artefact) -> Verdict:
    policy = Policy(artefact.weights.prior, artefact.weights.signals, at_least=AT_LEAST, at_most=AT_MOST)
    judge = Judge(PURE, (), ModelScorer(artefact, None), policy, doubt=(0.0, 1.0))
    with capture_logs():
        return (await judge.judge(FRIENDLY, Stages())).verdict


@pytest.fixture
def artefact(tmp_path: Path) -> Artefact:
    return load(Path(shutil.copytree(DEFAULT, tmp_path / "model")))


async def test_whole_models_deliver_the_friendly_mail(artefact: Artefact) -> None:
    found = await verdict(artefact)
    assert found.action is Action.ACCEPT
    assert {"model.words", "model.language"} <= {reason.signal for reason in found.reasons}


@pytest.mark.parametrize("injure", INJURIES.values(), ids=INJURIES.keys())
async def test_a_broken_model_holds_the_mail(artefact: Artefact, injure: Callable[[Artefact], None]) -> None:
    injure(artefact)
    found = await verdict(artefact)
    assert (found.action, found.rule) == (Action.QUARANTINE, "check.failed")
    assert any("model" in reason.sentence for reason in found.reasons if reason.signal == "check.failed")
