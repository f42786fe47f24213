"""What a training run has done so far, so that one that was interrupted goes on instead of starting again.

Arrays in a folder beside the model to be, each written whole or not at all, and worth nothing for another run: the mark
is a digest of everything that the run depends on.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bayes import WordCalibration, WordWeights
from training.corpus.sample import Sample
from training.fit.words import FittedWords

FOLDER = ".unfinished"
Arrays = Mapping[str, NDArray[np.generic]]


def mark_of(samples: Iterable[Sample], *settings: object) -> str:
    """Equal for runs over the same mails, labels and settings."""
    digest = hashlib.sha256(repr(settings).encode())
    for sample in samples:
        digest.update(f"{sample.key} {sample.label} {sample.source} {sample.family}\n".encode())
    return digest.hexdigest()


class Unfinished:
    """The steps of one run that are done."""

    def __init__(self, out: Path, mark: str) -> None:
        self._folder = out / FOLDER
        self._mark = mark

    def get(self, step: str) -> Arrays | None:
        """What a step gave; None when it is not done, or was done by another run."""
        try:
            with np.load(self._folder / f"{step}.npz", allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None
        return arrays if str(arrays.pop("mark", "")) == self._mark else None

    def keep(self, step: str, arrays: Arrays) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        made = self._folder / f"{step}.{os.getpid()}.tmp"
        with made.open("wb") as file:
            np.savez(file, allow_pickle=False, mark=np.array(self._mark), **arrays)
        made.replace(self._folder / f"{step}.npz")

    def end(self) -> None:
        """The run is finished: nothing is to be gone on with."""
        shutil.rmtree(self._folder, ignore_errors=True)


def words_to_arrays(fitted: FittedWords) -> Arrays:
    parts = {"out_of_fold": fitted.out_of_fold}
    for name, part in (("weights", fitted.weights), ("calibration", fitted.calibration)):
        parts |= {f"{name}.{field.name}": np.asarray(getattr(part, field.name)) for field in fields(part)}
    return parts


def words_of_arrays(arrays: Arrays) -> FittedWords:
    """Raises KeyError or TypeError when they are another program's."""

    def part(name: str) -> dict[str, object]:
        found = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(f"{name}.")}
        return {key: value if value.ndim else float(value) for key, value in found.items()}

    weights, calibration = WordWeights(**part("weights")), WordCalibration(**part("calibration"))  # type: ignore[arg-type]
    return FittedWords(weights, calibration, arrays["out_of_fold"].astype(np.float64))
