"""What can be seen in a mail: one file a subject, each with its signals, what it emits and its check.

``PURE`` are the checks that only compute; what asks a service (``pyzor``, ``dnslists``, ``clamav``, ``opinion``) is
built by the composition root.
``ALL_SIGNALS`` is every signal that any check or the runner can emit, and so every line of the weights artefact.
"""

from gateway.checks import (
    addressing,
    attachment,
    auth,
    body,
    bounce,
    bulk,
    calendar,
    campaign,
    clamav,
    connection,
    display_name,
    dlp,
    dnslists,
    first_contact,
    gtube,
    header,
    html,
    lists,
    lure,
    message_id,
    mime,
    opinion,
    outbound,
    pyzor,
    received,
    relations,
    sender,
    subject,
    trap,
    url,
    url_homograph,
    url_route,
)
from gateway.pipeline import conduct, greylist, judge, run
from gateway.pipeline.evidence import PureCheck, Signal
from gateway.pipeline.facts import DataFacts

PURE: tuple[PureCheck[DataFacts], ...] = (
    auth.CHECK,
    lists.CHECK,
    trap.CHECK,
    first_contact.CHECK,
    campaign.CHECK,
    relations.CHECK,
    connection.CHECK,
    received.CHECK,
    sender.CHECK,
    display_name.CHECK,
    header.CHECK,
    message_id.CHECK,
    addressing.CHECK,
    bounce.CHECK,
    subject.CHECK,
    body.CHECK,
    html.CHECK,
    mime.CHECK,
    url.CHECK,
    url_homograph.CHECK,
    url_route.CHECK,
    lure.CHECK,
    attachment.CHECK,
    calendar.CHECK,
    bulk.CHECK,
    gtube.CHECK,
    outbound.CHECK,
)

#: Of those, what means something about mail of our own people: who sends it was proven by signing in.
OUTGOING: tuple[PureCheck[DataFacts], ...] = (
    *(trap.CHECK, campaign.CHECK, sender.CHECK, display_name.CHECK, header.CHECK, addressing.CHECK, subject.CHECK),
    *(body.CHECK, html.CHECK, mime.CHECK, url.CHECK, url_homograph.CHECK, url_route.CHECK, lure.CHECK),
    *(attachment.CHECK, calendar.CHECK, gtube.CHECK, outbound.CHECK),
)

ALL_SIGNALS: frozenset[Signal] = frozenset().union(
    *(check.emits for check in PURE),
    *(pyzor.EMITS, clamav.EMITS, dnslists.EMITS, dlp.EMITS, opinion.EMITS),
    *(run.EMITS, judge.EMITS, greylist.EMITS, conduct.EMITS),
)
