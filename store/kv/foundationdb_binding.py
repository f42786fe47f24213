"""What is used of FoundationDB's official binding, as protocols, and where in a cluster a store lives.

The binding (``foundationdb`` on PyPI) has no types and needs the client library of the host, so it is imported
only by ``load``. The same protocols are kept by the double that the tests run against.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

from store.kv.contract import StoreError, StoreUnavailable

API_VERSION = 730
DEFAULT_NAME = "mailward"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FORM = 'write "foundationdb:/etc/foundationdb/fdb.cluster?prefix=mailward"'


class Done(Protocol):
    """A future without a value."""

    def wait(self) -> object: ...


class Number(Protocol):
    def wait(self) -> int: ...


class Value(Protocol):
    @property
    def value(self) -> bytes | None:
        """Waits. None: no such key."""
        ...


class Watch(Protocol):
    """Ready once the watched key has another value, or the watch was lost; ``wait`` tells which."""

    def wait(self) -> object: ...

    def is_ready(self) -> bool: ...

    def cancel(self) -> None: ...

    def on_ready(self, callback: Callable[[Any], None]) -> None: ...


class Pair(Protocol):
    @property
    def key(self) -> bytes: ...

    @property
    def value(self) -> bytes: ...


class Range(Protocol):
    """Fetched in batches while it is iterated."""

    def __iter__(self) -> Iterator[Pair]: ...

    def to_list(self) -> Sequence[Pair]: ...


class Reads(Protocol):
    """A transaction's reads; those of ``snapshot`` take part in no conflict."""

    def get(self, key: bytes) -> Value: ...

    def get_range(
        self, begin: bytes, end: bytes, limit: int = 0, reverse: bool = False, streaming_mode: int = ...
    ) -> Range: ...

    def get_read_version(self) -> Number: ...


class Options(Protocol):
    def set_timeout(self, param: int) -> None:
        """Milliseconds since the transaction was made, whatever is repeated; everything then fails with 1031."""
        ...


class Transaction(Reads, Protocol):
    @property
    def snapshot(self) -> Reads: ...

    @property
    def options(self) -> Options: ...

    def set(self, key: bytes, value: bytes) -> None: ...

    def clear(self, key: bytes) -> None: ...

    def clear_range(self, begin: bytes, end: bytes) -> None: ...

    def add(self, key: bytes, param: bytes) -> None: ...

    def set_versionstamped_key(self, key: bytes, param: bytes) -> None: ...

    def add_read_conflict_key(self, key: bytes) -> None: ...

    def watch(self, key: bytes) -> Watch: ...

    def commit(self) -> Done: ...

    def on_error(self, error: int) -> Done:
        """Ready after the back-off, the transaction reset, when repeating may help; else it fails with the error."""
        ...


class Database(Protocol):
    def create_transaction(self) -> Transaction: ...


class StreamingModes(Protocol):
    @property
    def want_all(self) -> int: ...


class Binding(Protocol):
    """The module ``fdb`` after ``api_version``."""

    @property
    def FDBError(self) -> type[Exception]:
        """Has a ``code``."""
        ...

    @property
    def StreamingMode(self) -> StreamingModes: ...

    def open(self, cluster_file: str | None = None) -> Database: ...


def code_of(error: Exception) -> int:
    """The number of an FDBError; the other fields may change."""
    return int(error.code)  # type: ignore[attr-defined]


_loaded_in: int | None = None  # the process whose network thread serves the client


def load() -> Binding:
    """The official binding. Raises StoreError when it, or the client library it needs, cannot be used here."""
    global _loaded_in
    if _loaded_in not in {None, os.getpid()}:
        raise StoreError("FoundationDB was opened before this process was forked, and its client cannot follow")
    try:
        import fdb
    except ImportError as error:
        raise StoreError(f"FoundationDB needs an extra: pip install 'mailward[foundationdb]' ({error})") from error
    try:
        fdb.api_version(API_VERSION)
    except Exception as error:  # boundary: the binding raises bare Exception without its library
        raise StoreError(
            f"FoundationDB's client library cannot be used ({error}): install the package foundationdb-clients "
            "and the Python package foundationdb in the version of the cluster"
        ) from error
    _loaded_in = os.getpid()
    binding: Binding = fdb
    return binding


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster, and a name under which this store's keys are kept apart from everybody else's in it.

    The key spaces are the tuple layer's subspaces ``(name, 0)`` to ``(name, 2)``: any tool that speaks it can tell
    them apart, and no other name's are between them.
    """

    cluster_file: str | None  #: None: where the client library looks by itself
    name: str = DEFAULT_NAME

    @property
    def rows(self) -> bytes:
        """Prefix of the store's rows."""
        return self._space(b"\x14")

    @property
    def marks(self) -> bytes:
        """Prefix of what tells whether a commit has landed."""
        return self._space(b"\x15\x01")

    @property
    def hints(self) -> bytes:
        """Prefix of what wakes other processes."""
        return self._space(b"\x15\x02")

    def _space(self, number: bytes) -> bytes:
        return b"\x02" + self.name.encode() + b"\x00" + number


def place_of(url: str) -> Place:
    """``foundationdb:[PATH][?prefix=NAME]``, the path absolute. Raises ValueError, which says what can be written."""
    scheme, colon, rest = url.partition(":")
    path, _, query = rest.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    name = parameters.pop("prefix", DEFAULT_NAME)
    if (scheme, colon) != ("foundationdb", ":") or parameters or (path and not Path(path).is_absolute()):
        raise ValueError(_FORM)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{_FORM}; a prefix is 1 to 64 letters, digits, dots, hyphens or underscores")
    return Place(path or None, name)


def opened(binding: Binding, place: Place) -> Database:
    """The cluster's database. Raises StoreUnavailable."""
    try:
        return binding.open(place.cluster_file)
    except binding.FDBError as error:
        name = place.cluster_file or "the default cluster file"
        raise StoreUnavailable(f"FoundationDB cannot be opened by {name}: {error}") from error
