"""What a trap does with a mail, inside the transaction that answers for it: counted, and learned once a campaign."""

from collections.abc import Sequence

from gateway.envelope import Recipient
from gateway.reputation import campaign
from gateway.traps.reporting import report_job
from models.view import MailView
from store.audit import chain
from store.blob.contract import Staged
from store.changes.engine import StoreTxn
from store.labels import rows as labels
from store.labels.rows import EVERYBODY, Label
from store.policy import traps
from store.queue import jobs


def spring(
    txn: StoreTxn, sprung: Sequence[Recipient], view: MailView, label: Label, report: Staged | None, now_ms: int
) -> None:
    """Count the mail for each trap; the first of its campaign is an example of spam, and goes to Pyzor.

    ``report`` is the mail as it came, staged, when it may be reported. To be called before the campaign is remembered.
    """
    for name in dict.fromkeys(each.trap or each.address.lower() for each in sprung):
        traps.hit(txn, name, now_ms)
    if not campaign.is_first(txn, view, now_ms):
        return
    labels.put(txn, label, (EVERYBODY,))
    chain.record(txn, now_ms, chain.PROGRAM, "trap.learn", label.id, sprung[0].address)
    if report is not None:
        jobs.put(txn, report_job(txn, label.id, txn.keep(report), now_ms))
