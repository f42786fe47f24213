"""What ``mailward model`` does. Every act is one transaction with its audit entry; workers follow by themselves."""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from gateway.config import load as load_config
from gateway.learning.shelf import fetch, load
from gateway.main.administration import COMMAND_LINE, when, with_store
from gateway.main.failures import told_plainly
from gateway.main.shelving import folder_of, refuse_when_fixed
from gateway.settings import Config
from models import artefact
from models.artefact import DEFAULT, Card
from models.features import SCHEMA
from store.artefacts import rows
from store.artefacts.rows import Difference, InUse, NoModel
from store.audit import chain
from store.changes.engine import Store, StoreTxn, StoreView
from store.labels import rows as labels

SHIPPED = "shipped"  #: how people name the model of the configuration, or ours
_ORDER = ("accept", "junk", "quarantine", "defer", "reject")
_SHOWN = 20


def _acted(config_path: Path, work: Callable[[Config, Store], Awaitable[int]]) -> int:
    """Run on an existing store; what is not there, or cannot be used, is a sentence and exit code 2."""
    with told_plainly():
        config = load_config(config_path)

    async def run(store: Store) -> int:
        try:
            return await work(config, store)
        except NoModel as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 2

    return with_store(config_path, run, existing=True)


def list_models(config_path: Path, *, as_json: bool) -> int:
    async def work(config: Config, store: Store) -> int:
        found, now = await store.read(lambda view: (rows.every(view), rows.in_use(view)))
        if not as_json:
            own = config.model.directory or "the model we ship"
            mark = "  in use" if not now.active or config.model.directory else ""
            print(f"  {SHIPPED:<24} {own}{mark}")
        for each in found:
            state = "in use" if each.id == now.active else "on trial" if each.id == now.shadow else ""
            state = state or ("" if each.schema == SCHEMA else "for another version")
            octets = sum(size for _, size in each.files.values())
            if as_json:
                told = {"id": each.id, "at": when(each.at_ms), "by": each.by, "state": state, "octets": octets}
                print(json.dumps(told | {"schema": each.schema, "notes": each.notes}))
            else:
                print(
                    f"  {each.id:<24} {when(each.at_ms)[:16]}  {octets / 1e6:5.1f} MB  {each.by:<14} {state}".rstrip()
                )
        return 0

    return _acted(config_path, work)


def show_card(which: str, config_path: Path | None, *, as_json: bool) -> int:
    if config_path is None or (which and (Path(which) / "card.json").is_file()):
        with told_plainly():
            _print_card(artefact.read_card(Path(which) if which else DEFAULT), as_json=as_json)
        return 0

    async def work(config: Config, store: Store) -> int:
        wanted = which or (await store.read(rows.in_use)).active
        if not wanted or wanted == SHIPPED:
            where = Path(config.model.directory) if config.model.directory else DEFAULT
        else:
            where = await fetch(store, wanted, folder_of(config))
        _print_card(artefact.read_card(where), as_json=as_json)
        return 0

    return _acted(config_path, work)


def _print_card(card: Card, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(card).decode())
        return
    fits = "" if card.schema == SCHEMA else f"; this version computes {SCHEMA} and refuses it"
    print(f"  model     {card.id}, made {card.created} with seed {card.seed}")
    print(f"  features  {card.schema}{fits}")
    print(f"  classes   {', '.join(card.classes)}")
    for name, digest in sorted(card.files.items()):
        print(f"  file      {name}  sha256 {digest}")
    print("  made from")
    for source in card.sources:
        print(f"    {source.name:<24} {source.legitimate:>7,} wanted {source.unwanted:>7,} unwanted  {source.licence}")
    print("  measured on mail it was not trained on")
    for name, measures in card.metrics.items():
        print(f"    {name}: " + "  ".join(f"{key} {value:.4g}" for key, value in measures.items()))
    if card.notes:
        print(f"  {card.notes}")


def add(config_path: Path, folder: Path, *, as_json: bool) -> int:
    from gateway.main.feedback import shelved

    async def work(config: Config, store: Store) -> int:
        return _told(as_json, {"model": await shelved(store, str(folder), COMMAND_LINE)}, "the store has model {model}")

    return _acted(config_path, work)


def promote(config_path: Path, which: str, *, force: bool, as_json: bool) -> int:
    from gateway.main.feedback import promote as try_to
    from training.progress import bars

    async def work(config: Config, store: Store) -> int:
        if which == SHIPPED:
            refuse_when_fixed(config)
            await store.write(lambda txn: _noted(txn, rows.promote(txn, ""), "model.promote"))
            return _told(as_json, {"model": SHIPPED}, "the model of the configuration judges from now on")
        done = await try_to(config, store, which, COMMAND_LINE, force=force, progress=bars())
        sentence = done.comparison.sentence
        if not done.is_promoted:
            hint = f"{sentence}: it is not promoted; --force does so all the same"
            print(f"mailward: {hint}", file=sys.stderr)
            return 1
        return _told(as_json, {"model": done.model, "why": sentence}, "{model} judges from now on: {why}")

    return _acted(config_path, work)


def roll_back(config_path: Path, *, as_json: bool) -> int:
    async def work(config: Config, store: Store) -> int:
        refuse_when_fixed(config)
        before = (await store.read(rows.in_use)).before
        if before and before[0]:
            await load(store, before[0], folder_of(config))  # what cannot be used is refused now, not by the workers
        now = await store.write(lambda txn: _noted(txn, rows.roll_back(txn), "model.rollback"))
        return _told(as_json, {"model": now.active or SHIPPED}, "{model} judges from now on")

    return _acted(config_path, work)


def put_on_trial(config_path: Path, which: str, *, as_json: bool) -> int:
    from gateway.main.feedback import shelved

    async def work(config: Config, store: Store) -> int:
        model = await shelved(store, which, COMMAND_LINE) if which else ""
        if model:
            await load(store, model, folder_of(config))
        await store.write(lambda txn: _noted(txn, rows.shadow(txn, model), "model.shadow", model))
        if not model:
            return _told(as_json, {"model": None}, "no model is on trial any more")
        return _told(as_json, {"model": model}, "{model} is on trial: `mailward model shadow --report` tells")

    return _acted(config_path, work)


def report_trial(config_path: Path, *, as_json: bool) -> int:
    """How a trial's verdicts differ, and where people labelled those mails, who was right."""

    async def work(_: Config, store: Store) -> int:
        now = await store.read(rows.in_use)
        if not now.shadow:
            print("mailward: no model is on trial: `mailward model shadow ID` begins a trial", file=sys.stderr)
            return 1
        pairs, seen, right = await store.read(lambda view: _trial(view, now.shadow, int(store.clock() * 1000)))
        mails, same = sum(pairs.values()), sum(count for (was, would), count in pairs.items() if was == would)
        if as_json:
            told = {"model": now.shadow, "active": now.active or SHIPPED, "mails": mails, "same": same}
            ways = [{"was": was, "would": would, "mails": count} for (was, would), count in sorted(pairs.items())]
            print(json.dumps(told | {"ways": ways, "right": right, "seen": [msgspec.structs.asdict(d) for d in seen]}))
            return 0
        share = f" ({same / mails:.2%})" if mails else ""
        print(f"  {now.shadow} beside {now.active or SHIPPED}: {mails:,} mails, the same for {same:,}{share}")
        for was, would in sorted(pairs, key=_by_order):
            if was != would:
                print(f"  {pairs[was, would]:>8,}  {was} would have been {would}")
        if right["labelled"]:
            print(f"  of {right['labelled']} that differ and people labelled, it was right about {right['trial']}")
        for each in seen[:_SHOWN]:
            told_as = f"{each.was} {each.probability:.2f}, would be {each.would} {each.would_probability:.2f}"
            print(f"    {each.reception}  {told_as}")
        return 0

    return _acted(config_path, work)


def _by_order(pair: tuple[str, str]) -> tuple[int, ...]:
    return tuple(_ORDER.index(name) if name in _ORDER else len(_ORDER) for name in pair)


def _trial(
    view: StoreView, model: str, now_ms: int
) -> tuple[dict[tuple[str, str], int], list[Difference], dict[str, int]]:
    seen = list(rows.differences(view, model, now_ms))
    right = {"labelled": 0, "trial": 0}
    for each in seen:
        label = labels.get(view, each.reception)
        if label is not None and (each.was == "accept") != (each.would == "accept"):
            right["labelled"] += 1
            right["trial"] += (each.would != "accept") is label.is_spam
    return rows.counted(view, model), seen, right


def drop(config_path: Path, which: str, *, as_json: bool) -> int:
    async def work(_: Config, store: Store) -> int:
        def body(txn: StoreTxn) -> None:
            rows.drop(txn, which)
            chain.record(txn, txn.now_ms, COMMAND_LINE, "model.drop", which)

        await store.write(body)
        return _told(as_json, {"model": which}, "{model} is out of the store")

    return _acted(config_path, work)


def _noted(txn: StoreTxn, now: InUse, act: str, target: str | None = None) -> InUse:
    chain.record(txn, txn.now_ms, COMMAND_LINE, act, (now.active if target is None else target) or SHIPPED)
    return now


def _told(as_json: bool, what: dict[str, str | None], sentence: str) -> int:
    print(json.dumps(what) if as_json else "  " + sentence.format(**what))
    return 0
