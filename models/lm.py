"""The language model: a small multilingual transformer, int8, through onnxruntime with one thread.

It reads the first and the last part of the normalised text, 128 pieces in all, and says how likely each class of mail
is. torch and transformers are needed only to train. Loading is left to the first mail that asks.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import ArtefactDamaged, ArtefactMissing
from models.view import MailView

PIECES = 128  #: read of one mail, start and end marks included
TAIL = 32  #: of these from the end of a longer mail
_HEAD_CHARACTERS = 1_500  #: enough for any 128 pieces of prose, and a bound for what is not prose
_TAIL_CHARACTERS = 500
CLIP = 8.0  #: nats

CLASSES = ("ham", "bulk", "spam", "phish", "bec")
UNWANTED = frozenset(("spam", "phish", "bec"))


@dataclass(frozen=True, slots=True)
class LmScore:
    """What the language model thinks of one mail."""

    log_odds: float  #: that it is unwanted, within plus or minus eight nats, before stacking
    classes: Mapping[str, float]  #: probability of each class; they sum to one


class LanguageModel:
    """An ONNX session and its tokenizer, opened at the first score. Safe in threads."""

    def __init__(self, onnx: Path, tokenizer: Path, classes: tuple[str, ...] = CLASSES) -> None:
        self._onnx = onnx
        self._tokenizer_path = tokenizer
        self.classes = classes
        self._lock = threading.Lock()
        self._session: Any = None
        self._tokenizer: Any = None

    @property
    def is_there(self) -> bool:
        """True when both files exist; says nothing of their health."""
        return self._onnx.is_file() and self._tokenizer_path.is_file()

    def open(self) -> None:
        """Load both files now. Raises ArtefactMissing or ArtefactDamaged. Does nothing when already loaded."""
        with self._lock:
            if self._session is None:
                self._tokenizer = _open_tokenizer(self._tokenizer_path)
                self._session = _open_session(self._onnx)

    def score(self, view: MailView) -> LmScore:
        """Read the mail. 3 to 15 ms of one core. Raises as ``open`` does."""
        return self.score_text(view.normal)

    def score_text(self, normal: str) -> LmScore:
        """Read a normalised text: a mail or a passage of one. Raises as ``open`` does."""
        if self._session is None:
            self.open()
        ids = np.array([self.pieces(normal)], dtype=np.int64)
        logits = self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        return read_logits([float(x) for x in logits], self.classes)

    def pieces(self, normal: str) -> list[int]:
        """Piece numbers of the head and the tail of a normalised text, with start and end marks."""
        head = self._encode(normal[:_HEAD_CHARACTERS])
        inner = PIECES - 2
        if len(head) <= inner and len(normal) <= _HEAD_CHARACTERS:
            return [_START, *head, _END]
        tail = self._encode(normal[-_TAIL_CHARACTERS:] if len(normal) > _HEAD_CHARACTERS else normal)
        return [_START, *head[: inner - TAIL], *tail[-TAIL:], _END]

    def _encode(self, text: str) -> list[int]:
        if self._tokenizer is None:
            self.open()
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


_START, _END = 0, 2  #: <s> and </s> of the vocabulary; kept in place by the vocabulary cut


def read_logits(logits: list[float], classes: tuple[str, ...]) -> LmScore:
    """Class logits to probabilities and to the log-odds of being unwanted. Raises ValueError for what is no number."""
    if not all(map(math.isfinite, logits)):
        raise ValueError(f"logits of {logits}")  # clipped below, these would call the mail wanted
    top = max(logits)
    shares = [math.exp(x - top) for x in logits]
    total = sum(shares)
    probabilities = {name: share / total for name, share in zip(classes, shares, strict=True)}
    bad = sum(p for name, p in probabilities.items() if name in UNWANTED)
    nats = math.log(max(bad, 1e-9)) - math.log(max(1.0 - bad, 1e-9))
    return LmScore(min(CLIP, max(-CLIP, nats)), probabilities)


def _open_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ArtefactMissing(f"{path} is not there: copy it from the model it was trained with")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        raise ArtefactDamaged(f"{path} is no tokenizer ({error}): fetch the model directory again") from error


def _open_session(path: Path) -> Any:
    import onnxruntime

    if not path.is_file():
        raise ArtefactMissing(f"{path} is not there: train with --language-model, or copy it from the packaged model")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ArtefactDamaged(f"{path} cannot be loaded ({error}): fetch the model directory again") from error
