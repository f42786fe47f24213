"""Signals listed, and how they do here: hits and lift by verdict, and by what people said."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from gateway.checks.catalogue import Row, markdown, rows
from gateway.checks.spoken import template
from gateway.config import load
from gateway.main.administration import with_store
from gateway.main.failures import told_plainly
from gateway.main.services import load_model, utc_now
from gateway.observe.lift import MAILS, Lift, lift_of
from gateway.sentences.phrases import of_locale
from models.artefact import DEFAULT, read_signal_weights
from store.changes.engine import Store, StoreView
from store.labels import rows as labels
from store.trace import rows as traces
from store.trace import sightings
from store.trace.sightings import Sighted

MOST_LABELS = 5_000  #: newest opinions of people that are read


def list_signals(model: Path | None, *, as_json: bool, as_markdown: bool) -> None:
    with told_plainly():
        table = rows(read_signal_weights((model or DEFAULT) / "weights.json").signals)
    if as_markdown:
        print(markdown(table), end="")
        return
    language = of_locale(os.environ, "en")
    for row in table:
        if as_json:
            print(json.dumps(asdict(row), ensure_ascii=False))
        else:
            about = template(row.name, row.about, language).replace("{detail}", "...")
            print(f"{row.name:<32} {row.nats:+5.1f}  {row.category:<8} {about}")


def show_hits(config_path: Path, days: int, *, as_json: bool) -> int:
    """Every signal that was seen in so many days, the furthest from its weight first."""
    with told_plainly():
        weights = load_model(load(config_path)).weights.signals
    first = sightings.day_of(utc_now().timestamp()) - days + 1

    async def work(store: Store) -> int:
        seen = await store.read(lambda view: sightings.since(view, first))
        said = await store.read(confirmed)
        table = [row for row in rows(weights) if row.name in seen or row.name in said]
        table.sort(key=lambda row: -_gap(row, lift_of(row.name, seen)))
        for row in table if as_json else ():
            verdict, label = lift_of(row.name, seen), lift_of(row.name, said)
            told = {"signal": row.name, "weight": row.nats, "by_verdict": asdict(verdict), "by_label": asdict(label)}
            print(json.dumps(told))
        if not as_json:
            _print(table, seen, said, days)
        return 0

    return with_store(config_path, work, existing=True)


def confirmed(view: StoreView) -> dict[str, Sighted]:
    """By signal, in mail that people (or traps) called wanted or unwanted: the newest opinion on each mail counts."""
    newest = labels.newest(view, MOST_LABELS)
    counts: dict[str, list[int]] = {}
    for label in newest:
        trace = traces.get(view, label.id)
        for name in (MAILS, *(reason.signal for reason in trace.reasons)) if trace is not None else ():
            counts.setdefault(name, [0, 0])[label.is_spam] += 1
    return {name: Sighted(*pair) for name, pair in counts.items()}


def _gap(row: Row, lift: Lift) -> float:
    """How far what is seen here is from the weight."""
    return abs(lift.nats - row.nats) if lift.nats is not None else -1.0


def _print(table: list[Row], seen: Mapping[str, Sighted], said: Mapping[str, Sighted], days: int) -> None:
    mails, opinions = seen.get(MAILS, Sighted()), said.get(MAILS, Sighted())
    print(f"  {days} days: {mails.wanted:,} mails delivered, {mails.unwanted:,} not; ", end="")
    print(f"by people, at any time: {opinions.wanted:,} wanted, {opinions.unwanted:,} unwanted")
    print(f"  {'signal':<32} {'weight':>6} {'lift':>6}  {'unwanted':>15} {'delivered':>15}   by people")
    for row in table:
        verdict, label = lift_of(row.name, seen), lift_of(row.name, said)
        unwanted = f"{verdict.unwanted:>7,} {verdict.share_unwanted:>7.1%}"
        wanted = f"{verdict.wanted:>7,} {verdict.share_wanted:>7.1%}"
        by_people = f"{_nats(label)}  {label.unwanted}/{label.wanted}" if label.unwanted or label.wanted else ""
        print(f"  {row.name:<32} {row.nats:+6.1f} {_nats(verdict)}  {unwanted} {wanted}   {by_people}".rstrip())


def _nats(lift: Lift) -> str:
    return f"{lift.nats:+6.1f}" if lift.nats is not None else f"{'-':>6}"
