"""``mailward train``: from paths of mail, from what people labelled, or from both."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.config import load as load_config
from gateway.main.administration import COMMAND_LINE
from gateway.main.failures import told_plainly
from gateway.main.feedback import Own, Promotion, own_mail, promote
from gateway.main.shelving import refuse_when_fixed
from gateway.main.storage import open_store, require_store
from gateway.observe.log import configure
from gateway.settings import Config
from store.artefacts.rows import NoModel
from store.changes.engine import Store
from training.main import Options, Trained, UnlearnableInput, UnreadableCorpus, bars, read_samples, train_on

__all__ = ["Options", "Wanted", "train"]

MANY_DOUBTS = 0.1  #: share of doubted labels from which the whole heap is suspect
_SHOWN = 10  #: doubted labels, skipped files
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to learn from, and where to put what comes of it."""

    ham: Path | None
    spam: Path | None
    out: Path | None = None
    feedback: Path | None = None  #: a configuration, whose store has the labels
    force: bool = False


@dataclass(frozen=True, slots=True)
class _Done:
    out: Path
    trained: Trained
    skipped: tuple[str, ...]
    left_out: Mapping[str, int]
    promotion: Promotion | None = None


def train(wanted: Wanted, *, seed: int, options: Options, as_json: bool) -> int:
    """Train words, calibration and combination, and say how well they do on held-out mail.

    1 when the model is worse than the one that judges, 2 for mail that cannot be learned from.
    """
    configure("human")
    with told_plainly():
        try:
            done = _from_feedback(wanted, seed, options) if wanted.feedback else _of(wanted, seed, options)
        except ModuleNotFoundError as error:
            print(f"mailward: {error.name} is not installed: pip install 'mailward[training]'", file=sys.stderr)
            return 2
        except (UnreadableCorpus, UnlearnableInput, NoModel) as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("mailward: interrupted; the same command goes on from what is done", file=sys.stderr)
            return INTERRUPTED
    _tell(done, as_json=as_json)
    refused = done.promotion is not None and not done.promotion.is_promoted
    return 1 if refused else 0


def _of(wanted: Wanted, seed: int, options: Options, own: Own | None = None) -> _Done:
    assert wanted.out is not None, "the command asked for it"
    progress, skipped = bars(), list[str]()
    samples = read_samples(wanted.ham, wanted.spam, progress, skipped)
    if own is not None:
        samples += own.samples
    trained = train_on(samples, wanted.out, progress, seed, options=options)
    return _Done(wanted.out, trained, tuple(skipped), dict(own.left_out) if own is not None else {})


def _from_feedback(wanted: Wanted, seed: int, options: Options) -> _Done:
    """Fitting happens between two looks at the store, which nobody has to wait for."""
    assert wanted.feedback is not None
    config = load_config(wanted.feedback)
    refuse_when_fixed(config)
    require_store(config)

    async def labelled() -> Own:
        async with _opened(config) as store:
            return await own_mail(store, bars())

    own = asyncio.run(labelled())
    if not own.samples:
        why = "; ".join(f"{count}: {reason}" for reason, count in own.left_out.items())
        raise UnlearnableInput(
            "the store has no labels to learn from: two people of a domain who agree, or an administrator, make one"
            + (f" (left out: {why})" if why else "")
        )
    out = wanted.out or Path(config.server.data) / "training"
    done = _of(replace(wanted, out=out), seed, options, own)

    async def promoted() -> Promotion:
        async with _opened(config) as store:
            force, progress = wanted.force, bars()
            return await promote(
                config, store, str(out), COMMAND_LINE, force=force, needs_proof=True, progress=progress
            )

    return replace(done, promotion=asyncio.run(promoted()))


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Store]:
    store = await open_store(config)
    try:
        yield store
    finally:
        await store.close()


def _tell(done: _Done, *, as_json: bool) -> None:
    trained, promotion = done.trained, done.promotion
    share = len(trained.doubts) / max(1, trained.given)
    if as_json:
        told: dict[str, object] = {"id": trained.card.id, "path": str(done.out), "metrics": trained.card.metrics}
        told |= {"mails": trained.given, "skipped": list(done.skipped), "left_out": dict(done.left_out)}
        told["doubts"] = [{"mail": d.name, "unwanted": d.is_unwanted, "nats": round(d.nats, 2)} for d in trained.doubts]
        if promotion is not None:
            told |= {"promoted": promotion.is_promoted, "why": promotion.comparison.sentence}
        print(json.dumps(told))
        return
    gone_on = ", gone on from where it was interrupted" if trained.has_gone_on else ""
    print(f"  {done.out}: model {trained.card.id}, from {trained.given:,} mails of yours{gone_on}")
    for name, measures in trained.card.metrics.items():
        print(f"  {name}: " + "  ".join(f"{measure} {value:.4g}" for measure, value in measures.items()))
    for reason, count in done.left_out.items():
        print(f"  left out {count:,}: {reason}")
    _tell_some(f"{len(done.skipped)} mails were skipped", done.skipped)
    if trained.doubts:
        _tell_some(
            f"{len(trained.doubts)} labels look wrong ({share:.0%})"
            + (": check the mail before you use this model" if share >= MANY_DOUBTS else ""),
            [f"{d.name} is called {'unwanted' if d.is_unwanted else 'wanted'} ({d.nats:+.1f})" for d in trained.doubts],
        )
    if promotion is None:
        print(f'  use it:  mailward scan --model {done.out} FILE   or   [model] directory = "{done.out}"')
    elif promotion.is_promoted:
        print(f"  {promotion.model} judges from now on: {promotion.comparison.sentence}")
    else:
        print(f"  {promotion.comparison.sentence}: it is not promoted; --force does so all the same")


def _tell_some(what: str, lines: tuple[str, ...] | list[str]) -> None:
    if lines:
        print(f"  {what}")
        for line in lines[:_SHOWN]:
            print(f"    {line}")
        if len(lines) > _SHOWN:
            print(f"    and {len(lines) - _SHOWN} more")
