"""A model directory: what is in it, whether it is whole, and loading it.

card.json         what it is, what it was made from, how well it does, SHA-256 of the fitted files
bayes.npz         arrays of the word model
calibration.json  calibration of the word model and the stack of both models
weights.json      nats per signal; edited by hand and by ``mailward train``, so not under the card's hashes
lm.onnx, tokenizer.json   the language model; may be absent, then only words are judged
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec

from models.bayes import Bayes, WordCalibration, read_weights
from models.combiner import Stack, Weights
from models.errors import ArtefactDamaged, ArtefactMissing, ArtefactOutdated
from models.features import SCHEMA
from models.lm import CLASSES, LanguageModel

_T = TypeVar("_T")

DEFAULT = Path(__file__).parent / "artefacts" / "default"
LANGUAGE_FILES = ("lm.onnx", "tokenizer.json")
FITTED_FILES = ("bayes.npz", "calibration.json", *LANGUAGE_FILES)


class Source(msgspec.Struct, frozen=True):
    """Where training mail came from."""

    name: str
    licence: str
    legitimate: int
    unwanted: int
    sha256: str = ""  #: over the sorted body keys that were used


class Card(msgspec.Struct, frozen=True):
    """What a model is, in a form an administrator can read."""

    id: str  #: "2026-11-22-3f9a01bc": day made and start of the word model's hash
    schema: str  #: of the features; must equal ``models.features.SCHEMA``
    created: str  #: RFC 3339, UTC
    seed: int
    sources: list[Source]
    metrics: dict[str, dict[str, float]]  #: held-out set to measure to value
    files: dict[str, str]  #: name to SHA-256
    classes: tuple[str, ...] = CLASSES
    notes: str = ""


PRIOR = "prior"  #: among the fitted weights, the log-odds before anything is known


class Calibration(msgspec.Struct, frozen=True):
    """Contents of calibration.json."""

    words: dict[str, float]
    stack: dict[str, float]


class WeightsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contents of weights.json: what people set, and over it what training fitted."""

    prior: float
    signals: dict[str, float]
    fitted: dict[str, float] = {}  #: by signal; "prior" for the prior

    def in_force(self) -> Weights:
        return Weights(self.fitted.get(PRIOR, self.prior), {**self.signals, **self.fitted})

    def by_hand(self) -> Weights:
        """What a fit starts from and stays near."""
        return Weights(self.prior, self.signals)


@dataclass(frozen=True)
class Artefact:
    """A loaded model directory. The language model opens itself at its first mail."""

    path: Path
    card: Card
    bayes: Bayes
    stack: Stack
    weights: Weights

    @property
    def id(self) -> str:
        return self.card.id

    @cached_property
    def language(self) -> LanguageModel | None:
        """None when the directory holds no language model. Raises ArtefactDamaged when its files are not the card's."""
        if not any(name in self.card.files for name in LANGUAGE_FILES):
            return None
        for name in LANGUAGE_FILES:
            _check_hash(self.path / name, self.card.files.get(name, ""))
        return LanguageModel(self.path / "lm.onnx", self.path / "tokenizer.json", self.card.classes)


def load(path: Path | None = None) -> Artefact:
    """A model directory, checked; the packaged one without a path. Raises ArtefactError's children."""
    where = path or DEFAULT
    card = read_card(where)
    if card.schema != SCHEMA:
        raise ArtefactOutdated(
            f"the model in {where} was trained for feature schema {card.schema}, this version computes {SCHEMA}: "
            "train again with `mailward train`, or remove the setting to use the packaged model"
        )
    for name in ("bayes.npz", "calibration.json"):
        _check_hash(where / name, card.files.get(name, ""))
    try:
        arrays = read_weights(where / "bayes.npz")
    except (ValueError, OSError, LookupError, EOFError) as error:
        raise ArtefactDamaged(f"{where / 'bayes.npz'} cannot be read ({error}): fetch or train it again") from error
    calibration = _decode(where / "calibration.json", Calibration)
    try:
        words, stack = WordCalibration(**calibration.words), Stack(**calibration.stack)
    except TypeError as error:
        raise ArtefactDamaged(f"{where / 'calibration.json'} lacks a number ({error}): train it again") from error
    return Artefact(where, card, Bayes(arrays, words), stack, read_signal_weights(where / "weights.json"))


def read_card(where: Path) -> Card:
    """The card of a model directory. Raises ArtefactMissing or ArtefactDamaged."""
    return _decode(where / "card.json", Card)


def read_signal_weights(file: Path) -> Weights:
    """Nats per signal, as they are in force. Raises ArtefactMissing or ArtefactDamaged."""
    return read_weights_file(file).in_force()


def read_weights_file(file: Path) -> WeightsFile:
    """What people set and what was fitted, apart. Raises ArtefactMissing or ArtefactDamaged."""
    contents = _decode(file, WeightsFile)
    if not all(map(math.isfinite, (contents.prior, *contents.signals.values(), *contents.fitted.values()))):
        raise ArtefactDamaged(f"{file} holds a weight that is not a finite number: correct it")
    return contents


def sha256_of(file: Path) -> str:
    with file.open("rb") as octets:
        return hashlib.file_digest(octets, "sha256").hexdigest()


def _check_hash(file: Path, expected: str) -> None:
    if not file.is_file():
        raise ArtefactMissing(f"{file} is not there: fetch the model directory again, or train one")
    if not expected or sha256_of(file) != expected:
        raise ArtefactDamaged(f"{file} is not the file its card.json describes: fetch or train the model again")


def _decode(file: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise ArtefactMissing(f"{file} is not there: give a directory made by `mailward train`") from error
    except (msgspec.DecodeError, OSError) as error:
        raise ArtefactDamaged(f"{file} cannot be read ({error}): fetch or train the model again") from error
