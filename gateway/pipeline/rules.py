"""Rules beside the sum: what a single signal decides whatever the rest says, and what people wrote for some mail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.pipeline.evidence import Evidence
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.verdict import Action, Policy, Thresholds, Verdict

#: The mildest action each of these allows.
AT_LEAST = {
    "check.failed": Action.QUARANTINE,
    "check.timeout": Action.DEFER,
    "trap.recipient": Action.QUARANTINE,
    "bounce.forbidden": Action.REJECT,
    "lists.blocked": Action.QUARANTINE,
    "dmarc.fail_reject": Action.QUARANTINE,
    "dmarc.fail_quarantine": Action.JUNK,
    "attachment.bomb": Action.QUARANTINE,
    "attachment.direction-mark": Action.QUARANTINE,
    "attachment.double-extension": Action.QUARANTINE,
    "attachment.executable": Action.QUARANTINE,
    "attachment.executable-in-archive": Action.QUARANTINE,
    "attachment.shortcut": Action.QUARANTINE,
    "attachment.virus": Action.QUARANTINE,
    "gtube": Action.QUARANTINE,
}
AT_MOST = {"lists.allowed": Action.ACCEPT}

#: Of those in AT_LEAST, what a rule that trusts a sender or a network sets aside; everything else stands.
SET_ASIDE = frozenset({"dmarc.fail_reject", "dmarc.fail_quarantine"})
#: Mail of these categories is made milder by no rule.
NEVER_MILDER = frozenset({"malware", "trap"})


@dataclass(frozen=True, slots=True)
class Share:
    """One recipient's verdict."""

    address: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Ruled:
    """What rules, thresholds and entries for some recipients made of a verdict."""

    general: Verdict  #: by the evidence alone, for everybody; what a sender's reputation is counted by
    verdict: Verdict  #: the hardest of what its recipients get: what the reply and the trace say
    shares: tuple[Share, ...] = ()  #: each recipient's, traps left out; empty when it is the same for all
    hits: tuple[str, ...] = ()  #: entries and rules that had a say, as they are counted
    thresholds: Thresholds | None = None  #: those of ``verdict``; None is the policy's
    is_waved_through: bool = False  #: a rule trusts the sender, so it is not asked to come again


class ByRecipient(Protocol):
    """What people wrote for some mail, in the configuration or in the store."""

    @property
    def is_quick(self) -> bool:
        """Whether ``judge`` takes less time than handing it to a thread."""
        ...

    def judge(
        self,
        facts: DataFacts,
        evidence: Sequence[Evidence],
        general: Verdict,
        policy: Policy,
        own: Mapping[str, Evidence],
    ) -> Ruled:
        """A verdict for each recipient; ``own`` is what single ones learned, in place of what everybody did.

        Pure, bounded; never raises for what a mail holds.
        """
        ...
