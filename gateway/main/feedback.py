"""The organisation's own labels as mail to train on and to measure with, and the door that a new model goes through."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from gateway.learning.closer import as_it_came
from gateway.learning.shelf import load, shelve
from gateway.main.services import load_model
from gateway.main.shelving import folder_of, refuse_when_fixed
from gateway.settings import Config
from models.artefact import Artefact
from store.artefacts import rows
from store.audit import chain
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import Store, StoreTxn
from store.labels import rows as labels
from store.labels.rows import EVERYBODY, Label, scope
from store.trace import rows as trace
from training.corpus.readers import MAIL_OCTETS
from training.corpus.sample import Label as Class
from training.corpus.sample import Mail, Sample, read
from training.corpus.split import halves, without_duplicates
from training.feedback import Comparison, compare
from training.progress import Progress, quiet

SOURCE = "labels"  #: of the samples
_BATCH = 500

SINGLE = "the word of one person alone, which counts for that person only"
CONTRADICTED = "people disagree about the mail"
GONE = "nobody keeps the mail any more"
TOO_LARGE = f"larger than {MAIL_OCTETS >> 20} MB"


@dataclass(slots=True)
class Own:
    """Mails with the label that the organisation agrees on, and why others are left out."""

    samples: list[Sample] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Said:
    """What counts about one mail."""

    reception: str
    is_spam: bool
    blobs: tuple[bytes, ...]


async def own_mail(store: Store, progress: Progress = quiet) -> Own:
    """Every mail that people agree on, as far as it is still kept; in the order of their ids. Raises StoreError."""
    own = Own()
    said = await _said(store, own.left_out)
    found: list[Sample] = []
    for done, each in enumerate(said, 1):
        octets = await _octets(store, each)
        if octets is None:
            own.left_out[GONE] += 1
        elif len(octets) > MAIL_OCTETS:
            own.left_out[TOO_LARGE] += 1
        else:
            what = Class.UNWANTED if each.is_spam else Class.LEGITIMATE
            mail = Mail(as_it_came(octets, each.reception), what, SOURCE, name=each.reception)
            found.append(await asyncio.to_thread(read, mail))
        progress("reading labelled mail", done, len(said))
    own.samples = list(without_duplicates(found))
    return own


async def _said(store: Store, left_out: Counter[str]) -> list[_Said]:
    by_mail: dict[str, list[Label]] = {}
    seq = 0
    while True:
        batch = await store.read(lambda view, at=seq: list(labels.after(view, at, _BATCH)))  # type: ignore[misc]
        if not batch:
            break
        seq = batch[-1][0]
        for _, label in batch:
            by_mail.setdefault(label.id, []).append(replace(label, features=b""))
    found: list[_Said] = []
    for reception, opinions in sorted(by_mail.items()):
        official = [each for each in opinions if EVERYBODY in each.places]
        shared = [each for each in opinions if set(each.places) - _private(each)]
        counted = official or shared
        if not counted:
            left_out[SINGLE] += 1
        elif len({each.is_spam for each in counted}) > 1:
            left_out[CONTRADICTED] += 1
        else:
            blobs = tuple(dict.fromkeys(each.blob for each in opinions if each.blob))
            found.append(_Said(reception, counted[0].is_spam, blobs))
    return found


def _private(label: Label) -> set[bytes]:
    """The scopes of a label that are one person's: all but its domain's and everybody's."""
    shared = {EVERYBODY, scope("@" + label.by.rpartition("@")[2])}
    return set(label.places) - shared


async def _octets(store: Store, said: _Said) -> bytes | None:
    row = await store.read(lambda view: trace.get(view, said.reception))
    blobs = (*said.blobs, *((row.blob,) if row is not None and row.blob is not None else ()))
    for blob in dict.fromkeys(blobs):
        try:
            return await store.blobs.read(BlobId(blob), 0, MAIL_OCTETS + 1)
        except BlobMissing:
            continue
    return None


async def current(config: Config, store: Store) -> Artefact:
    """The model that judges. Raises ArtefactError, NoModel, StoreError."""
    active = (await store.read(rows.in_use)).active
    if active and not config.model.directory:
        return await load(store, active, folder_of(config))
    return load_model(config)


@dataclass(frozen=True, slots=True)
class Promotion:
    """What became of a model that was to judge."""

    model: str
    comparison: Comparison
    is_promoted: bool


async def promote(
    config: Config,
    store: Store,
    given: str,
    by: str,
    *,
    force: bool = False,
    needs_proof: bool = False,
    progress: Progress = quiet,
) -> Promotion:
    """Let a model judge, a directory or one of the store: unless it is worse on the organisation's own labels.

    ``needs_proof`` refuses also where too few labels are held out to tell. It is in the store afterwards, promoted or
    not. Raises ArtefactError, ConfigError, NoModel, StoreError.
    """
    refuse_when_fixed(config)
    model = await shelved(store, given, by)
    candidate = await load(store, model, folder_of(config))
    held = halves((await own_mail(store, progress)).samples)[1]
    found = await asyncio.to_thread(
        compare, await current(config, store), candidate, held, language=config.model.language, progress=progress
    )
    is_refused = found.is_worse or (needs_proof and not found.is_enough)
    if is_refused and not force:
        return Promotion(model, found, False)

    def body(txn: StoreTxn) -> None:
        rows.promote(txn, model)
        how = "forced: " if is_refused else ""
        chain.record(txn, txn.now_ms, by, "model.promote", model, how + found.sentence)

    await store.write(body)
    return Promotion(model, found, True)


async def shelved(store: Store, given: str, by: str) -> str:
    """The id of a model of the store, or of a directory, which is put there. Raises ArtefactError, NoModel."""
    folder = Path(given)
    if not (folder / "card.json").is_file():
        return given

    def body(txn: StoreTxn) -> None:
        chain.record(txn, txn.now_ms, by, "model.add", given)

    return (await shelve(store, folder, by, body)).id
