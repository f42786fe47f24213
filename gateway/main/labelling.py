"""What ``mailward labels`` does: shows opinions and where they clash, and takes a person's back."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.verdicts import plain
from gateway.learning.likeness import bands, jaccard
from gateway.learning.opinions import NEAR, buckets_of, domain_of, take_back
from gateway.main.administration import COMMAND_LINE, when, with_store
from store.audit import chain
from store.changes.engine import Store, StoreTxn, StoreView
from store.labels import rows as labels
from store.labels.rows import EVERYBODY, Label, scope
from store.trace import rows as trace

LOOKED_AT = 20_000  #: newest labels that are searched for conflicts
_AT_ONCE = 50  #: labels taken back in one transaction


def counts_for(label: Label) -> str:
    """For whom a label counts, in a word."""
    if EVERYBODY in label.places:
        return "everybody"
    domain = domain_of(label.by)
    if domain and scope(domain) in label.places:
        return domain
    return "its author" if label.places else "nobody"


def list_labels(config_path: Path, by: str, limit: int, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        for label, subject in await store.read(lambda view: list(_newest(view, by, limit))):
            said = "unwanted" if label.is_spam else "wanted"
            if as_json:
                told = {"id": label.id, "at": when(label.at_ms), "by": label.by, "said": said, "via": label.via}
                print(json.dumps(told | {"counts_for": counts_for(label), "subject": subject}, ensure_ascii=False))
            else:
                how = f"{said:<8} {label.via:<8} {counts_for(label):<12}"
                print(f"  {label.id}  {when(label.at_ms)[:16]}  {plain(label.by, 28):<28}  {how} {plain(subject, 40)}")
        return 0

    return with_store(config_path, work, existing=True)


def _newest(view: StoreView, by: str, limit: int) -> Iterator[tuple[Label, str]]:
    shown = 0
    for label in labels.newest_opinions(view):
        if by and label.by.lower() != by.lower():
            continue
        row = trace.get(view, label.id)
        yield label, row.subject if row is not None else ""
        shown += 1
        if shown == limit:
            return


def list_conflicts(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        found = await store.read(lambda view: [(*pair, _subject(view, pair[0])) for pair in conflicts(view)])
        for wanted, unwanted, subject in found:
            if as_json:
                told = {"subject": subject} | {
                    name: {"id": each.id, "by": each.by, "at": when(each.at_ms), "counts_for": counts_for(each)}
                    for name, each in (("wanted", wanted), ("unwanted", unwanted))
                }
                print(json.dumps(told, ensure_ascii=False))
            else:
                print(f"  {plain(subject, 60)}")
                for said, each in (("wanted", wanted), ("unwanted", unwanted)):
                    print(f"    {said:<8} {each.id}  {when(each.at_ms)[:16]}  {each.by}, counts for {counts_for(each)}")
        if not found and not as_json:
            print("  nobody contradicts anybody")
        return 1 if found else 0

    return with_store(config_path, work, existing=True)


def _subject(view: StoreView, label: Label) -> str:
    row = trace.get(view, label.id)
    return row.subject if row is not None else ""


def conflicts(view: StoreView) -> Iterator[tuple[Label, Label]]:
    """Pairs of near copies, one called wanted and one unwanted, by different people."""
    met: dict[bytes, list[Label]] = {}
    told: set[tuple[str, str, str]] = set()
    for seen, label in enumerate(labels.newest_opinions(view)):
        if seen == LOOKED_AT:
            return
        mine = buckets_of(label)
        for other in _sharing(met, bands(mine), label):
            if other.is_spam is label.is_spam or other.by == label.by or other.schema != label.schema:
                continue
            wanted, unwanted = (other, label) if label.is_spam else (label, other)
            key = (min(wanted.id, unwanted.id), wanted.by, unwanted.by)
            if key not in told and (wanted.id == unwanted.id or jaccard(mine, buckets_of(other)) >= NEAR):
                told.add(key)
                yield wanted, unwanted


def _sharing(met: dict[bytes, list[Label]], digests: tuple[bytes, ...], label: Label) -> list[Label]:
    """Labels met before that share a digest, each once; and this one is met now."""
    found = {(each.id, each.by): each for digest in digests for each in met.get(digest, ())}
    for digest in digests:
        near = met.setdefault(digest, [])
        if len(near) < _AT_ONCE:
            near.append(label)
    return list(found.values())


def undo(config_path: Path, by: str, mail: str, *, as_json: bool) -> int:
    """Take back everything a person said, or one label, some in each transaction; with one audit entry."""

    async def work(store: Store) -> int:
        def step(txn: StoreTxn) -> int:
            some = _next_of(StoreView(txn.kv), by, mail)
            for label in some:
                take_back(txn, label, txn.now_ms)
            return len(some)

        undone = 0
        while count := await store.write(step):
            undone += count
        if not undone:
            what = f"the mail {mail}" if mail else "any mail"
            print(f"mailward: {by} said nothing about {what}: `mailward labels list` shows who did", file=sys.stderr)
            return 1
        detail = f"{undone} labels" + (f" of {mail}" if mail else "")
        await store.write(lambda txn: chain.record(txn, txn.now_ms, COMMAND_LINE, "labels.undo", by, detail))
        print(json.dumps({"by": by, "undone": undone}) if as_json else f"  {undone} labels of {by} are unlearned")
        return 0

    return with_store(config_path, work, existing=True)


def _next_of(view: StoreView, by: str, mail: str) -> list[Label]:
    found: list[Label] = []
    every = labels.opinions(view, mail) if mail else labels.newest_opinions(view)
    for label in every:
        if label.by.lower() == by.lower():
            found.append(label)
            if len(found) == _AT_ONCE:
                break
    return found
