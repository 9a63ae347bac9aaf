"""Golden points: real weights and batches with results in float64, and the errors of a backend at these points.

Small points ship with the package (`grokscope/testing/golden`), so that `grokscope doctor --verify` can measure
the errors of float32 arithmetic on the machine that will be used.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Session
from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.gate import Unreadable, read_bytes, read_json
from grokscope.geometry.commutator import bracket, dot, norm

PACKAGED = Path(__file__).parent.parent / "testing" / "golden"

GOLDEN_TOLERANCES: Mapping[Precision, float] = {"float64": 1e-6, "float32": 1e-3}
"""Largest allowed relative error of any quantity, on any backend"""

LARGEST_POINT = 1 << 30
"""Bytes of a golden point's arrays, packed or not: 1 GiB."""

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class GoldenPoint:
    """A model during training, two batches, and the expected quantities."""

    name: str
    model: ModelSpec
    parameters: FloatArray
    """[size], float32"""
    examples_a: Examples
    examples_b: Examples
    expected: Mapping[str, float]
    """Expected quantities by name, as in `verify`"""


class Check(NamedTuple):
    """One quantity of a golden point."""

    quantity: str
    expected: float
    found: float
    relative_error: float


def golden_points(folder: Path = PACKAGED) -> list[str]:
    """Names of the golden points in `folder`, sorted. Raises `FileNotFoundError` without golden points."""
    names = sorted(path.stem for path in folder.glob("*.npz") if path.with_suffix(".json").exists())
    if not names:
        raise FileNotFoundError(f"{folder} holds no golden point (NAME.npz beside NAME.json)")
    return names


def load(folder: Path, name: str) -> GoldenPoint:
    """The golden point `name`. Raises `Unreadable` for a missing or damaged file, or an unknown task or weight."""
    try:
        return _point(name, read_json(folder / f"{name}.json"), _tensors(folder / f"{name}.npz"))
    except Unreadable:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as problem:
        what = f"{problem} is missing" if isinstance(problem, KeyError) else problem
        raise Unreadable(f"{folder / name} is not a golden point: {what}") from None


def _tensors(file: Path) -> Tensors:
    """The arrays of an NPZ file. Raises `Unreadable`."""
    data = BytesIO(read_bytes(file, LARGEST_POINT))
    try:
        with ZipFile(data) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_POINT:
                raise Unreadable(f"{file} holds more than {LARGEST_POINT:,} bytes")
        with np.load(data, allow_pickle=False) as opened:
            return {key: opened[key] for key in opened}
    except Unreadable:
        raise
    except (BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, MemoryError) as problem:
        raise Unreadable(f"{file} is not an NPZ file of arrays, or is damaged: {problem}") from None


def _point(name: str, facts: Mapping[str, Any], tensors: Tensors) -> GoldenPoint:
    family = str(facts["task"]).partition("-")[0]
    if family not in _FAMILIES:
        raise ValueError(f"{name} has the unknown task {facts['task']!r}; the tasks are {', '.join(sorted(_FAMILIES))}")
    model_of, examples_of = _FAMILIES[family]
    model = model_of(facts["model"])
    return GoldenPoint(
        name=name,
        model=model,
        parameters=layout(model).flatten(_under("weights", tensors)),
        examples_a=examples_of(_under("batch_a", tensors)),
        examples_b=examples_of(_under("batch_b", tensors)),
        expected={key: value for key, value in facts["expected"].items() if isinstance(value, float)},
    )


def verify(point: GoldenPoint, session: Session) -> list[Check]:
    """Compares every expected quantity with the result of a session on `point.model`, by the exact estimator.

    Losses (nats), gradient norms and their cosine, the norms of H_B g_A and H_A g_B, of their difference, and the
    defect. Raises `ValueError` if the point expects another quantity.
    """
    theta = session.asarray(point.parameters)
    batch_a, batch_b = (
        session.prepare(Packer(examples, point.model).batch(np.arange(len(examples))))
        for examples in (point.examples_a, point.examples_b)
    )
    parts = bracket(session, theta, batch_a, batch_b)
    norm_a, norm_b = norm(parts.gradient_a), norm(parts.gradient_b)
    commutator_norm = norm(parts.hvp_b_on_grad_a - parts.hvp_a_on_grad_b)
    found = {
        "loss_a": float(session.gradient(theta, batch_a)[0]),
        "loss_b": float(session.gradient(theta, batch_b)[0]),
        "grad_norm_a": norm_a,
        "grad_norm_b": norm_b,
        "grad_cosine": dot(parts.gradient_a, parts.gradient_b) / (norm_a * norm_b),
        "hvp_norm_b_on_grad_a": norm(parts.hvp_b_on_grad_a),
        "hvp_norm_a_on_grad_b": norm(parts.hvp_a_on_grad_b),
        "commutator_norm": commutator_norm,
        "defect_exact": commutator_norm / (norm_a * norm_b),
    }
    if unknown := point.expected.keys() - found.keys():
        raise ValueError(f"{point.name} expects unknown quantities: {', '.join(sorted(unknown))}")
    return [
        Check(quantity, expected, found[quantity], abs(found[quantity] - expected) / abs(expected))
        for quantity, expected in point.expected.items()
    ]


def worst(checks: Sequence[Check]) -> Check:
    """The check with the largest error. An error that is not a number counts as the largest."""
    return max(checks, key=lambda check: np.inf if np.isnan(check.relative_error) else check.relative_error)


def _under(prefix: str, tensors: Tensors) -> dict[str, NDArray[Any]]:
    """The tensors with names `prefix/name`, by `name`."""
    # The position table of a modular model is a bare parameter in the files, but an embedding in grokscope.
    renamed = {"pos_emb": "pos_emb.weight"}
    inside = {key.removeprefix(f"{prefix}/"): value for key, value in tensors.items() if key.startswith(f"{prefix}/")}
    return {renamed.get(key, key): value for key, value in inside.items()}


def _sizes(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "width": facts["d_model"],
        "layers": facts["layers"],
        "heads": facts["heads"],
        "feed_forward": facts["d_ff"],
        **facts.get("options", {}),
    }


def _dyck_model(facts: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec("decoder", facts["vocab"], facts["context"], facts["classes"], **_sizes(facts))


def _dyck_examples(batch: Tensors) -> Examples:
    labels = batch["depths"].astype(np.int64)
    last_read = labels.shape[1] - (labels[:, ::-1] != IGNORED).argmax(axis=1)
    return Examples(batch["tokens"].astype(np.int64), last_read, labels)


def _modular_model(facts: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec("encoder", facts["modulus"], 2, facts["modulus"], **_sizes(facts))


def _modular_examples(batch: Tensors) -> Examples:
    tokens = np.stack([batch["a"], batch["b"]], axis=1).astype(np.int64)
    labels = np.full(tokens.shape, IGNORED)
    labels[:, 0] = batch["target"]
    return Examples(tokens, np.full(len(tokens), 2), labels)


def _scan_model(facts: Mapping[str, Any]) -> ModelSpec:
    actions = len(facts["action_vocab"])
    return ModelSpec(
        "encoder-decoder",
        vocabulary=len(facts["command_vocab"]),
        context=facts["max_command"],
        classes=actions,
        target_vocabulary=actions,
        target_context=facts["max_actions"],
        source_padding_attended=True,
        **_sizes(facts),
    )


def _scan_examples(batch: Tensors) -> Examples:
    source, target = batch["commands"].astype(np.int64), batch["actions_in"].astype(np.int64)
    labels = batch["actions_out"].astype(np.int64)
    return Examples(source, (source != 0).sum(axis=1), labels, target, (target != 0).sum(axis=1))


_FAMILIES: Mapping[str, tuple[Callable[[Mapping[str, Any]], ModelSpec], Callable[[Tensors], Examples]]] = {
    "dyck": (_dyck_model, _dyck_examples),
    "modular": (_modular_model, _modular_examples),
    "scan": (_scan_model, _scan_examples),
}
