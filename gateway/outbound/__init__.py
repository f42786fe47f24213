"""Handing mail on to other hosts, from the queue."""
