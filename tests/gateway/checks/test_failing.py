"""No check can pass a mail by failing: each real check is broken in every way, and the mail is held or comes again."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.checks import PURE, clamav, dnslists, pyzor
from gateway.checks.attachment import CHECK as ATTACHMENT
from gateway.content import gather as gathering
from gateway.dns.zone import Zone, ZoneResolver
from gateway.dnslists.asking import DnsLists
from gateway.dnslists.definition import known_lists
from gateway.net.clamd_client import ClamdClient
from gateway.net.pyzor_client import PyzorClient, PyzorSettings
from gateway.observe.stages import Stages
from gateway.pipeline.evidence import Check, Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judge
from gateway.pipeline.rules import AT_LEAST, AT_MOST
from gateway.pipeline.verdict import Action, Policy, Verdict
from gateway.reputation.facts import SenderHistory
from gateway.settings import ClamAv
from models.artefact import load
from tests.gateway.pipeline.test_judge import FakeScorer
from tests.support.facts import authenticated, facts, mail

#: The mildest mail there is: words, sender and history all speak for it.
FRIENDLY = facts(mail(), auth=authenticated("shop.example"), history=SenderHistory(seen=99, ham=99))
STRANGE = Signal("nobody.declared-this", "Nobody declared this signal anywhere")
AWAITING = (
    pyzor.check(PyzorClient(PyzorSettings(servers=(("127.0.0.1", 9),)))),
    dnslists.check(DnsLists(ZoneResolver(Zone.of({})), [known_lists()["spamhaus-zen"]])),
    clamav.check(ClamdClient(ClamAv(host="127.0.0.1"))),
)


def raising(error: BaseException) -> Callable[..., Any]:
    def run(*_: object) -> Any:
        raise error

    return run


INJURIES: dict[str, Callable[[DataFacts], Any]] = {
    "raises": raising(ValueError("broken")),
    "runs out of memory": raising(MemoryError()),
    "recurses without end": raising(RecursionError()),
    "gives nothing": lambda _: None,
    "gives a number": lambda _: 7,
    "gives text": lambda _: ["dmarc.pass"],
    "gives an undeclared signal": lambda _: [Evidence(STRANGE)],
    "gives no number": lambda _: [Evidence(next(iter(ATTACHMENT.emits)), strength=math.nan)],
    "gives endless strength": lambda _: [Evidence(next(iter(ATTACHMENT.emits)), strength=-math.inf)],
}


@pytest.fixture(scope="module")
def policy() -> Policy:
    weights = load(None).weights
    return Policy(weights.prior, weights.signals, at_least=AT_LEAST, at_most=AT_MOST)


async def verdict(
    policy: Policy,
    pure: Sequence[PureCheck[DataFacts]] = PURE,
    awaiting: Sequence[Check[DataFacts]] = (),
    facts: DataFacts = FRIENDLY,
) -> Verdict:
    judge = Judge(pure, awaiting, FakeScorer(says_words=-5.0, has_language=False), policy)
    with capture_logs():  # else each failure is drawn with all its variables
        return (await judge.judge(facts, Stages())).verdict


def awaited(run: Callable[[DataFacts], Any]) -> Callable[[DataFacts], Awaitable[Any]]:
    async def broken(of: DataFacts) -> Any:
        return run(of)

    return broken


async def test_the_friendly_mail_is_delivered_when_nothing_is_broken(policy: Policy) -> None:
    assert (await verdict(policy)).action is Action.ACCEPT


@pytest.mark.parametrize("run", INJURIES.values(), ids=INJURIES.keys())
@pytest.mark.parametrize("check", PURE, ids=lambda check: check.name)
async def test_a_broken_check_holds_the_mail(
    check: PureCheck[DataFacts], run: Callable[[DataFacts], Any], policy: Policy
) -> None:
    broken = [replace(each, run=run) if each is check else each for each in PURE]
    found = await verdict(policy, broken)
    assert (found.action, found.rule) == (Action.QUARANTINE, "check.failed")
    assert check.name in next(r.sentence for r in found.reasons if r.signal == "check.failed")


@pytest.mark.parametrize("reader", ["codes_in", "attachments_of"])
@pytest.mark.parametrize("error", [RuntimeError("broken"), MemoryError(), RecursionError()], ids=repr)
async def test_a_reader_of_files_that_breaks_down_holds_the_mail(
    reader: str, error: Exception, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, reader, raising(error))
    with capture_logs():
        content = gathering.gather(FRIENDLY.message, FRIENDLY.view)
    found = await verdict(policy, facts=replace(FRIENDLY, content=content))
    assert (found.action, found.rule) == (Action.QUARANTINE, "check.failed")


@pytest.mark.parametrize("run", INJURIES.values(), ids=INJURIES.keys())
@pytest.mark.parametrize("check", AWAITING, ids=lambda check: check.name)
async def test_a_broken_source_holds_the_mail(
    check: Check[DataFacts], run: Callable[[DataFacts], Any], policy: Policy
) -> None:
    found = await verdict(policy, awaiting=[replace(check, run=awaited(run))])
    assert (found.action, found.rule) == (Action.QUARANTINE, "check.failed")


@pytest.mark.parametrize("check", AWAITING, ids=lambda check: check.name)
async def test_a_source_that_hangs_makes_the_mail_come_again(check: Check[DataFacts], policy: Policy) -> None:
    async def hang(_: DataFacts) -> Sequence[Evidence]:
        await asyncio.Event().wait()
        return []

    found = await verdict(policy, awaiting=[replace(check, run=hang, budget_s=0.01)])
    assert (found.action, found.rule) == (Action.DEFER, "check.timeout")
