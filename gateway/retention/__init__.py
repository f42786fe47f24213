"""Legal holds, retention rules and erasure as acts of people: each one transaction with its audit entry."""
