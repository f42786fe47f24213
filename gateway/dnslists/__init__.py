"""DNS block and allow lists: what they hold, how they answer, offline copies of them. RFC 5782."""
