"""The canonical log line: one a mail and recipient, key order fixed, everything an operator greps for."""

import structlog

from gateway.delivery.commit import Outcome
from gateway.observe.stages import Stages

log = structlog.get_logger()


def journal(outcome: Outcome, stages: Stages) -> None:
    row = outcome.trace
    for copy in row.outcomes:
        log.info(
            "message",
            id=row.id,
            ip=row.ip,
            helo=row.helo,
            mail_from=row.mail_from,
            rcpt=copy.address,
            size=row.size,
            verdict=row.category,
            p=round(row.probability, 4),
            act=copy.action,
            rule=row.rule,
            why=[r.signal for r in row.reasons if abs(r.nats) >= 0.2 and r.signal != "prior"][:8],
            model=list(row.model_ids),
            tls=row.tls,
            ms=stages.ms,
        )
