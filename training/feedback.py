"""The organisation's own labels as a measure: is a new model worse than the one that judges, on mail of its own?

The mail is the held-out part (by the body, as everywhere), so that no model of ours was trained on it. Both classes
count alike, and the loss is in nats: it sees a model that is right but unsure, and punishes one that is wrong and sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.artefact import Artefact
from training.corpus.sample import Sample
from training.evaluate.held_out import nats_of
from training.progress import Progress, quiet

ENOUGH = 10  #: held-out mails of each class below which nothing can be said
MOST = 1_000  #: mails of each class that are judged
MARGIN = 0.02  #: share by which a loss may be greater and still be called as good
JUNK = 0.405  #: log-odds of the usual junk threshold


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model does on the held-out labels, with its prior and nothing else."""

    model: str
    wanted: int
    junked: int  #: of the wanted, at the usual threshold
    unwanted: int
    missed: int  #: of the unwanted
    loss: float  #: nats, mean of both classes

    def __str__(self) -> str:
        return (
            f"{self.model}: {self.junked} of {self.wanted} wanted called unwanted, "
            f"{self.missed} of {self.unwanted} unwanted missed, loss {self.loss:.3f}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    current: Figures
    candidate: Figures

    @property
    def is_enough(self) -> bool:
        return min(self.current.wanted, self.current.unwanted) >= ENOUGH

    @property
    def is_worse(self) -> bool:
        return self.is_enough and self.candidate.loss > self.current.loss * (1 + MARGIN)

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        figures = f"{self.candidate}; {self.current}"
        if not self.is_enough:
            return (
                f"there are too few held-out labels to compare ({self.current.wanted} wanted and "
                f"{self.current.unwanted} unwanted, {ENOUGH} of each are needed)"
            )
        if self.is_worse:
            return f"the new model is worse on your own labels than the one that judges ({figures})"
        return f"the new model is no worse on your own labels than the one that judges ({figures})"


def compare(
    current: Artefact, candidate: Artefact, held: Sequence[Sample], *, language: bool, progress: Progress = quiet
) -> Comparison:
    """Judge the held-out mail with both."""
    chosen = [each for side in (True, False) for each in _side(held, is_unwanted=side)]
    found: list[Figures] = []
    for number, model in enumerate((current, candidate)):
        scores: list[float] = []
        for done, sample in enumerate(chosen, 1):
            scores.append(nats_of(model, sample, language=language) + model.weights.prior)
            progress("comparing", number * len(chosen) + done, 2 * len(chosen))
        found.append(figures_of(model.id, scores, [each.label.is_unwanted for each in chosen]))
    return Comparison(*found)


def _side(held: Sequence[Sample], *, is_unwanted: bool) -> list[Sample]:
    side = [each for each in held if each.label.is_unwanted is is_unwanted]
    return sorted(side, key=lambda each: each.key)[:MOST]


def figures_of(model: str, nats: Sequence[float], unwanted: Sequence[bool]) -> Figures:
    scores, truth = np.asarray(nats, dtype=np.float64), np.asarray(unwanted, dtype=bool)
    bad, good = scores[truth], scores[~truth]
    sides = [np.logaddexp(0.0, -bad).mean() if len(bad) else 0.0, np.logaddexp(0.0, good).mean() if len(good) else 0.0]
    return Figures(
        model,
        wanted=len(good),
        junked=int((good >= JUNK).sum()),
        unwanted=len(bad),
        missed=int((bad < JUNK).sum()),
        loss=float(np.mean(sides)),
    )
