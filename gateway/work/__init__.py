"""Work beside the protocols: jobs after a commit and regular upkeep, handed out by leases in the store."""
