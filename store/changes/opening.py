"""Which hints go with which store: between machines the database carries them, on one machine datagrams do."""

from pathlib import Path

from store.changes.announce import Hints
from store.changes.datagrams import DatagramHints
from store.kv.opening import check_url


def hints_of(url: str, folder: Path) -> Hints:
    """The hints for the store a URL names, whose extra is installed; ``folder`` is for datagrams.

    Raises ValueError for a malformed URL.
    """
    if check_url(url) == "postgresql":
        from store.kv.postgres_hints import PostgresHints

        return PostgresHints(url)
    if check_url(url) == "foundationdb":
        from store.kv.foundationdb_hints import FoundationHints

        return FoundationHints(url)
    return DatagramHints(folder)
