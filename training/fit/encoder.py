"""The encoder as a torch module: embeddings, a few transformer layers, mean pooling, one linear head."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.fit.e5 import Base, Shape


class Layer(nn.Module):  # type: ignore[misc, unused-ignore]
    """Self-attention and feed-forward, each added to its input and normalised (BERT's order)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        hidden, wide = shape.hidden, shape.feed_forward
        self.heads = shape.heads
        self.query, self.key, self.value, self.mix = (nn.Linear(hidden, hidden) for _ in range(4))
        self.widen, self.narrow = nn.Linear(hidden, wide), nn.Linear(wide, hidden)
        self.mix_norm = nn.LayerNorm(hidden, eps=shape.epsilon)
        self.wide_norm = nn.LayerNorm(hidden, eps=shape.epsilon)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, barred: Tensor) -> Tensor:
        """``barred``: minus infinity where there is padding, else 0."""
        batch, length, hidden = x.shape
        size = hidden // self.heads

        def split(y: Tensor) -> Tensor:
            return y.view(batch, length, self.heads, size).transpose(1, 2)

        scores = split(self.query(x)) @ split(self.key(x)).transpose(2, 3) / math.sqrt(size) + barred
        seen = (scores.softmax(-1) @ split(self.value(x))).transpose(1, 2).reshape(batch, length, hidden)
        x = self.mix_norm(x + self.dropout(self.mix(seen)))
        widened: Tensor = self.wide_norm(x + self.dropout(self.narrow(functional.gelu(self.widen(x)))))
        return widened


class Encoder(nn.Module):  # type: ignore[misc, unused-ignore]
    """Piece numbers and mask to class logits."""

    def __init__(self, shape: Shape, positions: int, classes: int) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocabulary, shape.hidden)
        self.positions = nn.Embedding(positions, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.head = nn.Linear(shape.hidden, classes)
        self.dropout = nn.Dropout(0.1)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Mean of the last layer over what is not padding."""
        mask = attention_mask.to(torch.float32)
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.norm(self.words(input_ids) + self.positions(places))
        barred = (1.0 - mask)[:, None, None, :] * -1e4
        for layer in self.layers:
            x = layer(x, barred)
        weights = mask[:, :, None]
        mean: Tensor = (x * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        return mean

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.pooled(input_ids, attention_mask)))
        return logits


def from_base(base: Base, positions: int, classes: int) -> Encoder:
    """An encoder with the base's weights and a fresh head."""
    model = Encoder(base.shape, positions, classes)
    state = {name: torch.from_numpy(array.copy()) for name, array in base.tensors.items()}
    state["positions.weight"] = state["positions.weight"][:positions].clone()
    missing, unexpected = model.load_state_dict(state, strict=False)
    if set(missing) != {"head.weight", "head.bias"} or unexpected:
        raise ValueError(f"the base does not fit the encoder: {missing} {unexpected}")
    return model
