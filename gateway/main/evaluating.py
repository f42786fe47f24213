"""``mailward evaluate``: how well a model, and the whole chain with it, does on mail that it was not trained on."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain as joined
from pathlib import Path

import msgspec
import structlog

from gateway.main.failures import told_plainly
from gateway.main.offline import OfflineJudge
from gateway.main.scanning import configured
from gateway.main.services import load_model
from gateway.observe.log import configure
from gateway.settings import ClamAv, Config, DnsListSettings, Pyzor
from training.corpus.readers import UnreadableCorpus
from training.corpus.sample import Label
from training.evaluate.cases import BadKind, Case, Given, composed, given, of_collected, of_paths
from training.evaluate.page import Shown, page
from training.evaluate.run import Wishes
from training.evaluate.run import evaluate as measure
from training.evaluate.scoring import Chain, ChainVerdict, Limits, Systems
from training.evaluate.text import text
from training.progress import bars

COPIES = 12  #: of every composed scenario

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    ham: tuple[Path, ...] = ()
    spam: tuple[Path, ...] = ()
    mail: tuple[str, ...] = ()  #: "KIND=PATH" or "KIND:SOURCE=PATH"
    collected: tuple[Path, ...] = ()
    composed: bool = False
    model: Path | None = None
    config: Path | None = None
    chain: bool = True
    report: Path | None = None
    subjects: bool = True
    as_json: bool = False
    wishes: Wishes = field(default_factory=Wishes)


def evaluate(asked: Asked) -> int:
    """2 when there is no mail to judge, or the model cannot be used."""
    configure("human")
    with told_plainly(), ExitStack() as opened:
        config = configured(asked.config, asked.model)
        try:
            mails = cases(asked)
            chain = opened.enter_context(judging(config)) if asked.chain else None
            verdict = config.verdict
            limits = Limits(verdict.junk, verdict.hold, verdict.refuse)
            systems = Systems(load_model(config), limits, chain, config.model.language)
            found = measure(mails, systems, asked.wishes, "mailward evaluate", bars())
        except (UnreadableCorpus, BadKind) as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 2
        if asked.report is not None:
            asked.report.write_text(page(found, Shown(asked.subjects)), "utf-8")
        print(json.dumps(found.as_json(subjects=asked.subjects), ensure_ascii=False) if asked.as_json else text(found))
        if asked.report is not None:
            print(f"  report: {asked.report}", file=sys.stderr if asked.as_json else sys.stdout)
    return 0


def cases(asked: Asked) -> Iterator[Case]:
    """All mail that was named. Raises BadKind now, UnreadableCorpus when it is read."""
    named = [Given(path, Label.LEGITIMATE) for path in asked.ham]
    named += [Given(path, Label.UNWANTED) for path in asked.spam]
    named += [given(each) for each in asked.mail]
    if not named and not asked.collected and not asked.composed:
        raise BadKind("there is no mail to judge: give --ham and --spam, --mail, --collected or --composed")
    own = composed(COPIES, asked.wishes.seed) if asked.composed else ()
    return joined(of_paths(named), *(of_collected(root) for root in asked.collected), own)


@contextmanager
def judging(config: Config) -> Iterator[Chain]:
    """The whole chain, from octets to verdict, as serving has it but asking nobody and without any history."""
    alone = msgspec.structs.replace(config, pyzor=Pyzor(), clamav=ClamAv(), dnslists=DnsListSettings())
    with asyncio.Runner() as runner:
        judge = OfflineJudge(alone)
        runner.run(judge.__aenter__())
        try:
            yield lambda octets: runner.run(_judge(judge, octets))
        finally:
            runner.run(judge.__aexit__())


async def _judge(judge: OfflineJudge, octets: bytes) -> ChainVerdict:
    judged = await judge.judge("", octets)
    if judged.judgement is None:  # our own fault: the mail counts as the gateway would treat it, put off
        log.error("evaluate.failed", error=judged.error)
        return ChainVerdict(judge.policy.prior, "defer", "", ((0.0, judged.error or ""),), False, judged.ms)
    verdict = judged.judgement.verdict
    return ChainVerdict(
        verdict.log_odds,
        verdict.action.name.lower(),
        verdict.category,
        tuple((reason.nats, reason.sentence) for reason in verdict.reasons),
        judged.judgement.asked_language_model,
        {**judged.ms, "whole chain": sum(judged.ms.values())},
    )
