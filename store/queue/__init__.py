"""Jobs: enqueued in the caller's transaction, leased by a worker, idempotent by id, buried when hopeless."""
