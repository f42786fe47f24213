"""The audit trail: a hash chain written in the same transaction as the act it records."""
