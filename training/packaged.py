"""Building the model that is shipped: ``python -m training.packaged --spamassassin DIR --enron DIR --fixtures DIR``.

The corpora are not in the repository; datasets/README.md says where each comes from and under which terms. The word
model takes a minute. The language model is taken from ``--language`` (a folder with lm.onnx and tokenizer.json) or,
with ``--tune-passes``, fine-tuned on one CPU thread, which needs the ``training`` extra.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import click

from models import artefact
from models.artefact import LANGUAGE_FILES
from models.combiner import Stack
from models.lm import LanguageModel
from training.corpus.readers import read_path, spamassassin
from training.corpus.sample import Label, Mail, Sample, read
from training.corpus.split import halves, without_duplicates
from training.evaluate.held_out import evaluate
from training.export import copy_from, write_card, write_words
from training.fit.stack import ALONE, fit_stack, set_aside
from training.fit.words import FittedWords, balance, fit_words
from training.modern.compose import mails
from training.progress import Progress, bars

PER_SCENARIO = 18
SEED = 7


def gather(spamassassin_at: Path, enron: Path, fixtures: Path) -> tuple[list[Sample], list[Sample]]:
    """Training and held-out samples of everything the packaged model knows."""
    old: Iterator[Mail] = chain(
        spamassassin(spamassassin_at),
        read_path(enron, Label.LEGITIMATE, "enron"),
        read_path(fixtures, Label.LEGITIMATE, "mikel"),
    )
    train, held = halves(without_duplicates(map(read, old)))
    train += without_duplicates(map(read, mails(PER_SCENARIO, SEED, held_out=False)))
    held += without_duplicates(map(read, mails(PER_SCENARIO, SEED, held_out=True)))
    return train, held


def build(train: list[Sample], held: list[Sample], language: Path | None, out: Path, progress: Progress) -> None:
    """Fit, measure with and without the language model, and write the directory."""
    fitted = fit_words(train, SEED, progress)
    out.mkdir(parents=True, exist_ok=True)
    stack = ALONE
    if language is not None:
        if language.resolve() != out.resolve():
            for name in LANGUAGE_FILES:
                (out / name).unlink(missing_ok=True)
            copy_from(language, out)
        stack = _stack(train, fitted, out, progress)
    copy_from(artefact.DEFAULT, out)
    write_words(out, fitted.weights, fitted.calibration, stack)
    created = datetime.now(UTC)
    write_card(out, train, {}, seed=SEED, created=created)
    model = artefact.load(out)
    metrics = {f"words, {name}": m.rounded() for name, m in evaluate(model, held).items()}
    if language is not None:
        both = evaluate(model, held, language=True)
        metrics |= {f"words and language, {name}": m.rounded() for name, m in both.items()}
    write_card(out, train, metrics, seed=SEED, created=created, notes="held-out: buckets 7 to 9, and whole scenarios")


def _stack(train: list[Sample], fitted: FittedWords, out: Path, progress: Progress) -> Stack:
    """On the families the language model was not tuned on, with the word model's out-of-fold scores."""
    reader = LanguageModel(out / "lm.onnx", out / "tokenizer.json")
    chosen = [i for i, s in enumerate(train) if set_aside(s)]
    said: list[float] = []
    for done, i in enumerate(chosen, 1):
        said.append(reader.score(train[i].view).log_odds)
        progress("language model reads", done, len(chosen))
    aside = [train[i] for i in chosen]
    truth = [s.label.is_unwanted for s in aside]
    return fit_stack([float(fitted.out_of_fold[i]) for i in chosen], said, truth, list(balance(aside)), ALONE)


@click.command(help=__doc__)
@click.option("--spamassassin", "sa", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--enron", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--fixtures", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--language", type=click.Path(path_type=Path, exists=True), help="folder of a finished language model")
@click.option("--tune-passes", type=float, help="fine-tune a language model instead, so many times over the mails")
@click.option("--out", type=click.Path(path_type=Path), default=artefact.DEFAULT)
def main(sa: Path, enron: Path, fixtures: Path, language: Path | None, tune_passes: float | None, out: Path) -> None:
    progress = bars()
    train, held = gather(sa, enron, fixtures)
    if tune_passes:
        from training.fit import language as tuning

        base = tuning.prepare(train)
        data = tuning.examples(base, [s for s in train if not set_aside(s)])
        tuned = tuning.train(base, data, tuning.Plan(passes=tune_passes, seed=SEED), progress)
        tuning.export(tuned, base, out)
        language = out
    build(train, held, language, out, progress)


if __name__ == "__main__":
    main()
