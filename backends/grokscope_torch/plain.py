"""The same training as a script would write it: `nn.Transformer*` on padded rectangles, eager AdamW, every sequence.

It is what `grokscope bench` compares with, and an independent check of the packed forward pass.
"""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import Unavailable
from grokscope.contract.examples import IGNORED, Examples
from grokscope.contract.models import LAYER_NORM_EPSILON, ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import layout

EVALUATION_BATCH = 512
ETA = 1e-3
GUARD = 1e-12


class PlainTransformer(nn.Module):
    """The modules of the paper's scripts. [examples, length] -> [examples, length, classes]"""

    def __init__(self, model: ModelSpec) -> None:
        super().__init__()
        self.model = model
        sizes = (model.width, model.heads, model.feed_forward)
        settings: dict[str, Any] = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        if model.shape == "encoder-decoder":
            self.src_tok_emb = nn.Embedding(model.vocabulary, model.width)
            self.src_pos_emb = nn.Embedding(model.context, model.width)
            self.tgt_tok_emb = nn.Embedding(model.target_vocabulary, model.width)
            self.tgt_pos_emb = nn.Embedding(model.target_context, model.width)
            width, heads, hidden = sizes
            with warnings.catch_warnings():  # it says that pre-norm layers have no nested-tensor path; nobody asked
                warnings.simplefilter("ignore", UserWarning)
                self.transformer = nn.Transformer(width, heads, model.layers, model.layers, hidden, **settings)
        else:
            self.tok_emb = nn.Embedding(model.vocabulary, model.width)
            self.pos_emb = nn.Embedding(model.context, model.width)
            layer = nn.TransformerEncoderLayer(*sizes, **settings)
            self.encoder = nn.TransformerEncoder(layer, model.layers, enable_nested_tensor=False)
        self.ln = nn.LayerNorm(model.width, eps=LAYER_NORM_EPSILON)
        self.head = nn.Linear(model.width, model.classes)

    def forward(self, examples: Examples) -> Tensor:
        device = self.head.weight.device
        source = torch.as_tensor(examples.source, device=device)
        if examples.target is None or examples.target_lengths is None:
            nodes = self.tok_emb(source) + self.pos_emb.weight[: source.shape[1]]
            if self.model.causal:
                return self._read_out(self.encoder(nodes, mask=_future(source.shape[1], nodes)))
            return self._read_out(self.encoder(nodes, src_key_padding_mask=_padding(examples.source_lengths, source)))
        if self.model.source_padding_attended:  # then how much padding there is makes a difference
            source = functional.pad(source, (0, self.model.context - source.shape[1]))
        target = torch.as_tensor(examples.target, device=device)
        source_padding = _padding(examples.source_lengths, source)
        nodes = self.transformer(
            self.src_tok_emb(source) + self.src_pos_emb.weight[: source.shape[1]],
            self.tgt_tok_emb(target) + self.tgt_pos_emb.weight[: target.shape[1]],
            tgt_mask=_future(target.shape[1], self.head.weight),
            src_key_padding_mask=source_padding,
            tgt_key_padding_mask=_padding(examples.target_lengths, target),
            memory_key_padding_mask=None if self.model.source_padding_attended else source_padding,
        )
        return self._read_out(nodes)

    def _read_out(self, nodes: Tensor) -> Tensor:
        logits: Tensor = self.head(self.ln(nodes))
        return logits


class PlainModules:
    """Training and evaluation of a `PlainTransformer`, one call a step."""

    def __init__(self, model: ModelSpec, parameters: FloatArray, *, device: str, optimizer: Optimizer) -> None:
        if (model.residual, model.attention, model.loss) != ("plain", "softmax", "cross-entropy"):
            raise Unavailable("PyTorch has no modules of its own for these options of the model")
        self.module = PlainTransformer(model).to(device, torch.float64 if parameters.dtype == np.float64 else None)
        tensors = {name: torch.as_tensor(values) for name, values in layout(model).unflatten(parameters).items()}
        self.module.load_state_dict(tensors)
        self._clip = optimizer.clip
        self._optimizer = _framework_optimizer(self.module, optimizer)

    def step(self, examples: Examples) -> float:
        """One optimizer step on a batch; its loss, nats."""
        self.module.train()
        self._optimizer.zero_grad()
        loss = self._loss(examples)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self.module.parameters(), self._clip)
        self._optimizer.step()
        return loss.item()

    def gradient(self, examples: Examples) -> tuple[float, dict[str, FloatArray]]:
        """Loss, nats, and gradients by name."""
        self.module.zero_grad()
        loss = self._loss(examples)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item(), {n: p.grad.cpu().numpy() for n, p in self.module.named_parameters() if p.grad is not None}

    def accuracy(self, examples: Examples) -> float:
        """Fraction of labels predicted, every example computed."""
        self.module.eval()
        right = labels = 0
        with torch.no_grad():
            for start in range(0, len(examples), EVALUATION_BATCH):
                batch = examples.take(np.arange(start, min(start + EVALUATION_BATCH, len(examples))))
                found = self.module(batch).argmax(-1).cpu().numpy()
                read = batch.labels != IGNORED
                right += int((found == batch.labels)[read].sum())
                labels += int(read.sum())
        return right / labels

    def finite_difference(self, batch_a: Examples, batch_b: Examples) -> float:
        """‖theta_AB − theta_BA‖ / (‖eta g_A‖ ‖eta g_B‖ + 1e-12) with eta 1e-3, as the paper's scripts compute it: the
        module takes each step and each gradient, and gets its parameters back."""
        start = parameters_to_vector(self.module.parameters()).detach()
        step_a, step_b = (ETA * self._flat_gradient(batch) for batch in (batch_a, batch_b))
        vector_to_parameters(start - step_a, self.module.parameters())
        after_ab = start - step_a - ETA * self._flat_gradient(batch_b)
        vector_to_parameters(start - step_b, self.module.parameters())
        after_ba = start - step_b - ETA * self._flat_gradient(batch_a)
        vector_to_parameters(start, self.module.parameters())
        return float((after_ab - after_ba).norm() / (step_a.norm() * step_b.norm() + GUARD))

    def _flat_gradient(self, examples: Examples) -> Tensor:
        self.module.zero_grad()
        self._loss(examples).backward()  # type: ignore[no-untyped-call]
        return torch.cat([p.grad.flatten() for p in self.module.parameters() if p.grad is not None])

    def _loss(self, examples: Examples) -> Tensor:
        logits = self.module(examples)
        labels = torch.as_tensor(examples.labels, device=logits.device)
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def _future(length: int, like: Tensor) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool, device=like.device).triu(1)


def _padding(lengths: object, like: Tensor) -> Tensor:
    return torch.arange(like.shape[1], device=like.device) >= torch.as_tensor(lengths, device=like.device)[:, None]


def _framework_optimizer(module: nn.Module, optimizer: Optimizer) -> torch.optim.Optimizer:
    """PyTorch's own. Raises `Unavailable` for what it does not have."""
    if not optimizer.is_plain:
        raise Unavailable(f"PyTorch has no optimizer of its own for {optimizer.name} with decay {optimizer.decay}")
    return torch.optim.AdamW(
        module.parameters(),
        lr=optimizer.lr,
        betas=(optimizer.beta1, optimizer.beta2),
        eps=optimizer.epsilon,
        weight_decay=optimizer.wd,
    )
