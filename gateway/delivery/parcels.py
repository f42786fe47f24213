"""Recipients who get the same octets: one parcel each verdict, for the verdict stands in the mail's own header."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.envelope import Recipient
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Verdict

TAKEN = frozenset({Action.ACCEPT, Action.JUNK, Action.QUARANTINE})
MOST = 8  #: parcels of one mail; beyond it there is one an action
SMALL_OCTETS = 1024 * 1024  #: of a mail that there may be so many of


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is done with the mail for some of its recipients."""

    verdict: Verdict
    people: tuple[Recipient, ...]

    @property
    def action(self) -> Action:
        return self.verdict.action


def parcels(people: Sequence[Recipient], judgement: Judgement, size: int) -> tuple[Parcel, ...]:
    """Mildest first. Where reasons are not told apart any more, none of any one recipient's own is told to another."""
    ruled = judgement.ruled
    if not people:
        return ()
    if ruled is None or not ruled.shares or judgement.verdict.action not in TAKEN:
        return (Parcel(judgement.verdict, tuple(people)),)
    own = {share.address: share.verdict for share in ruled.shares}
    by_verdict: dict[Verdict, list[Recipient]] = {}
    for recipient in people:
        by_verdict.setdefault(own.get(recipient.address, judgement.verdict), []).append(recipient)
    by_action: dict[Action, list[Verdict]] = {}
    for verdict in by_verdict:
        by_action.setdefault(verdict.action, []).append(verdict)
    is_many = len(by_verdict) > MOST or size > SMALL_OCTETS
    made: list[Parcel] = []
    for action, verdicts in sorted(by_action.items()):
        if len(verdicts) > 1 and (is_many or action is Action.QUARANTINE):  # quarantine keeps one mail a reception
            alike = tuple(recipient for verdict in verdicts for recipient in by_verdict[verdict])
            made.append(Parcel(replace(ruled.general, action=action, rule=""), alike))
        else:
            made += [Parcel(verdict, tuple(by_verdict[verdict])) for verdict in verdicts]
    return tuple(made)
