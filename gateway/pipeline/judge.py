"""Judging one mail: facts in, verdict out. The cheap evidence first, the language model only in doubt.

Used by the reception, by ``mailward scan`` and by ``mailward try`` alike, so that what is tried is what runs.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from gateway.envelope import Recipient
from gateway.observe.stages import Stages
from gateway.pipeline.budget import ReadingBudget
from gateway.pipeline.evidence import Check, Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.rules import Ruled
from gateway.pipeline.run import CHECK_FAILED, ask, ask_pure, beside
from gateway.pipeline.verdict import Policy, Verdict, decide
from models.view import MailView

log = structlog.get_logger()

WORDS = Signal("model.words", "The words say: {detail}", "spam")
LOCAL = Signal("model.local", "Mail like this was judged by people here before: {detail}", "spam")
LANGUAGE = Signal("model.language", "The language model reads it as {detail}", "spam")

UNREAD = Signal("model.unread", "The language model had no opinion in time: {detail}")

#: By what the language model thinks it is, so that the category of a verdict can follow it.
LANGUAGE_AS = {
    "phish": Signal("model.language", LANGUAGE.about, "phish"),
    "bec": Signal("model.language", LANGUAGE.about, "bec"),
}

#: Signals of mail that is read by the language model whatever the odds: a lure must not pass on words alone.
RISKY_PREFIXES = (
    "lure.",
    "url.lookalike",
    "url.brand-lookalike",
    "url.confusable",
    "url.mixed-script",
    "display_name.",
    "sender.lookalike",
    "sender.brand-lookalike",
)

#: Probabilities between which a mail is read even when the budget for reading is spent.
DEEP_DOUBT = (0.3, 0.9)

EMITS = frozenset({WORDS, LOCAL, LANGUAGE, UNREAD})


@dataclass(frozen=True, slots=True)
class Opinion:
    """A model's calibrated log-odds that a mail is unwanted, and why in a few words."""

    log_odds: float
    detail: str
    kind: str = ""  #: "phish", "bec", ... when the model tells kinds apart


class Scorer(Protocol):
    """The models as the judge needs them."""

    model_ids: tuple[str, ...]

    @property
    def has_language(self) -> bool:
        """Whether ``language`` can have an opinion at all."""
        ...

    def words(self, view: MailView) -> Opinion: ...

    def local(self, view: MailView) -> Opinion | None:
        """What counts for everybody of this organisation's own labels; None where they say nothing of this mail."""
        ...

    async def prepare(self, to: Sequence[Recipient]) -> None:
        """Have at hand what some recipients said; to be awaited before ``own``. Raises StoreUnavailable."""
        ...

    def own(self, view: MailView, to: Sequence[Recipient]) -> Mapping[str, Opinion]:
        """By address: what a recipient's own labels and its domain's say, with what counts for everybody."""
        ...

    def language(self, view: MailView, words: Opinion) -> Opinion | None:
        """The correction to the words' log-odds; None when there is no language model."""
        ...


class Second(Protocol):
    """A second opinion on doubtful mail, from somewhere else."""

    def wants(self, probability: float) -> bool: ...

    async def about(self, facts: DataFacts) -> Sequence[Evidence]:
        """Within its own time. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the evidence it was made of."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    asked_language_model: bool
    ruled: Ruled | None = None  #: what differs between recipients; None without rules and entries


class Judge:
    """Checks, models and policy, put together by the composition root."""

    def __init__(
        self,
        pure: Sequence[PureCheck[DataFacts]],
        awaiting: Sequence[Check[DataFacts]],
        scorer: Scorer,
        policy: Policy,
        *,
        doubt: tuple[float, float] = (0.20, 0.85),
        threads: Executor | None = None,
        language_budget_s: float = 5.0,
        reading: ReadingBudget | None = None,
    ) -> None:
        """``reading`` None reads every mail in doubt, however long that takes."""
        self._pure = pure
        self._awaiting = awaiting
        self._scorer = scorer
        self.policy = policy
        self._doubt = doubt
        self._threads = threads
        self._language_budget_s = language_budget_s
        self._reading = reading
        #: Told of every mail judged, and of no other looks; never waits.
        self.watch: Callable[[DataFacts, Judgement], None] | None = None

        #: Asked about mail that is still in doubt at the end; None asks nobody.
        self.second: Second | None = None

    def beside(self, known: Sequence[Evidence]) -> "Judge":
        """The same judge without anybody to ask and without a limit on reading; ``known`` is always seen."""
        kept: PureCheck[DataFacts] = PureCheck("known", lambda _: known, frozenset(item.signal for item in known))
        return Judge(
            (*self._pure, kept),
            (),
            self._scorer,
            self.policy,
            doubt=self._doubt,
            threads=self._threads,
            language_budget_s=self._language_budget_s,
        )

    async def judge(self, facts: DataFacts, stages: Stages) -> Judgement:
        """Gather all evidence and decide. Never raises for what a mail holds; raises StoreUnavailable."""
        judgement = await self._judged(facts, stages)
        if self.watch is not None:
            self.watch(facts, judgement)
        return judgement

    async def _judged(self, facts: DataFacts, stages: Stages) -> Judgement:
        policy = self.policy  # another model may take over meanwhile
        await self._scorer.prepare(facts.envelope.rcpt_to)
        asked = [asyncio.ensure_future(ask(check, facts)) for check in self._awaiting]
        try:
            if asked and self._threads is None:
                await asyncio.sleep(0)  # they ask their questions before this thread is busy
            evidence, words, own = await beside(self._threads, self._compute, facts, stages)
            if asked:
                with stages.measure("sources"):
                    for found in await asyncio.gather(*asked):
                        evidence.extend(found)
        finally:
            for task in asked:  # the client left: nobody waits for the answers
                task.cancel()
        verdict = decide(evidence, policy, self._scorer.model_ids)
        needs_reading = words is not None and self._scorer.has_language and self._is_in_doubt(verdict, evidence)
        if needs_reading and words is not None:
            with stages.measure("language"):
                evidence.extend(await self._read(facts.view, words))
            verdict = decide(evidence, policy, self._scorer.model_ids)
        if self.second is not None and self.second.wants(verdict.probability):
            with stages.measure("opinion"):
                said = await self.second.about(facts)
            heard = decide([*evidence, *said], policy, self._scorer.model_ids)
            if heard.log_odds >= verdict.log_odds:  # it can raise suspicion, whatever its weights say
                evidence.extend(said)
                verdict = heard
        book = policy.by_recipient
        if book is None:
            return Judgement(verdict, tuple(evidence), needs_reading)
        with stages.measure("policy"):
            if book.is_quick:
                ruled = book.judge(facts, evidence, verdict, policy, own)
            else:
                ruled = await beside(self._threads, book.judge, facts, evidence, verdict, policy, own)
        return Judgement(ruled.verdict, tuple(evidence), needs_reading, ruled)

    def _compute(
        self, facts: DataFacts, stages: Stages
    ) -> tuple[list[Evidence], Opinion | None, Mapping[str, Evidence]]:
        with stages.measure("checks"):
            evidence = ask_pure(self._pure, facts)
            evidence += [Evidence(CHECK_FAILED, f"reading {what}") for what in facts.content.broken]
        with stages.measure("words"):
            words = self._guard("words", lambda: self._scorer.words(facts.view))
            local = self._guard("local", lambda: self._scorer.local(facts.view))
            own = self._own(facts)
        if isinstance(own, Evidence):
            evidence, own = [*evidence, own], {}
        if isinstance(words, Evidence):
            return [*evidence, words], None, own
        if words is not None:
            evidence.append(Evidence(WORDS, words.detail, words.log_odds))
        if isinstance(local, Evidence):
            evidence.append(local)
        elif local is not None:
            evidence.append(Evidence(LOCAL, local.detail, local.log_odds))
        return evidence, words, own

    def _own(self, facts: DataFacts) -> Mapping[str, Evidence] | Evidence:
        """What stands for ``LOCAL`` for single recipients; evidence of a failure when that breaks down."""
        try:
            found = self._scorer.own(facts.view, facts.envelope.rcpt_to)
            if not all(math.isfinite(each.log_odds) for each in found.values()):
                raise ValueError("log-odds that are no number")
        except Exception as error:  # as in ``_guard``
            log.error("model.failed", model="own", error=repr(error), exc_info=error)
            return Evidence(CHECK_FAILED, "model own")
        return {address: Evidence(LOCAL, each.detail, each.log_odds) for address, each in found.items()}

    def _is_in_doubt(self, verdict: Verdict, evidence: Sequence[Evidence]) -> bool:
        # A lure that already sums to almost certain needs no reading; one that looks harmless does.
        if verdict.probability < self._doubt[1] and any(e.signal.name.startswith(RISKY_PREFIXES) for e in evidence):
            return True
        if self._reading is not None and self._reading.is_spent:
            return DEEP_DOUBT[0] < verdict.probability < DEEP_DOUBT[1]
        return self._doubt[0] < verdict.probability < self._doubt[1]

    async def _read(self, view: MailView, words: Opinion) -> list[Evidence]:
        loop = asyncio.get_running_loop()

        def reading() -> Opinion | None:
            with self._reading.spending() if self._reading is not None else nullcontext():
                return self._scorer.language(view, words)

        run = loop.run_in_executor(self._threads, self._guard, "language", reading)
        try:
            async with asyncio.timeout(self._language_budget_s):
                opinion = await run
        except TimeoutError:
            # The cheap verdict stands: it is complete without this opinion, and says that it had to do without.
            log.warning("language.overrun", budget_s=self._language_budget_s)
            return [Evidence(UNREAD, f"{self._language_budget_s:g} seconds")]
        if opinion is None:
            return []
        if isinstance(opinion, Evidence):
            return [opinion]
        signal = LANGUAGE_AS.get(opinion.kind, LANGUAGE)
        return [replace(Evidence(signal, opinion.detail), strength=opinion.log_odds)]

    @staticmethod
    def _guard(name: str, run: Callable[[], Opinion | None]) -> Opinion | Evidence | None:
        try:
            opinion = run()
            if opinion is not None and not math.isfinite(opinion.log_odds):
                raise ValueError(f"log-odds of {opinion.log_odds}")
            return opinion
        except Exception as error:  # a model that breaks down is evidence, like a check that does
            log.error("model.failed", model=name, error=repr(error), exc_info=error)
            return Evidence(CHECK_FAILED, f"model {name}")
