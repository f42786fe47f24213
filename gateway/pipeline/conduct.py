"""What becomes of outgoing mail beyond its sum: mail out of character, mail that counts against an account, suspension.

Thresholds of outgoing mail are its own: there is no Junk folder on the way out, so a mail goes, waits for an
administrator, or is refused.
"""

import math
from dataclasses import replace

from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Policy, decide, squash, weigh
from gateway.reputation.sending import Sending

CHARACTER = Signal("outbound.out-of-character", "Nobody ever saw mail like this from the account: {detail}", "spam")
EMITS = frozenset({CHARACTER})

HOW = "outbound."  #: signals of how an account sends
_NOT_CONTENT = (HOW, "dlp.")
_LIKELY = 0.6  #: that the content alone is unwanted
_KNOWN_DAYS, _KNOWN_MAILS, _CLEAN = 3, 20, 0.02  #: an account whose mail is known, and the share it may have held
NEAR_PROOF = 4.0  #: nats of how it sends, with which one unwanted mail is enough to suspend an account


def consider(facts: DataFacts, judgement: Judgement, policy: Policy) -> Judgement:
    """The judgement, with one more reason where an account that never sent such mail does so now."""
    sending = facts.sending
    if sending is None or not _is_known(sending):
        return judgement
    content = [item for item in judgement.evidence if not item.signal.name.startswith(_NOT_CONTENT)]
    likely = squash(math.fsum(reason.nats for reason in weigh(content, policy)))
    if likely < _LIKELY:
        return judgement
    evidence = (*judgement.evidence, Evidence(CHARACTER, f"{sending.mails} mails before it"))
    return replace(judgement, evidence=evidence, verdict=decide(evidence, policy, judgement.verdict.model_ids))


def _is_known(sending: Sending) -> bool:
    is_clean = sending.unwanted <= _CLEAN * sending.mails
    return sending.active_days >= _KNOWN_DAYS and sending.mails >= _KNOWN_MAILS and is_clean


def is_unwanted(judgement: Judgement, policy: Policy) -> bool:
    """Whether a mail counts against its account: by what is probable, not by a rule about what may leave."""
    verdict = judgement.verdict
    is_stopped = verdict.action in (Action.QUARANTINE, Action.REJECT)
    return is_stopped and (verdict.probability >= policy.thresholds.hold or verdict.category == "malware")


def suspicion(sending: Sending, judgement: Judgement, suspend_after: int) -> str:
    """Why an account should send no more after this unwanted mail, as a sentence; "" when it may. 0 never suspends."""
    if not suspend_after:
        return ""
    how = math.fsum(r.nats for r in judgement.verdict.reasons if r.signal.startswith(HOW) and r.nats > 0)
    if how >= NEAR_PROOF:
        why = [r.sentence for r in judgement.verdict.reasons if r.signal.startswith(HOW) and r.nats > 0]
        return "; ".join(why[:3])
    count = sending.today.unwanted + 1
    return f"{count} mails were held or refused today" if count >= suspend_after else ""
