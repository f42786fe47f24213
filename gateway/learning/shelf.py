"""Models on their way into the store, and out of it to where they are used.

A model is put into the store once, checked; every node fetches the one in use into a folder of its own, checked again,
and takes it over between two mails, told by the commit or by a look at the store now and then. What cannot be used is
refused with a sentence, and the model that judges goes on judging.
"""

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import structlog

from models import artefact
from models.artefact import FITTED_FILES, Artefact
from models.errors import ArtefactDamaged, ArtefactError, ArtefactMissing
from store.artefacts import rows
from store.artefacts.rows import InUse, NoModel, Shelved
from store.blob.contract import BlobId, BlobMissing
from store.changes.announce import SYSTEM
from store.changes.engine import Store, StoreTxn
from store.kv.contract import StoreError
from store.schema.rows import RowDamaged

log = structlog.get_logger()

FILES = ("card.json", "weights.json", *FITTED_FILES)
MOST_OCTETS = 256 * 1024 * 1024  #: of one file
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")

Act = Callable[[StoreTxn], object]


async def shelve(store: Store, folder: Path, by: str, also: Act | None = None) -> Shelved:
    """Put a model directory into the store, after a look at it; ``also`` is done in the same transaction.

    Raises ArtefactError, NoModel, StoreError.
    """
    model = await asyncio.to_thread(_checked, folder)
    files: dict[str, bytes] = {}
    for name in FILES:
        if (folder / name).is_file():
            files[name] = await asyncio.to_thread(_octets, folder / name)
    staged = {name: await store.blobs.stage(octets) for name, octets in files.items()}
    row = Shelved(
        model.id,
        model.card.schema,
        int(store.clock() * 1000),
        by,
        {name: (staged[name].id, len(octets)) for name, octets in files.items()},
        model.card.notes,
    )

    def body(txn: StoreTxn) -> None:
        rows.put(txn, row, staged)
        if also is not None:
            also(txn)

    await store.write(body)
    return row


def _checked(folder: Path) -> Artefact:
    model = artefact.load(folder)
    if _ID.fullmatch(model.id) is None:
        raise ArtefactDamaged(f"{folder / 'card.json'} gives the model the id {model.id[:80]!r}: train it again")
    if model.language is not None:
        model.language.open()
    return model


def _octets(file: Path) -> bytes:
    if file.stat().st_size > MOST_OCTETS:
        raise ArtefactDamaged(f"{file} is larger than {MOST_OCTETS >> 20} MB: that is no model of ours")
    return file.read_bytes()


async def fetch(store: Store, model: str, folder: Path) -> Path:
    """A model of the store as a directory below ``folder``, written once and checked whenever it is loaded.

    Raises NoModel, ArtefactDamaged, ArtefactMissing, StoreError.
    """
    row = await store.read(lambda view: rows.get(view, model))
    if row is None:
        raise NoModel(f"the store has no model {model}: `mailward model list` names them")
    if _ID.fullmatch(row.id) is None or not set(row.files) <= set(FILES):
        raise ArtefactDamaged(f"the model {row.id[:80]!r} of the store is not one of ours: `mailward fsck` looks at it")
    seal = hashlib.sha256(repr(sorted(row.files.items())).encode()).hexdigest()[:12]
    where = folder / f"{row.id}-{seal}"
    if not where.is_dir():
        files = {name: await _read(store, row, name) for name in row.files}
        await asyncio.to_thread(_write, where, files)
    return where


async def _read(store: Store, row: Shelved, name: str) -> bytes:
    blob, _ = row.files[name]
    try:
        octets = await store.blobs.read(BlobId(blob))
    except BlobMissing as error:
        raise ArtefactMissing(f"the file {name} of the model {row.id} is not in the store any more") from error
    if hashlib.sha256(octets).digest() != blob:
        raise ArtefactDamaged(f"the file {name} of the model {row.id} is not what was put into the store")
    return octets


def _write(where: Path, files: dict[str, bytes]) -> None:
    """All of it or nothing: other workers may do the same at the same time."""
    where.parent.mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(dir=where.parent, prefix=".fetching-"))
    try:
        for name, octets in files.items():
            (made / name).write_bytes(octets)
        made.chmod(0o755)
        try:
            os.rename(made, where)
        except OSError:
            if not where.is_dir():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


async def load(store: Store, model: str, folder: Path) -> Artefact:
    """A model of the store, ready to judge; its language model is opened. Raises as ``fetch``, and ArtefactError."""
    where = await fetch(store, model, folder)
    try:
        return await asyncio.to_thread(_checked, where)
    except (ArtefactDamaged, ArtefactMissing):
        await asyncio.to_thread(shutil.rmtree, where, True)  # fetched anew the next time
        raise


class Shelf:
    """Keeps a worker on the model that the store says is in use, and its shadow on the one that is on trial."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        own: Artefact,
        use: Callable[[Artefact], None],
        try_out: Callable[[Artefact | None], None],
        *,
        is_fixed: bool = False,
        poll_s: float = 5.0,
    ) -> None:
        """``own`` is the model of the configuration, which "" stands for; ``is_fixed`` when it is to stay."""
        self._store = store
        self._folder = folder
        self._own = own
        self._use = use
        self._try_out = try_out
        self._is_fixed = is_fixed
        self._poll_s = poll_s
        self._now = InUse()

    async def catch_up(self) -> None:
        """Take over what is in use now, when it changed. Raises StoreError."""
        try:
            wanted = await self._store.read(rows.in_use)
        except RowDamaged as error:
            log.error("model.refused", model="", why=f"which one is in use cannot be read ({error}): promote one")
            return
        if wanted.version == self._now.version:
            return
        if wanted.active != self._now.active and not self._is_fixed:
            model = await self._loaded(wanted.active)
            if model is not None:
                self._use(model)
                log.info("model.in_use", model=model.id)
        if wanted.shadow != self._now.shadow:
            trial = await self._loaded(wanted.shadow) if wanted.shadow else None
            self._try_out(trial)
        self._now = wanted

    async def _loaded(self, model: str) -> Artefact | None:
        if not model:
            return self._own
        try:
            return await load(self._store, model, self._folder)
        except (ArtefactError, NoModel, RowDamaged, OSError) as error:
            log.error("model.refused", model=model, why=str(error))
            return None

    async def follow(self) -> None:
        """Keep up until cancelled."""
        with self._store.subscribe(SYSTEM) as listener:
            while True:
                try:
                    await self.catch_up()
                except StoreError as error:
                    log.warning("models.store", error=repr(error))
                await asyncio.sleep(0.25)
                await listener.wait(self._poll_s)
