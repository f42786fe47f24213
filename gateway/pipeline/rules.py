"""Rules beside the sum: what a single signal decides whatever the rest says."""

from gateway.pipeline.verdict import Action

#: The mildest action each of these allows.
AT_LEAST = {
    "check.failed": Action.QUARANTINE,
    "check.timeout": Action.DEFER,
    "trap.recipient": Action.QUARANTINE,
    "lists.blocked": Action.QUARANTINE,
    "dmarc.fail_reject": Action.QUARANTINE,
    "dmarc.fail_quarantine": Action.JUNK,
    "attachment.bomb": Action.QUARANTINE,
    "attachment.direction-mark": Action.QUARANTINE,
    "attachment.double-extension": Action.QUARANTINE,
    "attachment.executable": Action.QUARANTINE,
    "attachment.executable-in-archive": Action.QUARANTINE,
    "attachment.shortcut": Action.QUARANTINE,
    "gtube": Action.QUARANTINE,
}
AT_MOST = {"lists.allowed": Action.ACCEPT}
