"""Quarantine: holding, releasing, deleting and blocking, each one transaction with its audit entry."""
