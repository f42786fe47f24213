"""What each system says of each mail: the words, words and language model, and the whole chain when one is given.

The chain is a callable that the caller brings: judging is the gateway's business, and it is asked here, not built.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.policy.language import language_of
from models.artefact import Artefact
from models.combiner import probability
from models.features import extract
from models.reading import read as read_both
from models.view import view_of
from store.message.mime import parse_message
from training.corpus.sample import Sample
from training.evaluate.cases import Case
from training.progress import Progress, quiet

WORDS, BOTH, CHAIN = "words", "words and language", "whole chain"

ACTIONS = ("accept", "junk", "quarantine", "defer", "reject")


@dataclass(frozen=True, slots=True)
class Limits:
    """Probabilities from which a mail is filed as junk, held and refused."""

    junk: float = 0.60
    hold: float = 0.85
    refuse: float = 1.0

    def action(self, chance: float) -> str:
        levels = ((self.refuse, "reject"), (self.hold, "quarantine"), (self.junk, "junk"))
        return next((name for level, name in levels if chance >= level), "accept")


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """The gateway's verdict on one mail."""

    nats: float  #: log-odds that it is unwanted, the prior included
    action: str  #: one of ``ACTIONS``
    category: str
    reasons: tuple[tuple[float, str], ...]  #: nats and sentence, largest first
    is_read: bool  #: whether the language model was asked
    ms: Mapping[str, float]  #: by stage


Chain = Callable[[bytes], ChainVerdict]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system says."""

    nats: float  #: without the prior, so that both kinds of mail count alike at zero
    action: str


@dataclass(frozen=True, slots=True)
class Scored:
    """One mail with everything that was said of it."""

    case: Case
    subject: str
    language: str  #: "" when neither its source nor its text tells
    answers: Mapping[str, Answer]  #: by system
    category: str = ""
    reasons: tuple[tuple[float, str], ...] = ()
    is_read: bool = False  #: the chain asked the language model
    ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_unwanted(self) -> bool:
        return self.case.label.is_unwanted


@dataclass(frozen=True, slots=True)
class Systems:
    """Everything that is measured side by side."""

    model: Artefact
    limits: Limits = Limits()
    chain: Chain | None = None
    language: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        both = (BOTH,) if self.language and self.model.language is not None else ()
        return (WORDS, *both, *((CHAIN,) if self.chain is not None else ()))

    def ask(self, octets: bytes, sample: Sample | None = None) -> "Said":
        """All systems about one mail; what was read already is not read again."""
        ms: dict[str, float] = {}
        start = time.perf_counter()
        view = sample.view if sample is not None else view_of(parse_message(octets))
        features = sample.features if sample is not None else extract(view)
        read_at = time.perf_counter()
        words = self.model.bayes.score(features)
        ms["words alone"] = (time.perf_counter() - read_at) * 1000
        if sample is None:
            ms["view and features"] = (read_at - start) * 1000
        answers = {WORDS: self._answer(words)}
        reader = self.model.language if self.language else None
        if reader is not None:
            start = time.perf_counter()
            both = read_both(self.model.bayes, self.model.stack, reader.score_text, view, features, words)
            ms["language model alone"] = (time.perf_counter() - start) * 1000
            answers[BOTH] = self._answer(both.log_odds)
        verdict = None
        if self.chain is not None:
            verdict = self.chain(octets)
            answers[CHAIN] = Answer(verdict.nats - self.model.weights.prior, verdict.action)
            ms |= verdict.ms
        return Said(answers, verdict, ms)

    def _answer(self, nats: float) -> Answer:
        return Answer(nats, self.limits.action(probability(nats + self.model.weights.prior)))


@dataclass(frozen=True, slots=True)
class Said:
    """The answers about one mail, and what they cost."""

    answers: Mapping[str, Answer]
    verdict: ChainVerdict | None
    ms: Mapping[str, float]


def score(mails: Iterable[tuple[Case, Sample]], systems: Systems, progress: Progress = quiet) -> list[Scored]:
    """Every mail through every system."""
    found: list[Scored] = []
    for number, (case, sample) in enumerate(mails, 1):
        found.append(scored(case, sample, systems.ask(case.octets, sample)))
        if number % 20 == 0:
            progress("judging", number, 0)
    progress("judging", len(found), len(found))
    return found


def scored(case: Case, sample: Sample, said: Said) -> Scored:
    """What is kept of a mail: nothing of its body."""
    verdict = said.verdict
    return Scored(
        case,
        sample.view.subject,
        case.language or language_of(sample.view.text),
        said.answers,
        verdict.category if verdict is not None else "",
        verdict.reasons if verdict is not None else (),
        verdict.is_read if verdict is not None else False,
        said.ms,
    )


def last_of(names: Sequence[str]) -> str:
    """The system that a report is about: the most complete one."""
    return names[-1]
