"""Writes the golden points that ship: `python -m grokscope.testing.make_golden`.

One tiny model per task, trained in plain NumPy until its loss has fallen but not vanished, and what the NumPy
reference computes there in float64. No backend has a part in it; that PyTorch's own `nn.Transformer` modules agree is a
test.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope import registry
from grokscope.contract.examples import Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, TaskSpec
from grokscope.machine.verify import PACKAGED, GoldenPoint, verify
from grokscope.testing import reference

SEED = 1
MODEL_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "spherical": {"residual": "spherical"},
    "uniform": {"attention": "uniform"},
    "stablemax": {"loss": "stablemax"},
}
"""Options of a model, one point each"""
GOLDEN_OPTIMIZER = Optimizer(lr=3e-3, wd=1.0)
EXAMPLES_IN_BATCH = 16
QUANTITIES = ("loss_a", "loss_b", "grad_norm_a", "grad_norm_b", "grad_cosine", "commutator_norm",
              "hvp_norm_b_on_grad_a", "hvp_norm_a_on_grad_b", "defect_exact")  # fmt: skip

NamedTensors = dict[str, NDArray[Any]]


def write(folder: Path = PACKAGED) -> None:
    """All packaged golden points, into `folder`."""
    folder.mkdir(exist_ok=True)
    _write(folder, "dyck", 60, _dyck, {"max_pairs": 6, "train_size": 400})
    _write(folder, "modular", 100, _modular, {"modulus": 13})
    _write(folder, "scan", 60, _scan, {})
    for label, changes in MODEL_OPTIONS.items():
        _write(folder, "modular", 100, _modular, {"modulus": 13}, label, changes)


def _write(
    folder: Path,
    name: str,
    steps: int,
    described: Callable[[TaskSpec, ModelSpec], dict[str, Any]],
    options: Mapping[str, Any],
    label: str = "tiny",
    changes: Mapping[str, Any] | None = None,
) -> None:
    task = registry.get("tasks", name)
    data = task.load(task.options.model_validate(options), SEED)
    model, examples = _shrunk(data)
    model = replace(model, **(changes or {}))
    session = reference.SPEC.open(model, initial_parameters(model, SEED))
    packer = Packer(examples, model)
    for step in range(steps):
        rows = generator(SEED, "batch", step).integers(0, len(examples), 2 * EXAMPLES_IN_BATCH)
        session.step(session.prepare(packer.batch(rows)), GOLDEN_OPTIMIZER)
    parameters = session.state().parameters
    a, b = (
        examples.take(generator(SEED, "probe", index=i).integers(0, len(examples), EXAMPLES_IN_BATCH)) for i in range(2)
    )
    tensors: NamedTensors = {f"weights/{key}": value for key, value in layout(model).unflatten(parameters).items()}
    tensors |= {f"batch_{side}/{key}": value.astype(np.int16) for side, batch in (("a", a), ("b", b))
                for key, value in _columns(name, batch).items()}  # fmt: skip
    stem = f"{name}-{label}-seed{SEED}-step{steps}"
    np.savez_compressed(folder / f"{stem}.npz", allow_pickle=False, **tensors)
    facts = {
        "task": f"{name}-{label}",
        "seed": SEED,
        "step": steps,
        "model": described(task, model) | ({"options": dict(changes)} if changes else {}),
        "parameters": parameters.size,
        "expected": _expected(GoldenPoint(stem, model, parameters, a, b, dict.fromkeys(QUANTITIES, 1.0))),
    }
    (folder / f"{stem}.json").write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n")


def _expected(point: GoldenPoint) -> dict[str, float]:
    session = reference.SPEC.open(point.model, point.parameters, precision="float64")
    return {check.quantity: check.found for check in verify(point, session)}


def _shrunk(data: TaskData) -> tuple[ModelSpec, Examples]:
    """A tiny model of the task's kind, and the training examples that fit it: the shorter ones."""
    examples = data.train
    model = replace(data.model, width=16, heads=2, feed_forward=24)
    if examples.target_lengths is None:
        return model, examples
    longest = 14
    short = examples.take(np.flatnonzero(examples.target_lengths <= longest))
    assert short.target is not None
    # Padding is attended to: a source stands in the model's full width, as in the paper's batches.
    source = np.pad(short.source, ((0, 0), (0, model.context - short.source.shape[1])))
    short = replace(short, source=source, target=short.target[:, :longest], labels=short.labels[:, :longest])
    return replace(model, layers=1, target_context=longest), short


def _columns(name: str, batch: Examples) -> NamedTensors:
    """A batch under the names that golden points of its task have."""
    if name == "modular":
        return {"a": batch.source[:, 0], "b": batch.source[:, 1], "target": batch.labels[:, 0]}
    if name == "dyck":
        return {"tokens": batch.source, "depths": batch.labels}
    assert batch.target is not None
    return {"commands": batch.source, "actions_in": batch.target, "actions_out": batch.labels}


def _architecture(model: ModelSpec) -> dict[str, Any]:
    return {"d_model": model.width, "layers": model.layers, "heads": model.heads, "d_ff": model.feed_forward,
            "activation": "gelu (erf)"}  # fmt: skip


def _dyck(task: TaskSpec, model: ModelSpec) -> dict[str, Any]:
    return _architecture(model) | {
        "vocab": model.vocabulary,
        "classes": model.classes,
        "context": model.context,
        "norm": "pre-norm + final",
        "causal": True,
    }


def _modular(task: TaskSpec, model: ModelSpec) -> dict[str, Any]:
    return _architecture(model) | {
        "modulus": model.vocabulary,
        "operation": "add",
        "norm": "pre-norm + final",
        "readout": "first position",
        "causal": False,
    }


def _scan(task: TaskSpec, model: ModelSpec) -> dict[str, Any]:
    return _architecture(model) | {
        "norm": "pre-norm; encoder and decoder each end in a LayerNorm, plus one before the head",
        "command_vocab": {token: index for index, token in enumerate(task.vocabulary["source"])},
        "action_vocab": {token: index for index, token in enumerate(task.vocabulary["target"])},
        "max_command": model.context,
        "max_actions": model.target_context,
    }


if __name__ == "__main__":
    write()
