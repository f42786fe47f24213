"""What can be seen in a mail: one file a subject, each with its signals, what it emits and its check.

``PURE`` are the checks that only compute; what asks a service (``pyzor``, ``dnslists``) is built by the composition
root.
``ALL_SIGNALS`` is every signal that any check or the runner can emit, and so every line of the weights artefact.
"""

from gateway.checks import (
    attachment,
    auth,
    body,
    bulk,
    calendar,
    display_name,
    dnslists,
    first_contact,
    gtube,
    header,
    html,
    lists,
    lure,
    mime,
    pyzor,
    sender,
    subject,
    trap,
    url,
    url_homograph,
)
from gateway.pipeline import judge, run
from gateway.pipeline.evidence import PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from gateway.reputation import greylist

PURE: tuple[PureCheck[DataFacts], ...] = (
    auth.CHECK,
    lists.CHECK,
    trap.CHECK,
    first_contact.CHECK,
    sender.CHECK,
    display_name.CHECK,
    header.CHECK,
    subject.CHECK,
    body.CHECK,
    html.CHECK,
    mime.CHECK,
    url.CHECK,
    url_homograph.CHECK,
    lure.CHECK,
    attachment.CHECK,
    calendar.CHECK,
    bulk.CHECK,
    gtube.CHECK,
)

ALL_SIGNALS: frozenset[Signal] = frozenset().union(
    *(check.emits for check in PURE), pyzor.EMITS, dnslists.EMITS, run.EMITS, judge.EMITS, greylist.EMITS
)
