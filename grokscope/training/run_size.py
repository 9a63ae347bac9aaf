"""Whether a run fits into this machine's memory, asked before anything is allocated.

The estimate counts what grows: the flat vectors of a model (parameters, moments, gradient, and those that the probe
holds at a time), the activations of one batch, the batch itself, and the data where its task can say. It is right to a
factor of about two, which is enough to tell a typing error from a large model.
"""

from dataclasses import replace
from typing import Any

from grokscope.contract.memory import TooLarge, require_memory
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.contract.tasks import TaskSpec
from grokscope.settings.config import ConfigError, RunConfig

VECTORS = 12
"""Flat vectors of the model's size at a time: 4 of training, 8 of an exact measurement"""
ACTIVATIONS = 3
"""How often the activations of a batch are held while a Hessian-vector product is taken"""
_BYTES = {"float32": 4, "float64": 8}


def check_data(task: TaskSpec, options: Any) -> None:
    """Raises `ConfigError` where the data of a task, as far as it can say, will not fit into memory."""
    if task.data_bytes is not None:
        _check(task.data_bytes(options), f"the data of {task.name}", "smaller task settings")


def check_model(config: RunConfig, model: ModelSpec, examples: int) -> None:
    """Raises `ConfigError` where training and measuring `model` will not fit; `examples`: of the training set."""
    parameters = parameter_count(model)
    needed = training_bytes(config, model, examples)
    _check(
        needed,
        f"a model of {parameters:,} parameters with batches of {config.train.batch_size:,}",
        "a smaller model.width, model.layers, model.feed_forward or train.batch_size",
    )


def training_bytes(config: RunConfig, model: ModelSpec, examples: int) -> int:
    """Memory that training and measuring take, bytes, roughly; `examples`: of the training set."""
    number = _BYTES[config.backend.precision]
    rows = min(config.train.batch_size, examples)  # a batch holds no sequence twice
    drawn = 16 * config.train.batch_size
    return number * (VECTORS * parameter_count(model) + ACTIVATIONS * rows * activations(model)) + drawn


def parameter_count(model: ModelSpec) -> int:
    """Parameters of `model`, from those of one layer and of two: no list of all layers is made."""
    one, two = (layout(replace(model, layers=layers)).size for layers in (1, 2))
    return one + (model.layers - 1) * (two - one)


def activations(model: ModelSpec) -> int:
    """Numbers that one example leaves behind for the backward pass."""
    tokens, stacks = model.context + model.target_context, 2 if model.shape == "encoder-decoder" else 1
    each = 10 * model.width + 2 * model.feed_forward + 2 * model.heads * max(model.context, model.target_context)
    return tokens * (stacks * model.layers * each + model.width + model.classes)


def _check(needed: int, what: str, remedy: str) -> None:
    try:
        require_memory(what, needed)
    except TooLarge as problem:
        raise ConfigError(f"{problem}: choose {remedy}") from None
