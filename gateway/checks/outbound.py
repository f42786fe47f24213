"""How one of our own accounts is sending, against how it usually does: what a stolen password looks like from here.

Only outgoing mail has ``facts.sending``. Every comparison is with the account's own past and has a floor, so that a
quiet account's first busy morning is no crime.
"""

import math
from collections.abc import Iterator

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from gateway.reputation.sending import Sending

RISE = Signal("outbound.rise", "The account sends far more than it ever did: {detail}", "spam")
NEW = Signal("outbound.new-recipients", "The account writes to a crowd it never wrote to before: {detail}", "spam")
FAILING = Signal("outbound.failing", "Many addresses that the account writes to do not exist: {detail}", "spam")
NEW_NETWORK = Signal("outbound.new-network", "The account was never signed in from this network before", "")
NETWORKS = Signal("outbound.many-networks", "The account is signed in from many networks at once: {detail}", "spam")
SAME = Signal("outbound.same-mail", "The account sends the same text to many people: {detail}", "spam")
STEADY = Signal("outbound.steady", "The account has sent wanted mail for long and sends as it always did", "")

EMITS = frozenset({RISE, NEW, FAILING, NEW_NETWORK, NETWORKS, SAME, STEADY})

_RATIO = 4.0  #: times the usual most, from which a rise is one
_QUIET_HOUR, _QUIET_DAY = 15, 40  #: recipients that nobody wonders at
_CROWD, _CROWD_SHARE, _USUAL_NEW = 25, 0.6, 3.0
_DEAD, _DEAD_SHARE = 8, 0.15
_NETWORKS = 4  #: within an hour: home, office and telephone are three
_SAME = 50
_STEADY_DAYS, _STEADY_MAILS = 10, 30


def look(facts: DataFacts) -> list[Evidence]:
    sending = facts.sending
    if sending is None:
        return []
    found = [*_rise(sending), *_people(sending), *_places(sending)]
    if sending.same_text + sending.recipients >= _SAME:
        many = sending.same_text + sending.recipients
        found.append(Evidence(SAME, f"{many} recipients", min(1.5, many / (2 * _SAME) + 0.5)))
    is_old = sending.active_days >= _STEADY_DAYS and sending.mails >= _STEADY_MAILS
    if not found and is_old and not (sending.unwanted or sending.today.unwanted):
        found.append(Evidence(STEADY))
    return found


def _rise(sending: Sending) -> Iterator[Evidence]:
    """The larger of two rises: of this hour against the busiest one, and of today against the busiest day."""
    hour = sending.hour.sent + sending.hour.failed + sending.recipients
    day = sending.today.sent + sending.today.failed + sending.recipients
    by_hour = hour / max(sending.usual_peak, _QUIET_HOUR)
    by_day = day / max(sending.usual_day, _QUIET_DAY)
    ratio = max(by_hour, by_day)
    if ratio >= _RATIO:
        detail = f"{hour} recipients this hour" if by_hour >= by_day else f"{day} recipients today"
        yield Evidence(RISE, detail, min(2.0, math.log(ratio, _RATIO)))


def _people(sending: Sending) -> Iterator[Evidence]:
    new = sending.today.new + sending.new
    asked = sending.today.sent + sending.today.failed + sending.recipients
    if new >= max(_CROWD, 5 * sending.usual_new, 5 * _USUAL_NEW) and new >= _CROWD_SHARE * asked:
        yield Evidence(NEW, f"{new} today", min(2.0, new / (2 * _CROWD) + 0.5))
    if sending.failed >= _DEAD and sending.failed >= _DEAD_SHARE * asked:
        yield Evidence(FAILING, f"{sending.failed} refused since yesterday", min(2.0, sending.failed / _DEAD / 2 + 0.5))


def _places(sending: Sending) -> Iterator[Evidence]:
    if sending.is_new_network:
        yield Evidence(NEW_NETWORK)
    if sending.networks_now >= _NETWORKS:
        yield Evidence(NETWORKS, f"{sending.networks_now} in an hour", min(2.0, sending.networks_now / _NETWORKS))


CHECK: PureCheck[DataFacts] = PureCheck("outbound", look, EMITS)
