"""How much unwanted mail is still found when its sender hides: at a fixed rate of false positives, and as it is served.

Thresholds are read off the wanted mail as it is, once; then the same unwanted mails are attacked, one attack at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from training.corpus.sample import read
from training.evaluate.attacks import ATTACKS, CLEAN, PADDING_WORDS, Attack, Unchangeable, attacked
from training.evaluate.cases import Case
from training.evaluate.figures import Share, share
from training.evaluate.scoring import Scored, Systems
from training.progress import Progress, quiet

RATE = 0.005  #: of wanted mail above the threshold


@dataclass(frozen=True, slots=True)
class Hit:
    """One system under one attack."""

    attack: str
    system: str
    at_rate: Share  #: found at the threshold that 0.5 % of wanted mail exceeds
    at_junk: Share  #: found at the junk threshold, as the mail would be treated
    lost_at_rate: float  #: points of recall, against the mail as it was
    lost_at_junk: float


def robustness(
    judged: Sequence[Scored],
    systems: Systems,
    seed: int,
    progress: Progress = quiet,
    most: int = 300,
    attacks: Sequence[Attack] = ATTACKS,
) -> list[Hit]:
    """Every attack on the same ``most`` unwanted mails; empty when one kind of mail is missing."""
    wanted = [m for m in judged if not m.is_unwanted]
    unwanted = [m.case for m in judged if m.is_unwanted]
    if not wanted or not unwanted:
        return []
    rng = Random(seed)
    victims = rng.sample(unwanted, min(most, len(unwanted)))
    pool = innocent_words(rng.sample([m.case for m in wanted], min(200, len(wanted))))
    bars = {name: _bar([m.answers[name].nats for m in wanted]) for name in systems.names}
    found: list[Hit] = []
    clean: dict[str, Hit] = {}
    for number, attack in enumerate((CLEAN, *attacks), 1):
        row = _under(attack, victims, pool, systems, bars, seed)
        for name, (rate, junk) in row.items():
            base = clean.get(name)
            lost = ((base.at_rate.value - rate.value), (base.at_junk.value - junk.value)) if base else (0.0, 0.0)
            hit = Hit(attack.name, name, rate, junk, lost[0] * 100, lost[1] * 100)
            clean.setdefault(name, hit)
            found.append(hit)
        progress("attacks", number, len(attacks) + 1)
    return found


def innocent_words(cases: Sequence[Case]) -> list[list[str]]:
    """The words of wanted mails, to pad with."""
    found = [read(case.mail).view.text.split() for case in cases]
    return [words for words in found if len(words) >= 20] or [["the", "and", "of"] * 100]


def padding(pool: Sequence[Sequence[str]], rng: Random) -> str:
    """300 words of wanted mail, from one mail or from as many as it takes."""
    words: list[str] = []
    while len(words) < PADDING_WORDS:
        words += rng.choice(pool)
    return " ".join(words[:PADDING_WORDS])


def _bar(nats: Sequence[float]) -> float:
    ordered = np.sort(np.asarray(nats))[::-1]
    return float(ordered[min(int(RATE * len(ordered) + 1e-9), len(ordered) - 1)])


def _under(
    attack: Attack,
    victims: Sequence[Case],
    pool: Sequence[Sequence[str]],
    systems: Systems,
    bars: dict[str, float],
    seed: int,
) -> dict[str, tuple[Share, Share]]:
    """By system: found at the fixed rate, and at the junk threshold."""
    rng = Random(f"{seed}/{attack.name}")
    counts = {name: [0, 0] for name in systems.names}
    tried = 0
    for case in victims:
        try:
            octets = attacked(case.octets, attack, padding(pool, rng), rng)
        except Unchangeable:
            continue
        tried += 1
        for name, answer in systems.ask(octets).answers.items():
            counts[name][0] += answer.nats > bars[name]
            counts[name][1] += answer.action != "accept"
    nothing = Share(0.0, 0.0, 1.0, 0, 0)
    return {name: (share(a, tried) or nothing, share(b, tried) or nothing) for name, (a, b) in counts.items()}
