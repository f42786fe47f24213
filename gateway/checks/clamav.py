"""What a virus scanner beside us finds. Off unless one is configured; without it the filter is complete."""

from gateway.net.clamd_client import ClamdClient
from gateway.pipeline.evidence import Check, Evidence, Signal
from gateway.pipeline.facts import DataFacts

VIRUS = Signal("attachment.virus", "A virus scanner recognises malware: {detail}", "malware")
SUSPICIOUS = Signal("clamav.suspicious", "A virus scanner finds something suspicious: {detail}", "malware")
UNREACHABLE = Signal("clamav.unreachable", "The virus scanner could not be asked: {detail}", "")
TOO_LONG = Signal("clamav.too-long", "The mail is too long for the virus scanner", "")

EMITS = frozenset({VIRUS, SUSPICIOUS, UNREACHABLE, TOO_LONG})

#: Names of what is guessed or merely unwanted, which an ordinary mail has at times: no proof of malware.
_GUESSED = ("Heuristics.", "PUA.")


def check(client: ClamdClient) -> Check[DataFacts]:
    """The check for a client. The client's own limit ends first, so that a slow scanner is evidence, not a time-out."""

    async def ask(facts: DataFacts) -> list[Evidence]:
        result = await client.scan(facts.message.octets)
        if result.error:
            return [Evidence(UNREACHABLE, result.error)]
        if result.is_too_long:
            return [Evidence(TOO_LONG)]
        if result.name:
            signal = SUSPICIOUS if result.name.startswith(_GUESSED) else VIRUS
            return [Evidence(signal, result.name)]
        return []

    return Check("clamav", ask, EMITS, client.settings.timeout_s + 1.0)
