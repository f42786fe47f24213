"""What operators see: stage times, one canonical log line a mail."""
