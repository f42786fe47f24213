"""Everything an evaluation found, before it is printed, written as JSON or drawn as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.combiner import probability
from training.evaluate.figures import Confusion, Cost, Figures, confusion, costs, figures, grouped, worst
from training.evaluate.robustness import Hit
from training.evaluate.scoring import CHAIN, Scored, Systems, last_of

MISTAKES = 20  #: shown on each side
REASONS = 4  #: shown of a mistake


@dataclass(frozen=True, slots=True)
class Report:
    """One evaluation."""

    title: str
    model_id: str
    seed: int
    prior: float
    systems: tuple[str, ...]
    mails: Sequence[Scored]
    figures: Mapping[str, Sequence[Figures]]  #: by system, one row a source
    languages: Mapping[str, Sequence[Figures]]  #: the same, one row a language
    confusions: Mapping[str, Sequence[Confusion]]  #: of the main system, by what it is grouped
    costs: Sequence[Cost]
    worst: tuple[Sequence[Scored], Sequence[Scored]]  #: wanted mail flagged, unwanted mail delivered
    attacks: Sequence[Hit] = ()

    @property
    def main(self) -> str:
        """The system that verdicts and mistakes are shown of: the most complete one."""
        return last_of(self.systems)

    @property
    def read_share(self) -> float | None:
        """Of mails that the chain gave to the language model; None without the chain."""
        return sum(m.is_read for m in self.mails) / len(self.mails) if self.mails and CHAIN in self.systems else None

    def told(self) -> str:
        unwanted = sum(m.is_unwanted for m in self.mails)
        return (
            f"Model {self.model_id}, seed {self.seed}: {len(self.mails) - unwanted:,} wanted and {unwanted:,} unwanted "
            "mails after near copies were removed"
        )

    def told_cost(self) -> str:
        share = self.read_share
        return "Without the whole chain." if share is None else f"{share:.1%} of mails were read by the language model."

    def reasons(self, mail: Scored) -> list[tuple[float, str]]:
        """What spoke hardest for the mistake."""
        side = -1 if mail.is_unwanted else 1
        return [(nats, text) for nats, text in mail.reasons if nats * side > 0][:REASONS]

    def as_json(self, *, subjects: bool) -> dict[str, Any]:
        """For machines; subjects and paths only when they may be shown."""
        return {
            "model": self.model_id,
            "seed": self.seed,
            "systems": {name: [asdict(row) for row in self.figures[name]] for name in self.systems},
            "languages": {name: [asdict(row) for row in self.languages[name]] for name in self.systems},
            "became": {
                by: [{"name": r.name, "unwanted": r.is_unwanted, **r.acts} for r in rows]
                for by, rows in self.confusions.items()
            },
            "cost_ms": [asdict(row) for row in self.costs],
            "language_model_share": self.read_share,
            "attacks": [asdict(hit) for hit in self.attacks],
            "mistakes": [self._mistake(m, subjects) for side in self.worst for m in side],
        }

    def _mistake(self, mail: Scored, subjects: bool) -> dict[str, Any]:
        answer = mail.answers[self.main]
        told: dict[str, Any] = {"probability": probability(answer.nats + self.prior), "action": answer.action}
        told |= {"label": mail.case.label.value, "source": mail.case.source, "reasons": self.reasons(mail)}
        return told | ({"subject": mail.subject, "path": mail.case.path} if subjects else {})


def report(title: str, mails: Sequence[Scored], systems: Systems, seed: int, attacks: Sequence[Hit] = ()) -> Report:
    """Put the figures together."""
    names = systems.names
    main = last_of(names)
    sources = grouped(mails, lambda m: m.case.source)
    languages = grouped(mails, lambda m: m.language or "?")
    return Report(
        title=title,
        model_id=systems.model.id,
        seed=seed,
        prior=systems.model.weights.prior,
        systems=names,
        mails=mails,
        figures={name: [figures(source, of, name, seed) for source, of in sources.items()] for name in names},
        languages={name: [figures(each, of, name, seed) for each, of in languages.items()] for name in names},
        confusions={
            "kind": confusion(mails, main, lambda m: m.case.label.value),
            "language": confusion(mails, main, lambda m: m.language),
            "source": confusion(mails, main, lambda m: m.case.source),
        },
        costs=costs(mails),
        worst=worst(mails, main, MISTAKES),
        attacks=attacks,
    )
