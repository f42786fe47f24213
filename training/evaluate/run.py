"""One evaluation from beginning to end: ``mailward evaluate`` as one call."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from training.corpus.readers import UnreadableCorpus
from training.evaluate.cases import Case, without_copies
from training.evaluate.report import Report, report
from training.evaluate.robustness import robustness
from training.evaluate.scoring import Systems, score
from training.progress import Progress, quiet


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an evaluation does beside scoring."""

    seed: int = 7
    attacks: bool = False
    attacked: int = 300  #: unwanted mails that every attack is tried on
    held_out: bool = False  #: leave out mail of the buckets that models may be trained on
    limit: int = 0  #: mails at most; 0 is all


def evaluate(cases: Iterable[Case], systems: Systems, wishes: Wishes, title: str, progress: Progress = quiet) -> Report:
    """Score every mail with every system. Raises UnreadableCorpus when nothing is left to score."""
    mails = without_copies(cases, held_out=wishes.held_out)
    scored = score(islice(mails, wishes.limit) if wishes.limit else mails, systems, progress, wishes.limit)
    if not scored:
        raise UnreadableCorpus("no mail is left to judge: give more, or leave --held-out away")
    hits = robustness(scored, systems, wishes.seed, progress, wishes.attacked) if wishes.attacks else []
    return report(title, scored, systems, wishes.seed, hits)
