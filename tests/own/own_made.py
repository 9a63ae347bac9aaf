"""Models of many kinds in loops of their own, and the fingerprint of everything that a probe could disturb."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import grokscope
from grokscope.runs.log import read

ROWS = 48
CLASSES = 5
Loss = Callable[[Any, Any], Tensor]


def cross_entropy(model: nn.Module, batch: Any) -> Tensor:
    inputs, labels = batch
    return nn.functional.cross_entropy(model(inputs).flatten(0, -2), labels.flatten())


@dataclass(frozen=True)
class Kind:
    """A kind of model, with the loss and the data that belong to it."""

    make: Callable[[], nn.Module]
    data: Callable[[], Any]
    loss: Loss = cross_entropy


def vectors() -> Any:
    return torch.randn(ROWS, 6), torch.randint(CLASSES, (ROWS,))


def sequences() -> Any:
    tokens = torch.randint(CLASSES, (ROWS, 7))
    return tokens[:, :-1], tokens[:, 1:]


def masked() -> Any:
    tokens = torch.randint(CLASSES, (ROWS, 6))
    return {"tokens": tokens, "mask": torch.rand(ROWS, 6) < 0.3, "labels": tokens.flip(1)}


class Transformer(nn.Module):
    """Fused attention and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden: Tensor = self.encoder(self.embedding(tokens), src_key_padding_mask=mask)
        logits: Tensor = self.head(hidden)
        return logits


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 8)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.lstm(self.embedding(tokens))[0])
        return logits


class Attentive(nn.Module):
    """Fused attention, called by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 8)
        self.project = nn.Linear(8, 24)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.project(self.embedding(tokens)).chunk(3, dim=-1)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=0.1)
        logits: Tensor = self.head(mixed)
        return logits


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 8)
        self.inner = nn.Linear(8, 8)
        self.head = nn.Linear(8, CLASSES, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.tanh(self.inner(self.embedding(tokens))))
        return logits


class Counting(nn.Module):
    """Attributes that a forward pass changes: a number, a tensor, a list, and a buffer that is bound anew."""

    counted: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, CLASSES)
        self.calls = 0
        self.seen: list[int] = []
        self.total = torch.zeros(1)
        self.register_buffer("counted", torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(len(inputs))
        self.total += 1
        self.counted = self.counted + 1
        logits: Tensor = self.inner(inputs)
        return logits


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, CLASSES))


def frozen() -> nn.Module:
    model = perceptron()
    next(model.parameters()).requires_grad_(False)
    return model


def masked_loss(model: nn.Module, batch: Any) -> Tensor:
    logits = model(batch["tokens"], batch["mask"])
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())


def normalized() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, CLASSES))


def spectral() -> nn.Module:
    norm = nn.utils.parametrizations.spectral_norm
    return nn.Sequential(norm(nn.Linear(6, 12)), nn.Tanh(), norm(nn.Linear(12, CLASSES)))


KINDS: dict[str, Kind] = {
    "MLP": Kind(perceptron, vectors),
    "transformer": Kind(Transformer, sequences),
    "attention": Kind(Attentive, sequences),
    "masks in a mapping": Kind(Transformer, masked, masked_loss),
    "batch norm": Kind(normalized, vectors),
    "spectral norm": Kind(spectral, vectors),
    "tied weights": Kind(Tied, sequences),
    "frozen parts": Kind(frozen, vectors),
    "LSTM": Kind(Recurrent, sequences),
    "attributes": Kind(Counting, vectors),
    "float64": Kind(lambda: perceptron().double(), lambda: (torch.randn(ROWS, 6).double(), vectors()[1])),
}


def seeded(kind: Kind) -> tuple[nn.Module, Any]:
    """The model and its data, from equal random streams every time."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    return kind.make(), kind.data()


def rows_of(data: Any, rows: Tensor) -> Any:
    return {key: value[rows] for key, value in data.items()} if isinstance(data, dict) else tuple(x[rows] for x in data)


def digest(model: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]) -> str:
    """SHA-256 of all that a probe could disturb."""
    seen = hashlib.sha256()
    for part in _parts(model, optimizer, losses):
        seen.update(
            part.detach().cpu().contiguous().numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode()
        )
    return seen.hexdigest()


def _parts(model: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]) -> Iterator[Any]:
    for name, each in model.named_modules():
        yield (
            name,
            each.training,
            sorted(vars(each)),
            [getattr(each, name, None) for name in ("calls", "seen")],
            len(each._forward_hooks),
        )
        yield from (value for value in vars(each).values() if isinstance(value, Tensor))
    for name, parameter in model.named_parameters():
        yield from (name, parameter, parameter.requires_grad, parameter._version)
        yield parameter.grad if parameter.grad is not None else "no gradient"
    for name, buffer in model.named_buffers():
        yield from (name, buffer, buffer._version)
    for state in optimizer.state.values():
        yield from (value for _, value in sorted(state.items()))
    yield from (random.getstate(), np.random.get_state(), torch.get_rng_state(), torch.initial_seed(), losses)


def events_of(run: Path, kind: str | None = None) -> list[dict[str, Any]]:
    return [event for event in read(run / "events.jsonl") if kind is None or event["event"] == kind]


def train(
    model: nn.Module,
    data: Any,
    loss: Loss,
    steps: int,
    probe: Callable[[torch.optim.Optimizer], Any] | None = None,
    *,
    each: bool = False,
    accumulate: int = 1,
) -> str:
    """A loop of somebody's own; the digest of what it came to. `each`: call `probe.step` and do not use the hook."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.1)
    losses: list[float] = []
    watching = None if probe is None else probe(optimizer)
    if watching is not None and not each:
        watching.__enter__()
    for _ in range(steps):
        for _ in range(accumulate):
            value = loss(model, rows_of(data, torch.randint(ROWS, (16,))))
            value.backward()
            losses.append(value.item())
        optimizer.step()
        if watching is not None and each:
            assert watching.step(loss=value)
        optimizer.zero_grad(set_to_none=False)
    value = loss(model, rows_of(data, torch.randint(ROWS, (16,))))
    value.backward()
    before = digest(model, optimizer, losses)
    if watching is not None:
        watching.finish()
    assert digest(model, optimizer, losses) == before
    return before


def probing(kind: Kind, model: nn.Module, data: Any, run: Path, **options: Any) -> Callable[[Any], grokscope.Probe]:
    """A probe on `model`, quick and strict."""
    asked: dict[str, Any] = {"samples": 2, "baseline_samples": 2, "batch_size": 8, "on_error": "raise", **options}
    return lambda optimizer: grokscope.Probe(model, kind.loss, data, run=run, optimizer=optimizer, **asked)
