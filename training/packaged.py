"""Building the model that is shipped; ``gateway.main.packaging`` is its command line.

The corpora are not in the repository; datasets/README.md says where each comes from and under which terms. The word
model takes a minute. The language model is taken from a folder that holds a finished one, or fine-tuned on one CPU
thread, which needs the ``training`` extra and about an hour.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np

from models import artefact
from models.artefact import LANGUAGE_FILES, read_weights_file
from models.combiner import Stack
from models.lm import LanguageModel
from training.corpus.collect import MANIFEST, read_collected
from training.corpus.manifest import load as load_manifest
from training.corpus.readers import read_path, spamassassin
from training.corpus.sample import Label, Mail, Sample, read
from training.corpus.split import halves, without_duplicates
from training.evaluate.held_out import evaluate
from training.export import LICENCES, copy_from, write_card, write_signals, write_words
from training.fit.combiner import Seen, fit_signals
from training.fit.stack import ALONE, fit_stack, set_aside
from training.fit.words import FittedWords, balance, fit_words
from training.modern import compose, letter
from training.progress import Progress

SEED = 7
COPIES = 2  #: of a letter
PER_SCENARIO = 10
COLLECTED = "collected"
_HELD_OUT_SHARE = 5  #: one collected source in so many is never trained on

#: What the gateway's checks see in raw mails; given by ``gateway.main``, which nobody imports.
See = Callable[[Sequence[bytes], Progress], list[Seen]]


@dataclass(frozen=True, slots=True)
class Corpora:
    """Where the mails lie that are not in the repository."""

    spamassassin: Path
    enron: Path
    fixtures: Path
    collected: Path  #: as ``training.corpus.collect`` writes it


@dataclass(slots=True)
class Gathered:
    """Training and held-out samples, and the octets of those the signal weights are fitted on."""

    train: list[Sample]
    held: list[Sample]
    raw: dict[str, bytes]  #: by the key of the body


def gather(corpora: Corpora) -> Gathered:
    """Everything the packaged model knows, and what it must never know."""
    raw: dict[str, bytes] = {}

    def sample(mail: Mail) -> Sample:
        found = read(mail)
        raw.setdefault(found.key, mail.octets)
        return found

    old: Iterator[Mail] = chain(
        spamassassin(corpora.spamassassin),
        read_path(corpora.enron, Label.LEGITIMATE, "enron"),
        read_path(corpora.fixtures, Label.LEGITIMATE, "mikel"),
    )
    train, held = halves(without_duplicates(map(sample, old)))
    spoken = {each.language for each in letter.letters() if not letter.is_held_out(each.family)}
    for entry, mail in read_collected(corpora.collected, spoken):
        found = sample(replace(mail, source=f"{COLLECTED}/{entry.source}"))
        (held if is_held_out(entry.source) else train).append(found)
    for composed, copies in ((compose, PER_SCENARIO), (letter, COPIES)):
        train += map(sample, composed.mails(copies, SEED, held_out=False))
        held += map(sample, composed.mails(1, SEED, held_out=True))
    return Gathered(list(without_duplicates(train)), list(without_duplicates(held)), raw)


def is_held_out(source: str) -> bool:
    """True for collected sources no mail of which is trained on. Decided by the name alone."""
    return int(hashlib.sha256(f"collected/{source}".encode()).hexdigest()[:8], 16) % _HELD_OUT_SHARE == 0


def tune(gathered: Gathered, passes: float, out: Path, progress: Progress) -> None:
    """Fine-tune a language model on all but the families that the stack is fitted on. Needs the training extra."""
    from training.fit import language

    base = language.prepare(gathered.train)
    data = language.examples(base, [s for s in gathered.train if not set_aside(s)])
    tuned = language.train(base, data, language.Plan(passes=passes, seed=SEED), progress)
    language.export(tuned, base, out)


def build(gathered: Gathered, language: Path | None, see: See, out: Path, progress: Progress) -> None:
    """Fit words, stack and signal weights, measure with and without the language model, and write the directory."""
    train = gathered.train
    fitted = fit_words(train, SEED, progress, headers=False)
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
    _fit_signals(gathered, fitted, see, out, progress)
    created = datetime.now(UTC)
    licences = LICENCES | {f"{COLLECTED}/{s.name}": f"{s.licence}, {s.repository}" for s in load_manifest(MANIFEST)}
    write_card(out, train, {}, seed=SEED, created=created, licences=licences)
    model = artefact.load(out)
    metrics = {f"words, {name}": m.rounded() for name, m in evaluate(model, gathered.held).items()}
    if language is not None:
        both = evaluate(model, gathered.held, language=True)
        metrics |= {f"words and language, {name}": m.rounded() for name, m in both.items()}
    notes = "held-out: buckets 7 to 9, whole scenarios, families of letters, and collected sources"
    write_card(out, train, metrics, seed=SEED, created=created, notes=notes, licences=licences)


def _fit_signals(gathered: Gathered, fitted: FittedWords, see: See, out: Path, progress: Progress) -> None:
    """On whole mails: the composed ones have no transport, so what speaks of it is learnt from the others alone."""
    by_hand = read_weights_file(out / "weights.json").by_hand()
    chosen = [i for i, s in enumerate(gathered.train) if s.key in gathered.raw]
    mails = [gathered.train[i] for i in chosen]
    seen = see([gathered.raw[s.key] for s in mails], progress)
    told = [
        each if s.source == "spamassassin" else {name: v for name, v in each.items() if name.startswith(CONTENT)}
        for s, each in zip(mails, seen, strict=True)
    ]
    unwanted = np.array([s.label.is_unwanted for s in mails])
    weights = fit_signals(told, fitted.out_of_fold[chosen], unwanted, balance(mails), by_hand)
    write_signals(out, by_hand, weights)


#: Signals of what a mail says and carries, which composed mails have as real ones do.
CONTENT = ("attachment.", "body.", "html.", "lure.", "subject.", "url.many", "url.short", "bulk.unsubscribe")


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
