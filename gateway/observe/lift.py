"""What a signal tells by itself: how much oftener it is in unwanted mail than in wanted, in nats like its weight.

A weight far above its lift convicts on little; one of the other sign works against what is seen here. Half a mail is
added to each count, so that a signal seen twice does not look like proof.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from store.trace.sightings import Sighted

MAILS = ""  #: under which all mails are counted
NONE = Sighted()


@dataclass(frozen=True, slots=True)
class Lift:
    """One signal among the mails that were counted."""

    wanted: int
    unwanted: int
    share_wanted: float  #: of wanted mail that shows it, 0 to 1
    share_unwanted: float
    nats: float | None  #: log of the ratio of the shares; None while it was never seen, or one kind of mail never came


def lift_of(name: str, seen: Mapping[str, Sighted]) -> Lift:
    one, all_ = seen.get(name, NONE), seen.get(MAILS, NONE)
    share_wanted, share_unwanted = one.wanted / max(1, all_.wanted), one.unwanted / max(1, all_.unwanted)
    if not (one.wanted or one.unwanted) or not (all_.wanted and all_.unwanted):
        return Lift(one.wanted, one.unwanted, share_wanted, share_unwanted, None)
    unwanted, wanted = (one.unwanted + 0.5) / (all_.unwanted + 1), (one.wanted + 0.5) / (all_.wanted + 1)
    return Lift(one.wanted, one.unwanted, share_wanted, share_unwanted, math.log(unwanted / wanted))


def exposition(seen: Mapping[str, Sighted]) -> str:
    """The counts as Prometheus reads them (text format 0.0.4). Names are declared signals, so there are few."""
    lines = [
        "# HELP mailward_mails_total Mails judged, by their verdict.",
        "# TYPE mailward_mails_total counter",
        *_counts("mailward_mails_total", "", seen.get(MAILS, NONE)),
        "# HELP mailward_signal_hits_total Mails a signal was seen in, by their verdict.",
        "# TYPE mailward_signal_hits_total counter",
    ]
    names = sorted(name for name in seen if name != MAILS)
    for name in names:
        lines += _counts("mailward_signal_hits_total", f'signal="{name}",', seen[name])
    lines += [
        "# HELP mailward_signal_lift_nats How much oftener a signal is in unwanted mail than in wanted, as log-odds.",
        "# TYPE mailward_signal_lift_nats gauge",
    ]
    lifts = ((name, lift_of(name, seen).nats) for name in names)
    lines += [f'mailward_signal_lift_nats{{signal="{name}"}} {nats:.4f}' for name, nats in lifts if nats is not None]
    return "\n".join(lines) + "\n"


def _counts(metric: str, labels: str, one: Sighted) -> list[str]:
    kinds = (("wanted", one.wanted), ("unwanted", one.unwanted))
    return [f'{metric}{{{labels}verdict="{kind}"}} {count}' for kind, count in kinds]
