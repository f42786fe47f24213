"""Opening the blobs of a store, with the checks at start that spare surprises later.

Two rows of the key-value store remember what its blobs need. ``m blob place`` is a random name that also stands in
the object ``mailward-place``: a store finds its own blobs there, and not those of another, which its sweep would
delete. ``m blob keys`` are the ids of the keys that blobs may be encrypted under.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

from store.blob.chunks import BlobSettings
from store.blob.folder import FolderObjects
from store.blob.objects import ObjectMissing, Objects
from store.blob.places import folder_of, read_bucket
from store.blob.sealing import IN_CLEAR, KEY_ID_OCTETS, KeyFileWrong, KeyMissing, Keyring, missing_sentence, read_keys
from store.blob.view import Blobs
from store.kv.contract import KeyValueStore, ReadTxn, StoreError, WriteTxn
from store.schema import keys

KEY_VARIABLE = "MAILWARD_STORE_KEY"
PLACE_OBJECT = "mailward-place"
PLACE = keys.meta("blob place")
KEYS = keys.meta("blob keys")
_NAME_OCTETS = 16
_CONFIRMED = b"\x01"  #: follows the name once the object is there


def open_keyring(file: Path | None) -> Keyring:
    """Keys from a file, else from the environment; none when neither is there. Raises KeyFileWrong."""
    where = str(file) if file is not None else f"the environment's {KEY_VARIABLE}"
    try:
        text = file.read_text("utf-8") if file is not None else os.environ.get(KEY_VARIABLE, "")
        return read_keys(text) if file is not None or text.strip() else IN_CLEAR
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise KeyFileWrong(f"{where}: cannot be read: {why}") from None
    except KeyFileWrong as error:
        raise KeyFileWrong(f"{where}: {error}") from None


async def open_blobs(
    kv: KeyValueStore,
    url: str = "",
    *,
    keyring: Keyring = IN_CLEAR,
    credentials: Path | None = None,
    spool: Path | None = None,
    settings: BlobSettings | None = None,
) -> Blobs:
    """The blobs of a store, after making sure that its place and its keys are the ones it knows.

    Raises ValueError for a malformed URL, StoreError when blobs could not be read or written like this.
    """
    objects = objects_of(url, credentials) if url else None
    await _check_keys(kv, keyring)
    if objects is not None:
        await _check_place(kv, objects, url)
    elif (name := await kv.read(lambda view: view.get(PLACE))) is not None and len(name) > _NAME_OCTETS:
        raise StoreError("large mails of this store are kept elsewhere: set store.blobs to where they are")
    return Blobs(kv, settings, objects=objects, keyring=keyring, spool=spool)


def objects_of(url: str, credentials: Path | None) -> Objects:
    folder = folder_of(url)
    if folder is not None:
        return FolderObjects(folder)
    try:
        from store.blob.s3 import S3Objects, read_credentials
    except ImportError as error:
        raise StoreError(f"S3 needs an extra: pip install 'mailward[s3]' ({error})") from error
    bucket = read_bucket(url)
    return S3Objects(bucket, read_credentials(credentials, bucket))


async def _check_keys(kv: KeyValueStore, keyring: Keyring) -> None:
    """Every key that blobs may need is at hand, and the one that writes is noted. Raises KeyMissing."""
    noted = await kv.read(noted_keys)
    if missing := noted - keyring.ids:
        raise KeyMissing(missing_sentence(sorted(missing)))
    if keyring.current and keyring.current not in noted:
        await kv.write(lambda txn: note_keys(txn, noted_keys(txn) | {keyring.current}))


def noted_keys(view: ReadTxn) -> frozenset[bytes]:
    """Ids of the keys that blobs of this store may be encrypted under."""
    row = view.get(KEYS) or b""
    return frozenset(row[at : at + KEY_ID_OCTETS] for at in range(0, len(row), KEY_ID_OCTETS))


def note_keys(txn: WriteTxn, names: frozenset[bytes]) -> None:
    txn.put(KEYS, b"".join(sorted(names)))


async def _check_place(kv: KeyValueStore, objects: Objects, url: str) -> None:
    """Raises StoreError when what is there belongs to another store, or what belongs to this one is not there."""
    shown = url.partition("?")[0]
    there = await _place_of(objects)

    def noted(txn: WriteTxn) -> bytes:
        row = txn.get(PLACE)
        if row is None and there is None:
            row = os.urandom(_NAME_OCTETS)
            txn.put(PLACE, row)
        return row or b""

    row = await kv.write(noted)
    name = row[:_NAME_OCTETS]
    if there is not None and there != name:
        raise StoreError(f"{shown} holds blobs of another store: give store.blobs a place of its own")
    if there is None and len(row) > _NAME_OCTETS:
        raise StoreError(f"{shown} is not where the large mails of this store are: {PLACE_OBJECT} is not there")
    if there is None:
        octets = name.hex().encode() + b"\n"
        await objects.put(PLACE_OBJECT, len(octets), _once(octets))
        if await _place_of(objects) != name:
            raise StoreError(f"{shown} was taken by another store just now: give store.blobs a place of its own")
    if len(row) == _NAME_OCTETS:
        await kv.write(lambda txn: txn.put(PLACE, name + _CONFIRMED))


async def _place_of(objects: Objects) -> bytes | None:
    try:
        return bytes.fromhex((await objects.get(PLACE_OBJECT, 0, 200)).decode("ascii").strip())
    except ObjectMissing:
        return None
    except (ValueError, UnicodeDecodeError):
        return b""


async def _once(octets: bytes) -> AsyncIterator[bytes]:
    yield octets
