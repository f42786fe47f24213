"""Where FoundationDB's tests run: on the double, and on a cluster when ``MAILWARD_TEST_FDB`` names its file.

With the variable set, a client library that cannot be loaded is a failure. Every test has a name of its own in the
cluster, and clears it at the end.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from store.kv.foundationdb_binding import Binding, Database, load, place_of
from tests.support.fdb_cluster import Cluster
from tests.support.fdb_double import Double

CLUSTER_FILE = os.environ.get("MAILWARD_TEST_FDB", "")
ON_CLUSTER = "foundationdb cluster"
GROUNDS = ["foundationdb", *([ON_CLUSTER] if CLUSTER_FILE else [])]


class ManualClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass(frozen=True, slots=True)
class Ground:
    """A binding, and a URL that nobody else uses."""

    binding: Binding
    url: str
    pass_s: Callable[[float], None]  #: let so many seconds pass

    @property
    def database(self) -> Database:
        return self.binding.open(CLUSTER_FILE or None)

    @property
    def space(self) -> bytes:
        """Prefix of keys that a test may use as it likes."""
        return place_of(self.url).rows


@contextmanager
def ground(kind: str) -> Iterator[Ground]:
    """Somewhere empty, one of ``GROUNDS``."""
    name = f"test-{uuid.uuid4().hex}"
    if kind != ON_CLUSTER:
        clock = ManualClock()
        yield Ground(Double(Cluster(clock)), f"foundationdb:?prefix={name}", clock.pass_s)
        return
    place = Ground(load(), f"foundationdb:{CLUSTER_FILE}?prefix={name}", time.sleep)
    try:
        yield place
    finally:
        transaction = place.database.create_transaction()
        begin = place.space[:-1]
        transaction.clear_range(begin, begin + b"\xff")
        transaction.commit().wait()
