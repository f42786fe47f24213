"""Training as one call: ``mailward train --ham PATH --spam PATH --out DIR`` and ``mailward evaluate``."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np

from models import artefact
from models.artefact import Card
from models.combiner import Stack
from models.features import SCHEMA
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
from training.resume import Unfinished, mark_of, words_of_arrays, words_to_arrays

__all__ = ["Options", "UnlearnableInput", "UnreadableCorpus", "bars", "evaluate", "train"]

COMPOSED_PER_SCENARIO = 24
COPIES_OF_LETTERS = 1
YOURS = "yours"  #: the source of the caller's mail
DOUBT = 2.0  #: nats against its label from which a label is doubted
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
    return train_on(read_samples(ham, spam, progress), out, progress, seed, base, options).card


@dataclass(frozen=True, slots=True)
class Doubt:
    """A mail whose label a model that never saw it does not believe."""

    name: str
    is_unwanted: bool  #: by its label
    nats: float  #: what the model says


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run made, and what it found out about the mail it was given."""

    card: Card
    given: int  #: mails of the caller's that were learned from
    doubts: tuple[Doubt, ...]  #: of those, worst first
    has_gone_on: bool  #: an earlier run of the same was interrupted, and its work was used


def train_on(
    samples: Sequence[Sample],
    out: Path,
    progress: Progress = quiet,
    seed: int = 7,
    base: Path | None = None,
    options: Options = USUAL,
) -> Trained:
    """``train`` on mail that was read already. What an interrupted run did in ``out`` is not done again."""
    ground = artefact.load(base)
    insist_on_both(samples)
    train_part, held = halves(samples)
    given = len(train_part)
    if options.composed:
        train_part, held = _with_composed(train_part, held, seed, progress)
    mark = mark_of(train_part, seed, SCHEMA, ground.id, options.composed, options.language_model)
    unfinished = Unfinished(out, mark)
    fitted, has_gone_on = _fit_words(train_part, unfinished, seed, progress)
    out.mkdir(parents=True, exist_ok=True)
    reader = _tune_language(train_part, out, seed, progress) if options.language_model else ground.language
    copy_from(ground.path, out)
    stack = _fit_stack(train_part, fitted, reader, ground.stack, unfinished, progress)
    write_words(out, fitted.weights, fitted.calibration, stack)
    when = options.created or datetime.now(UTC)
    write_card(out, train_part, {}, seed=seed, created=when)
    metrics = {name: m.rounded() for name, m in measures_by_source(artefact.load(out), held).items()} if held else {}
    card = write_card(out, train_part, metrics, seed=seed, created=when, notes="metrics: word model, held-out buckets")
    unfinished.end()
    return Trained(card, given, doubts_of(train_part[:given], fitted), has_gone_on)


def doubts_of(samples: Sequence[Sample], fitted: FittedWords) -> tuple[Doubt, ...]:
    """Labels that the folds which had not seen the mail contradict with ``DOUBT`` nats or more."""
    found = [
        Doubt(sample.name, sample.label.is_unwanted, float(nats))
        for sample, nats in zip(samples, fitted.out_of_fold[: len(samples)], strict=True)
        if abs(nats) >= DOUBT and bool(nats > 0) is not sample.label.is_unwanted
    ]
    return tuple(sorted(found, key=lambda doubt: -abs(doubt.nats)))


def insist_on_both(samples: Sequence[Sample]) -> None:
    """Raises UnlearnableInput for mail of one class only: from that nothing can be told apart."""
    unwanted = sum(sample.label.is_unwanted for sample in samples)
    if samples and unwanted in {0, len(samples)}:
        there, missing = ("unwanted", "wanted") if unwanted else ("wanted", "unwanted")
        raise UnlearnableInput(f"all {len(samples)} mails are {there}: give some {missing} mail as well")


def _fit_words(
    samples: Sequence[Sample], unfinished: Unfinished, seed: int, progress: Progress
) -> tuple[FittedWords, bool]:
    done = unfinished.get("words")
    if done is not None:
        try:
            fitted = words_of_arrays(done)
        except (KeyError, TypeError):
            pass  # of another program
        else:
            progress("word model folds", 1, 1)
            return fitted, True
    fitted = fit_words(samples, seed, progress)
    unfinished.keep("words", words_to_arrays(fitted))
    return fitted, False


def evaluate(
    model: Path | None, ham: Path, spam: Path, progress: Progress = quiet, *, language: bool = True
) -> dict[str, Measures]:
    """How well a model directory does on two paths of mail. Raises as ``train`` does."""
    return measures_by_source(artefact.load(model), read_samples(ham, spam, progress), language=language)


def read_samples(
    ham: Path | None, spam: Path | None, progress: Progress = quiet, skipped: list[str] | None = None
) -> list[Sample]:
    """The mails of up to two paths, each body once; ``skipped`` gets a line for each that is not learned from.

    Raises UnreadableCorpus.
    """
    sides = ((ham, Label.LEGITIMATE), (spam, Label.UNWANTED))
    mails = [mail for path, label in sides if path is not None for mail in read_path(path, label, YOURS, skipped)]
    samples: list[Sample] = []
    for number, mail in enumerate(mails, 1):
        samples.append(read(mail))
        if number % 50 == 0 or number == len(mails):
            progress("reading mail", number, len(mails))
    return list(without_duplicates(samples))


def _with_composed(
    train_part: list[Sample], held: list[Sample], seed: int, progress: Progress
) -> tuple[list[Sample], list[Sample]]:
    """The composed mails added to both parts; their held-out families are never trained on."""
    from training.modern.compose import mails
    from training.modern.letter import mails as letters

    def composed(per_scenario: int, *, held_out: bool) -> list[Sample]:
        every = chain(mails(per_scenario, seed, held_out=held_out), letters(COPIES_OF_LETTERS, seed, held_out=held_out))
        return list(without_duplicates(_told(map(read, every), "composing mail", progress)))

    more, unseen = composed(COMPOSED_PER_SCENARIO, held_out=False), composed(COMPOSED_PER_SCENARIO // 2, held_out=True)
    return [*train_part, *more], [*held, *unseen]


def _told(samples: Iterable[Sample], what: str, progress: Progress) -> Iterator[Sample]:
    for number, sample in enumerate(samples, 1):
        yield sample
        if number % 100 == 0:
            progress(what, number, 0)


def _fit_stack(
    samples: Sequence[Sample],
    fitted: FittedWords,
    reader: LanguageModel | None,
    otherwise: Stack,
    unfinished: Unfinished,
    progress: Progress,
) -> Stack:
    """On out-of-fold word scores and the language model's scores, both of mail they have not learnt from."""
    if reader is None:
        return ALONE
    chosen = [i for i, s in enumerate(samples) if set_aside(s)] or list(range(len(samples)))
    chosen = chosen[:_STACK_MAILS]
    before = unfinished.get("said")
    said = [float(nats) for nats in before["said"]] if before is not None else []
    for done, i in enumerate(chosen[len(said) :], len(said) + 1):
        said.append(reader.score(samples[i].view).log_odds)
        if done % 50 == 0 or done == len(chosen):
            unfinished.keep("said", {"said": np.array(said)})
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
