"""A backend in plain NumPy, for tests: slow, and simple enough to be believed.

Sequences stand in padded rectangles, nothing is shared, every operation carries its own pullback. Hessian-vector
products take a complex step (Squire & Trapp 1998): the gradient at θ + i h v has imaginary part h H v + O(h³), and
since nothing is subtracted h may be so small that the result is exact to rounding.

Strict where a framework is lenient: vectors are flat, of the right size and of one precision, and offer the operations
of the contract alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import (
    BackendSpec,
    Bracket,
    Device,
    Prediction,
    StepOutcome,
    TrainingState,
    Unavailable,
)
from grokscope.contract.examples import IGNORED, Batch, Examples, Ints, Stream
from grokscope.contract.models import LAYER_NORM_EPSILON, ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import Layout, Parameter, layout
from grokscope.testing.vectors import StrictVector, StrictVectors

Numbers = NDArray[Any]
"""Real, or complex during a complex step."""

COMPLEX_STEP = {np.dtype(np.float64): 1e-20, np.dtype(np.float32): 1e-10}


# --- a batch, written out ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PaddedRows:
    """One stream, padded at the end."""

    tokens: Ints
    """[sequences, length]"""
    key_lengths: Ints
    """[sequences]: nobody attends to positions from here on"""


@dataclass(frozen=True)
class PaddedBatch:
    """A batch with nothing shared and nothing left out but labels that are none."""

    source: PaddedRows
    target: PaddedRows | None
    source_of_target: Ints | None
    """[target sequences]"""
    reads: Ints
    """[reads], positions in the flattened rectangle that is read out"""
    labels: Ints
    """[reads]"""
    weights: NDArray[np.float64]
    """[reads], sum 1"""


def padded_examples(examples: Examples, model: ModelSpec) -> PaddedBatch:
    """The examples as they stand, one sequence each: the definition that a packed batch must agree with."""
    source = np.where(np.arange(examples.source.shape[1]) < examples.source_lengths[:, None], examples.source, 0)
    if model.source_padding_attended:
        source = np.pad(source, ((0, 0), (0, model.context - source.shape[1])))
    target = None
    if examples.target is not None and examples.target_lengths is not None:
        target = PaddedRows(examples.target, examples.target_lengths)
    labels = examples.labels.ravel()
    reads = np.flatnonzero(labels != IGNORED)
    return PaddedBatch(
        source=PaddedRows(source, examples.source_lengths),
        target=target,
        source_of_target=None if target is None else np.arange(len(examples)),
        reads=reads,
        labels=labels[reads],
        weights=np.full(len(reads), 1 / len(reads)),
    )


def padded_batch(batch: Batch) -> PaddedBatch:
    """A packed batch, written out."""

    def rectangle(stream: Stream) -> PaddedRows:
        return PaddedRows(stream.tokens[stream.rectangle], stream.key_lengths)

    return PaddedBatch(
        source=rectangle(batch.source),
        target=None if batch.target is None else rectangle(batch.target),
        source_of_target=batch.source_of_target,
        reads=batch.last.home[batch.outputs][batch.reads],
        labels=batch.labels,
        weights=batch.weights,
    )


# --- the tape ---------------------------------------------------------------------------------------------------------


class Variable:
    """A value on a tape."""

    def __init__(self, value: Numbers, tape: "Tape") -> None:
        self.value = value
        self.tape = tape
        self.gradient: Numbers | None = None

    def __add__(self, other: "Variable") -> "Variable":
        return self.tape.record(self.value + other.value, (self, other), lambda g: (g, g))


class Tape:
    """Operations in the order in which they were done."""

    def __init__(self) -> None:
        self.entries: list[tuple[Variable, Sequence[Variable], Callable[[Numbers], Sequence[Numbers]]]] = []

    def record(
        self, value: Numbers, inputs: Sequence[Variable], pullback: Callable[[Numbers], Sequence[Numbers]]
    ) -> Variable:
        """`pullback` maps the gradient at the value to the gradients at the inputs."""
        output = Variable(value, self)
        self.entries.append((output, inputs, pullback))
        return output

    def backward(self, output: Variable) -> None:
        """Leave the gradient of the scalar `output` at every variable it depends on."""
        output.gradient = np.ones_like(output.value)
        for result, inputs, pullback in reversed(self.entries):
            if result.gradient is None:
                continue
            for variable, gradient in zip(inputs, pullback(result.gradient), strict=True):
                variable.gradient = gradient if variable.gradient is None else variable.gradient + gradient


def gather(table: Variable, index: Ints) -> Variable:
    """`table[index]`: [n, d] and [...] -> [..., d]"""

    def pullback(g: Numbers) -> Sequence[Numbers]:
        gradient = np.zeros_like(table.value)
        np.add.at(gradient, index, g)
        return (gradient,)

    return table.tape.record(table.value[index], (table,), pullback)


def columns(x: Variable, start: int, stop: int) -> Variable:
    """`x[..., start:stop]`"""

    def pullback(g: Numbers) -> Sequence[Numbers]:
        gradient = np.zeros_like(x.value)
        gradient[..., start:stop] = g
        return (gradient,)

    return x.tape.record(x.value[..., start:stop], (x,), pullback)


def linear(x: Variable, weight: Variable, bias: Variable) -> Variable:
    """[..., into], [out, into], [out] -> [..., out]"""

    def pullback(g: Numbers) -> Sequence[Numbers]:
        flat = g.reshape(-1, g.shape[-1])
        return g @ weight.value, flat.T @ x.value.reshape(-1, x.value.shape[-1]), flat.sum(axis=0)

    return x.tape.record(x.value @ weight.value.T + bias.value, (x, weight, bias), pullback)


def layer_norm(x: Variable, weight: Variable, bias: Variable) -> Variable:
    centred = x.value - x.value.mean(axis=-1, keepdims=True)
    scale = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + LAYER_NORM_EPSILON)
    normal = centred * scale

    def pullback(g: Numbers) -> Sequence[Numbers]:
        flat, at_normal = g.reshape(-1, g.shape[-1]), g * weight.value
        mean = at_normal.mean(axis=-1, keepdims=True)
        along = (at_normal * normal).mean(axis=-1, keepdims=True)
        at_weight = (flat * normal.reshape(flat.shape)).sum(axis=0)
        return scale * (at_normal - mean - normal * along), at_weight, flat.sum(axis=0)

    return x.tape.record(normal * weight.value + bias.value, (x, weight, bias), pullback)


def unit(x: Variable) -> Variable:
    """x / ‖x‖ along the last axis."""
    length = np.sqrt((x.value * x.value).sum(axis=-1, keepdims=True))
    direction = x.value / length

    def pullback(g: Numbers) -> Sequence[Numbers]:
        return ((g - direction * (direction * g).sum(axis=-1, keepdims=True)) / length,)

    return x.tape.record(direction, (x,), pullback)


def stable_log(x: Variable) -> Variable:
    """log s(x), where StableMax is s(x) = x + 1 for x ≥ 0, else 1 / (1 − x)."""
    above = x.value.real >= 0
    value = np.log(np.where(above, x.value + 1, 1 / (1 - x.value)))
    return x.tape.record(value, (x,), lambda g: (g / np.where(above, 1 + x.value, 1 - x.value),))


def cosines(x: Variable, weight: Variable, scale: float) -> Variable:
    """scale · cos(x, row of weight) of unit vectors x, [..., into], [out, into] -> [..., out]"""
    rows = unit(weight)

    def pullback(g: Numbers) -> Sequence[Numbers]:
        flat = scale * g.reshape(-1, g.shape[-1])
        return scale * g @ rows.value, flat.T @ x.value.reshape(-1, x.value.shape[-1])

    return x.tape.record(scale * (x.value @ rows.value.T), (x, rows), pullback)


def gelu(x: Variable) -> Variable:
    """The exact one, x Φ(x)."""
    below = 0.5 * (1 + erf(x.value / math.sqrt(2)))
    density = np.exp(-0.5 * x.value * x.value) / math.sqrt(2 * math.pi)
    return x.tape.record(x.value * below, (x,), lambda g: (g * (below + x.value * density),))


def erf(x: Numbers) -> Numbers:
    """Exact on the real axis, to first order in the imaginary part beside it: what a complex step needs."""
    real = np.frompyfunc(math.erf, 1, 1)(x.real).astype(x.real.dtype)
    if not np.iscomplexobj(x):
        return np.asarray(real)
    return np.asarray(real + 1j * x.imag * (2 / math.sqrt(math.pi)) * np.exp(-x.real * x.real), dtype=x.dtype)


def attention(q: Variable, k: Variable, v: Variable, heads: int, visible: NDArray[np.bool_]) -> Variable:
    """[sequences, queries, d] and twice [sequences, keys, d] -> [sequences, queries, d]

    `visible` broadcasts to [sequences, queries, keys]; every query sees a key.
    """

    def split(x: Numbers) -> Numbers:
        return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)

    def join(x: Numbers) -> Numbers:
        return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)

    queries, keys, values = split(q.value), split(k.value), split(v.value)
    scale = 1 / math.sqrt(queries.shape[-1])
    scores = np.where(visible[:, None], queries @ keys.swapaxes(-1, -2) * scale, -np.inf)
    weights = np.exp(scores - scores.real.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)

    def pullback(g: Numbers) -> Sequence[Numbers]:
        g = split(g)
        at_weights = g @ values.swapaxes(-1, -2)
        at_scores = weights * (at_weights - (at_weights * weights).sum(axis=-1, keepdims=True)) * scale
        return join(at_scores @ keys), join(at_scores.swapaxes(-1, -2) @ queries), join(weights.swapaxes(-1, -2) @ g)

    return q.tape.record(join(weights @ values), (q, k, v), pullback)


def means(v: Variable, queries: int, visible: NDArray[np.bool_]) -> Variable:
    """[sequences, keys, d] -> [sequences, queries, d]: the mean over the keys that a query sees."""
    seen = np.broadcast_to(visible, (len(v.value), queries, v.value.shape[1]))
    shares = seen / seen.sum(axis=-1, keepdims=True)
    shares = shares.astype(v.value.real.dtype)
    return v.tape.record(shares @ v.value, (v,), lambda g: (shares.swapaxes(-1, -2) @ g,))


def weighted_cross_entropy(logits: Variable, labels: Ints, weights: Numbers) -> tuple[Variable, Numbers]:
    """The weighted sum of the losses, and the losses [reads].

    In margin form, log(1 + Σ_{j≠y} exp(z_j − z_y)): no difference of nearly equal numbers, however small the loss.
    """
    z, each = logits.value, np.arange(len(labels))
    others = z - z[each, labels][:, None]
    others[each, labels] = -np.inf
    top = np.maximum(others.real.max(axis=-1), 0)
    sums = np.exp(others - top[:, None]).sum(axis=-1)
    # Where the label wins, top is 0 and log1p keeps every digit; elsewhere exp(-top) is the label's own term.
    losses = np.where(top > 0, top + np.log(sums + np.exp(-top)), np.log1p(sums))

    def pullback(g: Numbers) -> Sequence[Numbers]:
        gradient = np.exp(others - losses[:, None])
        gradient[each, labels] = -gradient.sum(axis=-1)
        return (gradient * weights[:, None] * g,)

    return logits.tape.record(np.asarray((losses * weights).sum()), (logits,), pullback), losses


# --- the transformer --------------------------------------------------------------------------------------------------


class ReferenceTransformer:
    """One forward pass on padded rectangles."""

    def __init__(self, model: ModelSpec, tensors: Mapping[str, Variable]) -> None:
        self.model = model
        self.tensors = tensors

    def representations(self, batch: PaddedBatch) -> Variable:
        """What the read-out is applied to, [sequences, length, width]"""
        if batch.target is None or batch.source_of_target is None:
            x = self.embedded("", batch.source)
            for layer in range(self.model.layers):
                x = self.encoder_layer(f"encoder.layers.{layer}", x, batch.source, causal=self.model.causal)
        else:
            x = self.decoded(batch.source, batch.target, batch.source_of_target)
        return x if self.model.residual == "spherical" else self.norm("ln", x)

    def summed(self, x: Variable, change: Variable) -> Variable:
        return unit(x + change) if self.model.residual == "spherical" else x + change

    def logits(self, representations: Variable) -> Variable:
        if self.model.residual == "spherical":
            return cosines(representations, self.tensors["head.weight"], self.model.cosine_scale)
        return self.linear("head", representations)

    def decoded(self, source: PaddedRows, target: PaddedRows, source_of_target: Ints) -> Variable:
        memory = self.embedded("src_", source)
        for layer in range(self.model.layers):
            memory = self.encoder_layer(f"transformer.encoder.layers.{layer}", memory, source, causal=False)
        memory = self.norm("transformer.encoder.norm", memory)
        memory = gather(memory, source_of_target)
        if self.model.source_padding_attended:
            seen = np.ones((1, 1, source.tokens.shape[1]), dtype=bool)
        else:
            seen = visible(source, causal=False)[source_of_target, :1]
        x = self.embedded("tgt_", target)
        for layer in range(self.model.layers):
            prefix = f"transformer.decoder.layers.{layer}"
            own = self.attended(f"{prefix}.self_attn", self.norm(f"{prefix}.norm1", x), None, visible(target, True))
            x = self.summed(x, own)
            x = self.summed(x, self.attended(f"{prefix}.multihead_attn", self.norm(f"{prefix}.norm2", x), memory, seen))
            x = self.summed(x, self.fed_forward(prefix, self.norm(f"{prefix}.norm3", x)))
        return x if self.model.residual == "spherical" else self.norm("transformer.decoder.norm", x)

    def encoder_layer(self, prefix: str, x: Variable, rectangle: PaddedRows, *, causal: bool) -> Variable:
        seen = visible(rectangle, causal)
        x = self.summed(x, self.attended(f"{prefix}.self_attn", self.norm(f"{prefix}.norm1", x), None, seen))
        return self.summed(x, self.fed_forward(prefix, self.norm(f"{prefix}.norm2", x)))

    def embedded(self, side: str, rectangle: PaddedRows) -> Variable:
        positions = np.broadcast_to(np.arange(rectangle.tokens.shape[1]), rectangle.tokens.shape)
        tokens = gather(self.tensors[f"{side}tok_emb.weight"], rectangle.tokens)
        return self.summed(tokens, gather(self.tensors[f"{side}pos_emb.weight"], positions))

    def attended(self, prefix: str, x: Variable, memory: Variable | None, seen: NDArray[np.bool_]) -> Variable:
        width, weight, bias = self.model.width, self.tensors[f"{prefix}.in_proj_weight"], f"{prefix}.in_proj_bias"
        from_x = linear(x, weight, self.tensors[bias])
        from_memory = from_x if memory is None else linear(memory, weight, self.tensors[bias])
        q = columns(from_x, 0, width)
        k, v = columns(from_memory, width, 2 * width), columns(from_memory, 2 * width, 3 * width)
        if self.model.attention == "uniform":
            return self.linear(f"{prefix}.out_proj", means(v, q.value.shape[1], seen))
        return self.linear(f"{prefix}.out_proj", attention(q, k, v, self.model.heads, seen))

    def fed_forward(self, prefix: str, x: Variable) -> Variable:
        return self.linear(f"{prefix}.linear2", gelu(self.linear(f"{prefix}.linear1", x)))

    def linear(self, prefix: str, x: Variable) -> Variable:
        return linear(x, self.tensors[f"{prefix}.weight"], self.tensors[f"{prefix}.bias"])

    def norm(self, prefix: str, x: Variable) -> Variable:
        return layer_norm(x, self.tensors[f"{prefix}.weight"], self.tensors[f"{prefix}.bias"])


def visible(rectangle: PaddedRows, causal: bool) -> NDArray[np.bool_]:
    """Which key each query attends to, [sequences, queries, keys]. Queries beyond a sequence's end see what the last
    one sees: nobody reads them."""
    length = rectangle.tokens.shape[1]
    keys = np.arange(length) < rectangle.key_lengths[:, None]
    order = np.tril(np.ones((length, length), dtype=bool)) if causal else np.ones((length, length), dtype=bool)
    return np.asarray(keys[:, None, :] & order)


# --- loss, gradient, curvature ----------------------------------------------------------------------------------------


class Forward(NamedTuple):
    """One forward pass, on a tape."""

    tensors: dict[str, Variable]
    """The parameters"""
    representations: Variable
    """[reads, width]"""
    logits: Variable
    """[reads, classes]"""
    losses: Numbers
    """[reads], nats"""
    loss: Variable


def forward(model: ModelSpec, where: Layout, theta: Numbers, batch: PaddedBatch) -> Forward:
    """Everything between the parameters `theta` [size] and their loss."""
    tape = Tape()
    tensors = {name: Variable(value, tape) for name, value in where.unflatten(theta).items()}
    transformer = ReferenceTransformer(model, tensors)
    everywhere = transformer.representations(batch)
    flat = tape.record(
        everywhere.value.reshape(-1, model.width), (everywhere,), lambda g: (g.reshape(everywhere.value.shape),)
    )
    representations = gather(flat, batch.reads)
    logits = transformer.logits(representations)
    scores = stable_log(logits) if model.loss == "stablemax" else logits
    loss, losses = weighted_cross_entropy(scores, batch.labels, batch.weights.astype(theta.real.dtype))
    return Forward(tensors, representations, logits, losses, loss)


def loss_and_gradient(model: ModelSpec, theta: Numbers, batch: PaddedBatch) -> tuple[Any, Any]:
    """Loss in nats, and its gradient [size]. Complex where `theta` is."""
    where = layout(model)
    passed = forward(model, where, theta, batch)
    passed.loss.tape.backward(passed.loss)
    gradient = np.zeros_like(theta)
    for parameter in where:
        piece = passed.tensors[parameter.name].gradient
        if piece is not None:
            gradient[parameter.offset : parameter.stop] = piece.ravel()
    return passed.loss.value[()], gradient


def hessian_vector_product(model: ModelSpec, theta: FloatArray, batch: PaddedBatch, vector: FloatArray) -> FloatArray:
    """H v, [size], exact to rounding."""
    step = COMPLEX_STEP[theta.dtype]
    shifted: Numbers = theta + 1j * (step * vector)
    product: FloatArray = loss_and_gradient(model, shifted, batch)[1].imag / step
    return product


def predictions(model: ModelSpec, theta: FloatArray, batch: PaddedBatch) -> Prediction:
    """What the model says of every read, logits and representations included."""
    passed = forward(model, layout(model), theta, batch)
    logits = passed.logits.value
    return Prediction(passed.losses, logits.argmax(axis=-1), logits, passed.representations.value)


def optimized(
    state: TrainingState, gradient: FloatArray, optimizer: Optimizer, where: Layout
) -> tuple[TrainingState, Any]:
    """One optimizer step as `Optimizer` defines it, tensor by tensor, and the norm of the gradient before clipping."""
    norm = np.sqrt(gradient @ gradient)
    if optimizer.clip is not None:
        gradient = gradient * min(1.0, optimizer.clip / (float(norm) + 1e-6))
    step = state.step + 1
    vectors = [np.empty_like(vector) for vector in state[1:]]
    for parameter in where:
        own = slice(parameter.offset, parameter.stop)
        moments = state.first_moment[own], state.second_moment[own]
        update, *moved = _update(*moments, gradient[own], parameter, optimizer, step)
        decays = optimizer.decay == "all" or len(parameter.shape) == 2
        theta = (1 - optimizer.lr * optimizer.wd * decays) * state.parameters[own] - optimizer.lr * update
        for vector, values in zip(vectors, (theta, *moved), strict=True):
            vector[own] = values
    return TrainingState(step, *vectors), norm


def _update(
    first: FloatArray, second: FloatArray, gradient: FloatArray, parameter: Parameter, optimizer: Optimizer, step: int
) -> tuple[Any, Any, Any]:
    """The update of one tensor, and its moments."""
    hidden = parameter.block in {"attention", "mlp"} and len(parameter.shape) == 2
    mu = optimizer.momentum
    if optimizer.name == "sgd":
        first = mu * first + gradient
        return first, first, second
    if optimizer.name == "muon" and hidden:
        first = mu * first + (1 - mu) * gradient
        ahead = (mu * first + (1 - mu) * gradient).reshape(parameter.shape)
        parts = np.split(ahead, 3) if "in_proj" in parameter.name else [ahead]
        return (
            np.concatenate([orthogonal(part) * 0.2 * np.sqrt(max(part.shape)) for part in parts]).ravel(),
            first,
            second,
        )
    first = optimizer.beta1 * first + (1 - optimizer.beta1) * gradient
    second = optimizer.beta2 * second + (1 - optimizer.beta2) * gradient**2
    corrected = np.sqrt(second / (1 - optimizer.beta2**step)) + optimizer.epsilon
    return first / (1 - optimizer.beta1**step) / corrected, first, second


def orthogonal(matrix: FloatArray) -> FloatArray:
    """What five steps of s ← 3.4445 s − 4.7750 s³ + 2.0315 s⁵ make of a matrix by way of its singular values s."""
    left, s, right = np.linalg.svd(matrix, full_matrices=False)
    s = s / (np.linalg.norm(matrix) + 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    made: FloatArray = (left * s) @ right
    return made


# --- the backend ------------------------------------------------------------------------------------------------------


class ReferenceSession(StrictVectors):
    """`grokscope.contract.backends.Session` in NumPy."""

    device = "cpu"
    _state: TrainingState

    def __init__(self, model: ModelSpec, parameters: FloatArray, precision: Precision) -> None:
        super().__init__(precision)
        self.model = model
        self.size = layout(model).size
        self.restore(TrainingState(0, parameters, np.zeros_like(parameters), np.zeros_like(parameters)))

    @property
    def parameters(self) -> StrictVector:
        return StrictVector(self._state.parameters)

    def prepare(self, batch: Batch) -> PaddedBatch:
        return padded_batch(batch)

    def gradient(self, theta: StrictVector, batch: PaddedBatch) -> tuple[Any, StrictVector]:
        (at,) = self._checked(theta)
        loss, gradient = loss_and_gradient(self.model, at, batch)
        return loss, StrictVector(gradient)

    def hessian_vector_product(self, theta: StrictVector, batch: PaddedBatch, vector: StrictVector) -> StrictVector:
        at, along = self._checked(theta, vector)
        return StrictVector(hessian_vector_product(self.model, at, batch, along))

    def bracket(self, theta: StrictVector, batch_a: PaddedBatch, batch_b: PaddedBatch) -> Bracket:
        gradient_a, gradient_b = self.gradient(theta, batch_a)[1], self.gradient(theta, batch_b)[1]
        return Bracket(
            gradient_a,
            gradient_b,
            self.hessian_vector_product(theta, batch_b, gradient_a),
            self.hessian_vector_product(theta, batch_a, gradient_b),
        )

    def predict(self, theta: StrictVector, batch: PaddedBatch, *, details: bool = False) -> Prediction:
        (at,) = self._checked(theta)
        found = predictions(self.model, at, batch)
        return found if details else Prediction(found.losses, found.classes)

    def step(self, batch: PaddedBatch, optimizer: Optimizer) -> StepOutcome:
        loss, gradient = self.gradient(self.parameters, batch)
        return StepOutcome(loss, self.step_along(gradient, optimizer))

    def step_along(self, gradient: StrictVector, optimizer: Optimizer) -> Any:
        along, _ = self._checked(gradient, self.parameters)
        self._state, norm = optimized(self._state, along, optimizer, layout(self.model))
        return norm

    def displace(self, delta: StrictVector) -> None:
        by, here = self._checked(delta, self.parameters)
        self._state = self._state._replace(parameters=here + by)

    def state(self) -> TrainingState:
        step, *arrays = self._state
        return TrainingState(step, *(array.copy() for array in arrays))

    def restore(self, state: TrainingState) -> None:
        step, *arrays = state
        self._state = TrainingState(step, *self._checked(*(self.asarray(array) for array in arrays)))

    def synchronize(self) -> None:
        """NumPy never keeps anybody waiting."""

    def _checked(self, *vectors: StrictVector) -> list[FloatArray]:
        """Their values. Raises `TypeError` or `ValueError` unless all are this model's, and of one precision."""
        for vector in vectors:
            if not isinstance(vector, StrictVector):
                raise TypeError(f"this backend's vectors are its own, not {type(vector).__name__}: use asarray")
            if vector.dtype != vectors[0].dtype:
                raise TypeError(f"vectors of one precision, not {', '.join(str(each.dtype) for each in vectors)}")
            if len(vector) != self.size:
                raise ValueError(f"a flat vector of this model has {self.size} entries, not {len(vector)}")
        return [vector.tonumpy() for vector in vectors]


def _open(
    model: ModelSpec,
    parameters: FloatArray,
    *,
    device: str = "auto",
    precision: Precision = "float32",
    threads: int | None = None,
) -> ReferenceSession:
    if device not in ("auto", "cpu"):
        raise Unavailable(f"the NumPy reference knows no device {device!r}: choose cpu")
    return ReferenceSession(model, parameters, precision)


SPEC = BackendSpec(
    name="reference",
    summary="Plain NumPy, for tests",
    install="pip install grokscope",
    devices=lambda: [Device("cpu", f"NumPy {np.__version__}", ("float32", "float64"))],
    open=_open,
    details=lambda: {"numpy": np.__version__},
)
