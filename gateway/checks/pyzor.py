"""What others reported about mail like this one, by Pyzor. Off unless servers are configured."""

import math

from gateway.net.pyzor_client import PyzorClient
from gateway.pipeline.evidence import Check, Evidence, Signal
from gateway.pipeline.facts import DataFacts

LISTED = Signal("pyzor.listed", "Others reported mail like this as spam: {detail}", "spam")
WHITELISTED = Signal("pyzor.whitelisted", "Others reported mail like this as wanted: {detail}", "")
UNREACHABLE = Signal("pyzor.unreachable", "Pyzor could not be asked: {detail}", "")

EMITS = frozenset({LISTED, WHITELISTED, UNREACHABLE})

_FEW = 3  #: reports below which one user's mistake would count
_SHORT = 60  #: characters of text below which unrelated mails share a digest


def check(client: PyzorClient) -> Check[DataFacts]:
    """The check for a client. Its budget covers every server's time, so that a slow one is evidence, not a time-out."""

    async def ask(facts: DataFacts) -> list[Evidence]:
        if len(facts.view.text) < _SHORT:
            return []
        result = await client.check(facts.message.octets)
        if result.error:
            return [Evidence(UNREACHABLE, result.error)]
        # A digest that readers also vouch for belongs to a newsletter that some call spam.
        if result.whitelisted >= _FEW and result.whitelisted * 5 >= result.count:
            return [Evidence(WHITELISTED, f"{result.whitelisted} times")]
        if result.count >= _FEW:
            return [Evidence(LISTED, f"{result.count} times", min(1.5, 0.5 + math.log10(result.count) / 4))]
        return []

    settings = client.settings
    budget_s = (settings.timeout_s + settings.digest_s) * max(1, len(settings.servers)) + 1.0
    return Check("pyzor", ask, EMITS, budget_s)
