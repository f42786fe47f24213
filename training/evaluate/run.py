"""One evaluation from beginning to end: ``mailward evaluate`` as one call."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from training.corpus.readers import UnreadableCorpus
from training.corpus.sample import Sample
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
    limit: int = 0  #: mails of each source and side at most; 0 is all


def evaluate(cases: Iterable[Case], systems: Systems, wishes: Wishes, title: str, progress: Progress = quiet) -> Report:
    """Score every mail with every system. Raises UnreadableCorpus when nothing is left to score."""
    mails = without_copies(cases, held_out=wishes.held_out)
    scored = score(_limited(mails, wishes.limit) if wishes.limit else mails, systems, progress)
    if not scored:
        raise UnreadableCorpus("no mail is left to judge: give more, or leave --held-out away")
    hits = robustness(scored, systems, wishes.seed, progress, wishes.attacked) if wishes.attacks else []
    return report(title, scored, systems, wishes.seed, hits)


def _limited(mails: Iterable[tuple[Case, Sample]], most: int) -> Iterator[tuple[Case, Sample]]:
    """So many of each source and side, so that a quick look sees all of them."""
    taken: Counter[tuple[str, bool]] = Counter()
    for case, sample in mails:
        group = (case.source, case.label.is_unwanted)
        taken[group] += 1
        if taken[group] <= most:
            yield case, sample
