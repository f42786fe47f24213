"""Training as one call: ``mailward train --ham PATH --spam PATH --out DIR`` and ``mailward evaluate``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from models import artefact
from models.artefact import Card
from models.combiner import Stack
from models.lm import LanguageModel
from training.corpus.readers import UnreadableCorpus, read_path
from training.corpus.sample import Label, Sample, read
from training.corpus.split import halves, without_duplicates
from training.evaluate.held_out import evaluate as measures_by_source
from training.evaluate.measures import Measures
from training.export import copy_from, write_card, write_words
from training.fit.stack import ALONE, fit_stack, set_aside
from training.fit.words import FittedWords, UnlearnableInput, balance, fit_words
from training.progress import Progress, bars, quiet

__all__ = ["Options", "UnlearnableInput", "UnreadableCorpus", "bars", "evaluate", "train"]

COMPOSED_PER_SCENARIO = 24
_STACK_MAILS = 1_500  #: read by the language model to fit the stack; about 10 ms each


@dataclass(frozen=True, slots=True)
class Options:
    """What seldom changes about a training run."""

    composed: bool = True  #: learn the project's own modern mails too, so that few mails do not mean many mistakes
    language_model: bool = False  #: fine-tune the language model as well; needs the ``training`` extra
    created: datetime | None = None  #: for the card; None = now


USUAL = Options()


def train(
    ham: Path,
    spam: Path,
    out: Path,
    progress: Progress = quiet,
    seed: int = 7,
    base: Path | None = None,
    options: Options = USUAL,
) -> Card:
    """Fit a model directory from two paths of mail. Deterministic by seed, apart from the language model.

    ``base`` gives the language model and the signal weights (default: the packaged model).
    Raises UnreadableCorpus, UnlearnableInput, or ArtefactError when the base is unusable.
    """
    ground = artefact.load(base)
    samples = _samples(ham, spam, progress)
    train_part, held = halves(samples)
    if options.composed:
        train_part, held = _with_composed(train_part, held, seed)
    fitted = fit_words(train_part, seed, progress)
    out.mkdir(parents=True, exist_ok=True)
    reader = _tune_language(train_part, out, seed, progress) if options.language_model else ground.language
    copy_from(ground.path, out)
    stack = _fit_stack(train_part, fitted, reader, ground.stack, progress)
    write_words(out, fitted.weights, fitted.calibration, stack)
    when = options.created or datetime.now(UTC)
    write_card(out, train_part, {}, seed=seed, created=when)
    metrics = {name: m.rounded() for name, m in measures_by_source(artefact.load(out), held).items()} if held else {}
    return write_card(out, train_part, metrics, seed=seed, created=when, notes="metrics: word model, held-out buckets")


def evaluate(
    model: Path | None, ham: Path, spam: Path, progress: Progress = quiet, *, language: bool = True
) -> dict[str, Measures]:
    """How well a model directory does on two paths of mail. Raises as ``train`` does."""
    return measures_by_source(artefact.load(model), _samples(ham, spam, progress), language=language)


def _samples(ham: Path, spam: Path, progress: Progress) -> list[Sample]:
    mails = list(chain(read_path(ham, Label.LEGITIMATE, "yours"), read_path(spam, Label.UNWANTED, "yours")))
    samples: list[Sample] = []
    for number, mail in enumerate(mails, 1):
        samples.append(read(mail))
        if number % 50 == 0 or number == len(mails):
            progress("reading mail", number, len(mails))
    return list(without_duplicates(samples))


def _with_composed(train_part: list[Sample], held: list[Sample], seed: int) -> tuple[list[Sample], list[Sample]]:
    """The composed mails added to both parts; their held-out families are never trained on."""
    from training.modern.compose import mails

    more = without_duplicates(map(read, mails(COMPOSED_PER_SCENARIO, seed, held_out=False)))
    unseen = without_duplicates(map(read, mails(COMPOSED_PER_SCENARIO // 2, seed, held_out=True)))
    return [*train_part, *more], [*held, *unseen]


def _fit_stack(
    samples: Sequence[Sample], fitted: FittedWords, reader: LanguageModel | None, otherwise: Stack, progress: Progress
) -> Stack:
    """On out-of-fold word scores and the language model's scores, both of mail they have not learnt from."""
    if reader is None:
        return ALONE
    chosen = [i for i, s in enumerate(samples) if set_aside(s)] or list(range(len(samples)))
    chosen = chosen[:_STACK_MAILS]
    said: list[float] = []
    for done, i in enumerate(chosen, 1):
        said.append(reader.score(samples[i].view).log_odds)
        if done % 50 == 0 or done == len(chosen):
            progress("language model reads", done, len(chosen))
    worth = balance([samples[i] for i in chosen])
    truth = [samples[i].label.is_unwanted for i in chosen]
    return fit_stack([float(fitted.out_of_fold[i]) for i in chosen], said, truth, list(worth), otherwise)


def _tune_language(samples: Sequence[Sample], out: Path, seed: int, progress: Progress) -> LanguageModel:
    """Fine-tune the language model on all but the mails the stack is fitted on. Needs the training extra."""
    from training.fit import language

    base = language.prepare(samples)
    data = language.examples(base, [s for s in samples if not set_aside(s)])
    plan = language.Plan(seed=seed)
    model = language.train(base, data, plan, progress)
    language.export(model, base, out)
    return LanguageModel(out / "lm.onnx", out / "tokenizer.json")
