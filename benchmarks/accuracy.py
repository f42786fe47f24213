"""Mailward, bogofilter, SpamAssassin and rspamd: all taught the same mail from scratch, all asked about the same rest.

python -m benchmarks.accuracy [--corpus DIR] [--seed 7] [--every N] [--only NAME...] [--keep DIR]

Prints Markdown, a table for each cut of the corpus. Network lookups are off everywhere. With ``--keep`` what the peers
said is written down and not asked again for the same mails and versions: they take a quarter of an hour.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import accuracy_ours as ours
from benchmarks import peer_scores
from benchmarks.accuracy_split import Split, splits
from benchmarks.corpus import Mails, fetch
from benchmarks.peer_scores import Scores
from benchmarks.peers import PeerFailed, Told, missing, version_of
from benchmarks.processes import cores, on_core
from training.evaluate.measures import auc, recall_at

_PROGRAM = {"SpamAssassin": "spamd"}

HEAD = """\
| filter | AUC | found at 0.1 % false positives | at 0.5 % | by its own verdict: right | found | wrongly flagged | \
mails/s a core | memory MB |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""


def row(name: str, split: Split, scores: Scores) -> str:
    """One line of the table. Raises SystemExit when a filter did not answer for every mail."""
    if len(scores.told) != len(split.test):
        raise SystemExit(f"{name} answered {len(scores.told)} of {len(split.test)} mails")
    truth = np.array([mail.label.is_unwanted for mail in split.test])
    said = np.array([each.score for each in scores.told], dtype=np.float64)
    flagged = np.array([each.is_spam for each in scores.told])
    bad, good = said[truth], said[~truth]
    found, wrong = int(flagged[truth].sum()), int(flagged[~truth].sum())

    def recall(rate: float) -> str:
        value = recall_at(bad, good, rate)
        return f"{value:.1%} ({round(value * len(bad))} of {len(bad)}; {int(rate * len(good) + 1e-9)} allowed)"

    cells = (
        *(name, f"{auc(bad, good):.4f}", recall(0.001), recall(0.005), f"{(flagged == truth).mean():.2%}"),
        *(f"{found / len(bad):.1%} ({found})", f"{wrong / len(good):.2%} ({wrong} of {len(good)})"),
        *(f"{scores.mails_a_cpu_s:,.0f}", f"{scores.memory_mb:.0f}" if scores.memory_mb else "-"),
    )
    return "| " + " | ".join(cells) + " |"


class Kept:
    """Peers' answers on disk, by the mails they were about."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def file(self, name: str, version: str, mails: Mails) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.sha256(f"{name} {version}".encode())
        for octets in (*(m.octets for m in mails.train), b"", *mails.test):
            digest.update(hashlib.sha256(octets).digest())
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{name}-{digest.hexdigest()[:16]}.json"

    def read(self, file: Path | None) -> Scores | None:
        if file is None or not file.is_file():
            return None
        told, *rest = msgspec.json.decode(file.read_bytes())
        return Scores(tuple(Told(*each) for each in told), *rest)

    def write(self, file: Path | None, scores: Scores) -> None:
        if file is not None:
            told = [(each.score, each.is_spam) for each in scores.told]
            rest = (scores.mails_s, scores.mails_a_cpu_s, scores.memory_mb)
            file.write_bytes(msgspec.json.encode((told, *rest)))


def compare(split: Split, seed: int, only: list[str], kept: Kept) -> str:
    """The table of one cut."""
    core, client = cores()
    mails = Mails(split.train, tuple(mail.octets for mail in split.test))
    lines = [HEAD]
    if not only or "mailward" in only:
        with tempfile.TemporaryDirectory() as made:
            models = ours.trained(mails, Path(made), seed)
            lines.append(row(ours.WORDS, split, ours.score_words(mails, models[ours.BY_HAND])))
            lines += [row(name, split, ours.score_chain(mails, at, core, Path(made))) for name, at in models.items()]
    for name, programs, ask in peer_scores.PEERS:
        if only and name.lower() not in only:
            continue
        if absent := missing(programs):
            lines.append(f"| {name} | not installed: {', '.join(absent)} |")
            continue
        version = version_of(_PROGRAM.get(name, name))
        file = kept.file(name, version, mails)
        try:
            with on_core(client):
                scores = kept.read(file) or ask(mails, core)
        except (PeerFailed, RuntimeError, subprocess.CalledProcessError) as error:
            lines.append(f"| {name} {version} | failed: {str(error)[:200]} |")
            continue
        kept.write(file, scores)
        lines.append(row(f"{name} {version}", split, scores))
        print(f"{split.name}: {name} done", file=sys.stderr, flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="folder with easy-ham-1 and so on; fetched with npm without it")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--every", type=int, default=1, help="only every n-th mail, for a quick look")
    parser.add_argument("--only", nargs="*", default=[], help="mailward, bogofilter, spamassassin, rspamd")
    parser.add_argument("--split", choices=("random", "date"), help="only one of the two cuts")
    parser.add_argument("--keep", type=Path, help="folder where the peers' answers are kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        both = splits(given.corpus or fetch(Path(made)), given.every)
    for split in both:
        if given.split is None or split.name.endswith(given.split):
            print(f"{split.told}.\n\n{compare(split, given.seed, given.only, Kept(given.keep))}", flush=True)


if __name__ == "__main__":
    main()
