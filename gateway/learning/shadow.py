"""A model on trial: it judges live mail beside the one in use, changes nothing, and what it would have done is counted.

Words, language and weights are the trial's; checks and everything else are what was seen. A mail waits its turn after
its own verdict; when too many wait, some are not compared. Counts are added up in the store over all workers.
"""

import asyncio
from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from gateway.pipeline.evidence import Evidence
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import LANGUAGE, LANGUAGE_AS, WORDS, Judgement
from gateway.pipeline.verdict import Policy, Verdict, decide
from models.artefact import Artefact
from models.features import extract
from models.reading import read
from store.artefacts import rows
from store.artefacts.rows import Difference
from store.changes.engine import Store
from store.kv.contract import StoreError

log = structlog.get_logger()

WAITING = 200  #: mails at once
FLUSH_S = 2.0
SEEN_AT_ONCE = 20  #: differing mails that are remembered of one flush
_MODELS = frozenset({WORDS.name, LANGUAGE.name})


@dataclass(frozen=True, slots=True)
class Trial:
    """A model with the policy that its weights make."""

    model: Artefact
    policy: Policy

    def judge(self, facts: DataFacts, judgement: Judgement) -> Verdict:
        """The verdict that this model would have come to for everybody."""
        features = extract(facts.view)
        words = self.model.bayes.score(features)
        seen = [each for each in judgement.evidence if each.signal.name not in _MODELS]
        seen.append(Evidence(WORDS, "", words))
        language = self.model.language if judgement.asked_language_model else None
        if language is not None:
            bayes, stack = self.model.bayes, self.model.stack
            found = read(bayes, stack, language.score_text, facts.view, features, words)
            classes = found.language.classes
            kind = max(classes, key=lambda name: classes[name])
            seen.append(Evidence(LANGUAGE_AS.get(kind, LANGUAGE), "", found.log_odds - words))
        return decide(seen, self.policy, (self.model.id,))


class Shadow:
    """Compares a trial with what was done."""

    def __init__(self, store: Store, threads: Executor | None = None) -> None:
        self._store = store
        self._threads = threads
        self._trial: Trial | None = None
        self._waiting: asyncio.Queue[tuple[DataFacts, Judgement]] = asyncio.Queue(WAITING)
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._seen: list[Difference] = []

    def use(self, trial: Trial | None) -> None:
        """Begin or end a trial. What was counted and is not in the store yet is forgotten."""
        self._trial = trial
        self._pairs.clear()
        self._seen.clear()

    def __call__(self, facts: DataFacts, judgement: Judgement) -> None:
        """Told of every mail judged; never waits."""
        if self._trial is not None and not self._waiting.full():
            self._waiting.put_nowait((facts, judgement))

    async def compare(self) -> None:
        """Compare what waits, and add it up in the store. Raises StoreError."""
        loop = asyncio.get_running_loop()
        while not self._waiting.empty():
            facts, judgement = self._waiting.get_nowait()
            trial = self._trial
            if trial is not None:
                try:
                    would = await loop.run_in_executor(self._threads, trial.judge, facts, judgement)
                except Exception as error:  # a model on trial may break down; the mail has its verdict
                    log.error("shadow.failed", model=trial.model.id, error=repr(error), exc_info=error)
                    continue
                self._note(facts, judgement.ruled.general if judgement.ruled is not None else judgement.verdict, would)
        await self._flush()

    def _note(self, facts: DataFacts, was: Verdict, would: Verdict) -> None:
        pair = was.action.name.lower(), would.action.name.lower()
        self._pairs[pair] += 1
        if pair[0] != pair[1] and len(self._seen) < SEEN_AT_ONCE:
            self._seen.append(Difference(facts.envelope.id, *pair, was.probability, would.probability))

    async def _flush(self) -> None:
        trial = self._trial
        if trial is None or not self._pairs:
            return
        pairs, seen = dict(self._pairs), list(self._seen)
        self._pairs.clear()
        self._seen.clear()
        await self._store.write(lambda txn: rows.count(txn, trial.model.id, pairs, seen))

    async def follow(self) -> None:
        """Compare until cancelled."""
        while True:
            try:
                await self.compare()
            except StoreError as error:
                log.warning("shadow.store", error=repr(error))
            await asyncio.sleep(FLUSH_S)
