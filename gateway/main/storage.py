"""The store that the configuration names, opened with its blobs, its keys and its hints."""

from pathlib import Path

from gateway.config import ConfigError
from gateway.settings import Config
from store.blob.opening import open_blobs, open_keyring
from store.blob.sealing import KeyFileWrong
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.changes.opening import hints_of
from store.kv.contract import KeyValueStore, StoreError
from store.kv.memory import MemoryKeyValueStore
from store.kv.opening import has_rivals, open_kv, path_of
from store.schema.version import check as check_schema
from store.search.memory import memory_of


async def open_store(config: Config | None, *, any_schema: bool = False) -> Store:
    """The store named by the configuration; one in memory without. Raises ConfigError, StoreError, OSError.

    A store of another schema is refused untouched, unless ``any_schema``: that is for who migrates it.
    """
    kv: KeyValueStore
    if config is None:
        kv, announcer = MemoryKeyValueStore(), Announcer()
        blobs = Blobs(kv)
    else:
        folder = data_folder(config)
        url = config.store.url or f"sqlite:{folder / 'store.sqlite'}"
        kv = await open_kv(url, config.store.max_octets or None)
        try:
            if not any_schema:
                await check_schema(kv)
            blobs = await _open_blobs(config, kv, folder)
        except BaseException:
            await kv.close()
            raise
        announcer = Announcer(hints_of(url, folder / "hints"))
    await announcer.start()
    store = Store(kv, blobs, announcer, seals_later=config is not None and has_rivals(config.store.url))
    if config is not None:
        memory_of(store).most_octets = config.search.memory_octets
    return store


def require_store(config: Config) -> None:
    """Raises StoreError when the store's file or folder is not there, or is empty: opening it would make one."""
    refuse_emptied(config)
    path = _path_of_store(config)
    if path is not None and not path.exists():
        raise StoreError(f"the store {path} is not there: look at server.data and store.url, or restore a backup")


def refuse_emptied(config: Config) -> None:
    """Raises StoreError for a file that lost all its octets: a server that began anew in it would refuse all mail."""
    path = _path_of_store(config)
    if path is not None and path.is_file() and not path.stat().st_size:
        raise StoreError(f"the store {path} is an empty file: restore a backup, or remove the file to begin anew")


def _path_of_store(config: Config) -> Path | None:
    return path_of(config.store.url) if config.store.url else Path(config.server.data) / "store.sqlite"


async def _open_blobs(config: Config, kv: KeyValueStore, folder: Path) -> Blobs:
    """Raises ConfigError for keys that cannot be used, StoreError for a place that cannot be."""
    store = config.store
    try:
        keyring = open_keyring(Path(store.key_file) if store.key_file else None)
    except KeyFileWrong as error:
        raise ConfigError(f"store.key_file: {error}") from error
    credentials = Path(store.s3_credentials) if store.s3_credentials else None
    return await open_blobs(kv, store.blobs, keyring=keyring, credentials=credentials, spool=folder)


def data_folder(config: Config) -> Path:
    """The store's folder, made when it is not there. Raises OSError."""
    folder = Path(config.server.data)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
