"""Which key-value store a URL names. All but SQLite and memory are extras: imported only when asked for.

==================  ======================================================================================
``sqlite:PATH``     one file, any number of processes of one machine
``rocksdb:PATH``    one folder, one process
``postgresql://``   a database, any number of processes and machines; the rest is libpq's
``foundationdb:``   a cluster, by its cluster file: ``foundationdb:[PATH][?prefix=NAME]``, the path absolute
``memory:``         nothing is kept; for trials
==================  ======================================================================================
"""

from pathlib import Path

from store.kv.contract import KeyValueStore, StoreError
from store.kv.foundationdb_binding import place_of
from store.kv.memory import MemoryKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore, SqliteSettings

_FORMS = (
    'write "sqlite:PATH", "rocksdb:PATH", "postgresql://USER@HOST/DATABASE", '
    '"foundationdb:PATH?prefix=NAME" or "memory:"'
)


def check_url(url: str) -> str:
    """Its scheme: one of the five named above. Raises ValueError, which says what can be written."""
    scheme, colon, rest = url.partition(":")
    scheme = {"postgres": "postgresql"}.get(scheme, scheme)
    if scheme == "foundationdb":
        place_of(url)
        return scheme
    fits = {
        "sqlite": bool(rest),
        "rocksdb": bool(rest),
        "postgresql": rest.startswith("//"),
        "memory": bool(colon) and not rest,
    }
    if not fits.get(scheme, False):
        raise ValueError(_FORMS)
    return scheme


def has_rivals(url: str) -> bool:
    """Whether writers of several processes run at once, so that a row all of them change would hold them up."""
    return bool(url) and check_url(url) in {"postgresql", "foundationdb"}


def path_of(url: str) -> Path | None:
    """The file or folder a URL names; None when it names none."""
    return Path(url.partition(":")[2]) if check_url(url) in {"sqlite", "rocksdb"} else None


async def open_kv(url: str, max_octets: int | None = None) -> KeyValueStore:
    """Open or create the store a URL names, of at most ``max_octets`` where the backend can hold that.

    Raises ValueError for a malformed URL, StoreError when it cannot be opened or its extra is not installed.
    """
    scheme, path = check_url(url), path_of(url)
    if path is not None and scheme == "sqlite":
        return await SqliteKeyValueStore.open(path, SqliteSettings(max_octets=max_octets))
    if path is not None:
        return await _open_rocksdb(path, max_octets)
    if scheme == "postgresql":
        return await _open_postgres(url)
    if scheme == "foundationdb":
        from store.kv.foundationdb import FoundationKeyValueStore

        return await FoundationKeyValueStore.open(url)
    return MemoryKeyValueStore()


async def _open_rocksdb(path: Path, max_octets: int | None) -> KeyValueStore:
    try:
        from store.kv.rocksdb import RocksKeyValueStore, RocksSettings
    except ImportError as error:
        raise StoreError(f"RocksDB needs an extra: pip install 'mailward[rocksdb]' ({error})") from error
    return await RocksKeyValueStore.open(path, RocksSettings(max_octets=max_octets))


async def _open_postgres(url: str) -> KeyValueStore:
    try:
        from store.kv.postgres import PostgresKeyValueStore
    except ImportError as error:
        raise StoreError(f"PostgreSQL needs an extra: pip install 'mailward[postgres]' ({error})") from error
    return await PostgresKeyValueStore.open(url)
