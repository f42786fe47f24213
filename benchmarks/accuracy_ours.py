"""Mailward trained from scratch on one part of a corpus and asked about the rest: words, and the whole chain.

Nothing but the training part is learnt: no composed mail, and no language model, which has read other mail. The chain
is run twice, with the hand-set weights of the signals and with weights fitted on the training part.
"""

import argparse
import asyncio
import inspect
import json
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus import Mails
from benchmarks.peer_scores import Scores
from benchmarks.peers import Told
from benchmarks.processes import on_core
from gateway.learning.scorer import ModelScorer
from gateway.main.offline import OfflineJudge
from gateway.pipeline.verdict import Action
from gateway.settings import Config, Model
from models import artefact
from models.view import view_of
from store.message.mime import parse_message
from training.corpus.sample import Sample, read
from training.export import write_card, write_signals, write_words
from training.fit.combiner import fit_signals
from training.fit.stack import ALONE
from training.fit.words import FittedWords, balance, fit_words

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
WARM_UP = 20

BY_HAND, FITTED = "Mailward, hand-set weights", "Mailward, fitted weights"
WORDS = "Mailward, words alone"


def trained(mails: Mails, out: Path, seed: int) -> dict[str, Path]:
    """Two model directories, by the name of what is measured with them."""
    samples = [read(mail) for mail in mails.train]
    options: dict[str, Any] = {"headers": True} if "headers" in inspect.signature(fit_words).parameters else {}
    fit: Callable[..., FittedWords] = fit_words
    words = fit(samples, seed, **options)
    by_hand = artefact.read_weights_file(artefact.DEFAULT / "weights.json").by_hand()
    first, second = out / "by-hand", out / "fitted"
    for folder, fitted in ((first, {}), (second, None)):
        write_words(folder, words.weights, words.calibration, ALONE)
        weights = fitted if fitted is not None else _fitted(mails, first, samples, words)
        write_signals(folder, by_hand, weights)
        write_card(folder, samples, {}, seed=seed, created=CREATED)
    return {BY_HAND: first, FITTED: second}


def _fitted(mails: Mails, model: Path, samples: list[Sample], words: FittedWords) -> Mapping[str, float]:
    """Weights from what the checks see in the training mail."""
    seen = asyncio.run(_evidence([mail.octets for mail in mails.train], model))
    unwanted = np.array([s.label.is_unwanted for s in samples])
    by_hand = artefact.read_weights_file(model / "weights.json").by_hand()
    return fit_signals(seen, np.asarray(words.out_of_fold, dtype=np.float64), unwanted, balance(samples), by_hand)


async def _evidence(mails: list[bytes], model: Path) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    async with OfflineJudge(_config(model)) as judge:
        for octets in mails:
            judged = await judge.judge("", octets)
            evidence = judged.judgement.evidence if judged.judgement is not None else ()
            strongest: dict[str, float] = {}
            for item in evidence:
                if abs(item.strength) > abs(strongest.get(item.signal.name, 0.0)):
                    strongest[item.signal.name] = item.strength
            found.append(strongest)
    return found


def _config(model: Path) -> Config:
    return Config(model=Model(directory=str(model), language=False))


def score_words(mails: Mails, model: Path) -> Scores:
    """The words alone as they serve, in this process; 0.5 at even odds is its verdict."""
    scorer = ModelScorer(artefact.load(model), None, use_language=False)
    start, cpu = time.perf_counter(), time.process_time()
    nats = [scorer.words(view_of(parse_message(octets))).log_odds for octets in mails.test]
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    told = tuple(Told(score, score >= 0) for score in nats)
    return Scores(told, len(told) / wall, len(told) / used, 0.0)


def score_chain(mails: Mails, model: Path, core: int, scratch: Path) -> Scores:
    """Everything a mail goes through, in a process of its own on the core, as the peers are."""
    given = scratch / "mails"
    given.write_bytes(pickle.dumps(list(mails.test)))
    command = [sys.executable, "-m", "benchmarks.accuracy_ours", "--judge", str(given), "--model", str(model)]
    with on_core(core):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    return Scores(tuple(Told(*each) for each in told.pop("told")), **told)


async def judge_all(mails: list[bytes], model: Path) -> dict[str, object]:
    told: list[tuple[float, bool]] = []
    async with OfflineJudge(_config(model)) as judge:
        for number, octets in enumerate(mails[:WARM_UP]):
            await judge.judge("", b"Subject: warm-up %d\r\n\r\n" % number + octets)
        start, cpu = time.perf_counter(), time.process_time()
        for octets in mails:
            judged = await judge.judge("", octets)
            if judged.judgement is None:
                raise SystemExit(f"a mail could not be judged: {judged.error}")
            verdict = judged.judgement.verdict
            told.append((verdict.log_odds, verdict.action is not Action.ACCEPT))
        wall, used = time.perf_counter() - start, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"told": told, "mails_s": len(mails) / wall, "mails_a_cpu_s": len(mails) / used, "memory_mb": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", type=Path, required=True, help="pickled mails, as benchmarks.accuracy writes them")
    parser.add_argument("--model", type=Path, required=True)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(judge_all(pickle.loads(given.judge.read_bytes()), given.model))))


if __name__ == "__main__":
    main()
