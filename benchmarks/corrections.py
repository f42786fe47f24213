"""One corrected mail: are it and its near copies judged right at once, what becomes of other mail, what does it cost?

``python -m benchmarks.corrections [--letters 200] [--honest] [--spamassassin DIR]``. A letter is laid out and filled in
several ways (other names, numbers, links, HTML or text), judged by the whole chain without network, delivered, and its
reader says the **opposite** of the verdict, right or wrong: that is harder than the mistakes that happen. Then its
copies come. Each reader says so about twenty letters. What becomes of their other mail is measured, too.
With ``--honest`` readers correct mistakes alone.
"""

import asyncio
import random
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.delivery.commit import Commit
from gateway.envelope import Recipient, reception_id
from gateway.learning.labels import label_of_view
from gateway.learning.local import LocalOpinions
from gateway.learning.opinions import give
from gateway.main.offline import NoNetwork, Told, envelope_of
from gateway.main.services import Judging, build_judging, load_model
from gateway.main.storage import open_store
from gateway.observe.stages import Stages
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action
from gateway.settings import Config
from models.counters import Commonness
from models.features import extract
from store.accounts import account as accounts
from store.changes.engine import Store
from store.labels.rows import Label
from training.corpus.readers import spamassassin
from training.modern.letter import compose, letters

AT_MS = 1_772_500_000_000
OF_ONE_READER = 20
COPIES = 4
OTHERS = 300


@dataclass(slots=True)
class Bench:
    """The whole chain over a store in memory, as a worker has it."""

    store: Store
    judging: Judging
    opinions: LocalOpinions
    commit: Commit
    common: Commonness
    mails: int = 0

    async def judge(self, octets: bytes, reader: Recipient) -> tuple[DataFacts, Judgement]:
        self.mails += 1
        named = reception_id(datetime(2026, 3, 3, 9, 12, tzinfo=UTC), self.mails)
        envelope = replace(envelope_of(octets, Told()), rcpt_to=(reader,), id=named)
        facts = await self.judging.gatherer.facts(envelope, octets, Stages())
        return facts, await self.judging.judge.judge(facts, Stages())

    async def is_junked(self, octets: bytes, reader: Recipient) -> bool:
        return (await self.judge(octets, reader))[1].verdict.action is not Action.ACCEPT

    async def new_reader(self, name: str) -> Recipient:
        account = await self.store.write(lambda txn: accounts.create(txn, name, "", "", 0))
        return Recipient(name, account=account.id)

    async def correct(
        self, octets: bytes, reader: Recipient, *, honestly: bool | None = None
    ) -> tuple[bool, float] | None:
        """Receive a mail, and say the opposite of its verdict; what was said, and milliseconds that it took.

        ``honestly`` is whether the mail is unwanted, for a reader who says nothing about a verdict that is right.
        """
        facts, judgement = await self.judge(octets, reader)
        said = judgement.verdict.action is Action.ACCEPT
        if honestly is not None and honestly is not said:
            return None
        await self.commit.act(facts, judgement, Stages())
        label = label_of_view(facts.envelope.id, facts.view, said, reader.address, AT_MS)
        start = time.perf_counter()
        await self.store.write(lambda txn: give(txn, label, "move"))
        took = (time.perf_counter() - start) * 1000
        await self.opinions.catch_up()
        return said, took


async def measure(count: int, corpus: Path | None, *, honest: bool) -> None:
    model = load_model(Config())
    with ThreadPoolExecutor(1) as threads:
        store = await open_store(None)
        opinions = LocalOpinions(store)
        await opinions.catch_up()
        judging = build_judging(Config(), model, store, opinions, threads, NoNetwork())
        commit = Commit(store, "mx.example.com", 30, (0.6, 0.85, 1.0), _label_of)
        await _run(
            Bench(store, judging, opinions, commit, Commonness(model.bayes.weights)), count, corpus, honest=honest
        )


def _label_of(reception: str, facts: DataFacts, is_spam: bool, by: str, at_ms: int) -> Label:
    return label_of_view(reception, facts.view, is_spam, by, at_ms)


async def _run(bench: Bench, count: int, corpus: Path | None, *, honest: bool) -> None:
    chosen = random.Random(7).sample(letters(), count)
    told: Counter[str] = Counter()
    took: list[float] = []
    others = _others({letter.family for letter in chosen}, corpus)
    before = [await bench.is_junked(octets, Recipient("nobody@b.example")) for octets, _ in others]
    for first in range(0, count, OF_ONE_READER):
        reader = await bench.new_reader(f"reader{first}@b.example")
        for letter in chosen[first : first + OF_ONE_READER]:
            ways = [random.Random(f"{letter.family}/{letter.subject}/{way}") for way in range(COPIES + 1)]
            mail, *copies = [compose(letter, way) for way in ways]
            corrected = await bench.correct(mail, reader, honestly=letter.label.is_unwanted if honest else None)
            if corrected is None:
                continue
            said, ms = corrected
            took.append(ms)
            was = "a mistake" if letter.label.is_unwanted is said else "no mistake"
            for kind, octets in (("the mail", mail), *(("a copy", copy) for copy in copies)):
                is_right = await bench.is_junked(octets, reader) is said
                told.update({f"{was}, {kind}": 1, f"{was}, {kind}, as told": is_right})
        for (octets, is_unwanted), then in zip(others, before, strict=True):
            now = await bench.is_junked(octets, reader)
            change = "" if now is then else "right now" if now is is_unwanted else "wrong now"
            told.update({"others": 1, change: 1})
    for name in sorted(name for name in told if f"{name}, as told" in told):
        right = told[f"{name}, as told"]
        print(f"{name:<24} judged as its reader said: {right:>5} of {told[name]:>5}  {right / told[name]:.2%}")
    changed = f"{told['right now']} verdicts are right now and {told['wrong now']} wrong"
    print(f"other mail of these readers: {told['others']}, of which {changed} that were not")
    took.sort()
    print(f"a label with its transaction: {statistics.median(took):.2f} ms, p99 {took[int(len(took) * 0.99)]:.2f} ms")
    await _cost(bench, others, reader)


def _others(families: set[str], corpus: Path | None) -> list[tuple[bytes, bool]]:
    """Mail that has nothing to do with the letters, and whether it is unwanted."""
    rng = random.Random(11)
    if corpus is not None:
        return rng.sample([(mail.octets, mail.label.is_unwanted) for mail in spamassassin(corpus)], OTHERS)
    unrelated = [letter for letter in letters() if letter.family not in families]
    return [(compose(letter, rng), letter.label.is_unwanted) for letter in rng.sample(unrelated, OTHERS)]


async def _cost(bench: Bench, others: list[tuple[bytes, bool]], reader: Recipient) -> None:
    """What it costs to ask a reader's labels about a mail, once its features are known."""
    took: list[float] = []
    for octets, _ in others[:100]:
        features = extract((await bench.judge(octets, reader))[0].view)
        start = time.perf_counter()
        bench.opinions.own(features, bench.common, (reader,))
        took.append((time.perf_counter() - start) * 1000)
    print(f"asking a reader's labels about a mail: {statistics.median(took):.3f} ms")


@click.command(help=__doc__)
@click.option("--letters", "count", default=200)
@click.option("--spamassassin", "corpus", type=click.Path(path_type=Path, exists=True))
@click.option("--honest", is_flag=True)
def main(count: int, corpus: Path | None, honest: bool) -> None:
    asyncio.run(measure(count, corpus, honest=honest))


if __name__ == "__main__":
    main()
