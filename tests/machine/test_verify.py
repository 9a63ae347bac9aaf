"""Golden points: what ships, that it is true, and how such files are read. On backends: `backends/test_golden.py`."""

import json
import math
import shutil
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from grokscope.contract.examples import IGNORED, Examples
from grokscope.contract.models import LAYER_NORM_EPSILON, ModelSpec
from grokscope.contract.parameters import layout
from grokscope.gate import Unreadable
from grokscope.machine import verify as verify_module
from grokscope.machine.verify import PACKAGED, Check, GoldenPoint, golden_points, load, verify, worst
from grokscope.testing import reference


def test_points_of_every_task_ship() -> None:
    assert {name.partition("-")[0] for name in golden_points()} == {"dyck", "modular", "scan"}
    assert sum(path.stat().st_size for path in PACKAGED.iterdir()) < 200_000


@pytest.mark.parametrize("name", golden_points())
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-11), ("float32", 1e-5)])
def test_reference_agrees(name: str, precision: Any, tolerance: float) -> None:
    point = load(PACKAGED, name)
    checks = verify(point, reference.SPEC.open(point.model, point.parameters, precision=precision))
    assert len(checks) == 9
    assert worst(checks).relative_error < tolerance, worst(checks)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("name", golden_points())
def test_pytorch_modules_agree(name: str) -> None:
    """`nn.TransformerEncoder` and `nn.Transformer` as the paper builds them, in float64, by autograd."""
    torch = pytest.importorskip("torch")
    point = load(PACKAGED, name)
    module = _module(torch, point)
    parameters = [parameter for _, parameter in module.named_parameters()]

    def dot(left: Any, right: Any) -> Any:
        return sum((x * y).sum() for x, y in zip(left, right, strict=True))

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the others have no second derivative
        loss_a, loss_b = (module(examples) for examples in (point.examples_a, point.examples_b))
        grad = partial(torch.autograd.grad, inputs=parameters, materialize_grads=True)
        grad_a, grad_b = (grad(loss, create_graph=True) for loss in (loss_a, loss_b))
        on_a = grad(dot(grad_b, [g.detach() for g in grad_a]))
        on_b = grad(dot(grad_a, [g.detach() for g in grad_b]))
    difference = [x - y for x, y in zip(on_a, on_b, strict=True)]
    norm_a, norm_b, commutator_norm = (dot(x, x).sqrt().item() for x in (grad_a, grad_b, difference))
    assert point.expected == pytest.approx(
        {
            "loss_a": loss_a.item(),
            "loss_b": loss_b.item(),
            "grad_norm_a": norm_a,
            "grad_norm_b": norm_b,
            "grad_cosine": dot(grad_a, grad_b).item() / (norm_a * norm_b),
            "commutator_norm": commutator_norm,
            "hvp_norm_b_on_grad_a": dot(on_a, on_a).sqrt().item(),
            "hvp_norm_a_on_grad_b": dot(on_b, on_b).sqrt().item(),
            "defect_exact": commutator_norm / (norm_a * norm_b),
        },
        rel=1e-11,
    )


def _module(torch: Any, point: GoldenPoint) -> Any:
    """The point's model in PyTorch's own modules, padded; called with examples it returns their loss."""
    model, nn = point.model, torch.nn
    sizes: dict[str, Any] = {"dim_feedforward": model.feed_forward, "dropout": 0.0, "activation": "gelu",
                             "batch_first": True, "norm_first": True, "layer_norm_eps": LAYER_NORM_EPSILON}  # fmt: skip

    def padding(tokens: Any, lengths: Any) -> Any:
        return torch.arange(tokens.shape[1]) >= torch.tensor(lengths)[:, None]

    def future(length: int) -> Any:
        return torch.ones(length, length, dtype=torch.bool).triu(1)

    class Single(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tok_emb = nn.Embedding(model.vocabulary, model.width)
            self.pos_emb = nn.Embedding(model.context, model.width)
            layer = nn.TransformerEncoderLayer(model.width, model.heads, **sizes)
            self.encoder = nn.TransformerEncoder(layer, model.layers, enable_nested_tensor=False)
            self.ln = nn.LayerNorm(model.width)
            self.head = nn.Linear(model.width, model.classes)

        def forward(self, examples: Examples) -> Any:
            tokens = torch.tensor(examples.source)
            x = self.tok_emb(tokens) + self.pos_emb.weight[: tokens.shape[1]]
            if model.residual == "spherical" or model.attention == "uniform":
                return loss(_by_hand(torch, model, self, x), examples)
            x = self.encoder(x, mask=future(tokens.shape[1]) if model.causal else None)
            return loss(self.head(self.ln(x)), examples)

    class Both(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.src_tok_emb = nn.Embedding(model.vocabulary, model.width)
            self.src_pos_emb = nn.Embedding(model.context, model.width)
            self.tgt_tok_emb = nn.Embedding(model.target_vocabulary, model.width)
            self.tgt_pos_emb = nn.Embedding(model.target_context, model.width)
            self.transformer = nn.Transformer(model.width, model.heads, model.layers, model.layers, **sizes)
            self.ln = nn.LayerNorm(model.width)
            self.head = nn.Linear(model.width, model.classes)

        def forward(self, examples: Examples) -> Any:
            assert examples.target is not None
            source, target = torch.tensor(examples.source), torch.tensor(examples.target)
            decoded = self.transformer(
                self.src_tok_emb(source) + self.src_pos_emb.weight[: source.shape[1]],
                self.tgt_tok_emb(target) + self.tgt_pos_emb.weight[: target.shape[1]],
                tgt_mask=future(target.shape[1]),
                src_key_padding_mask=padding(source, examples.source_lengths),
                tgt_key_padding_mask=padding(target, examples.target_lengths),
            )
            return loss(self.head(self.ln(decoded)), examples)

    def loss(logits: Any, examples: Examples) -> Any:
        if model.loss == "stablemax":
            logits = torch.where(logits >= 0, logits + 1, 1 / (1 - logits)).log()
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), torch.tensor(examples.labels).flatten(), ignore_index=IGNORED
        )

    module = (Both if model.shape == "encoder-decoder" else Single)()
    tensors = layout(model).unflatten(point.parameters)
    module.load_state_dict({name: torch.tensor(value) for name, value in tensors.items()})
    return module.double()


def _by_hand(torch: Any, model: ModelSpec, module: Any, x: Any) -> Any:
    """The logits of an encoder with options that PyTorch's own modules lack; `x`: its embedded tokens."""
    linear, normalize = torch.nn.functional.linear, torch.nn.functional.normalize
    spherical = model.residual == "spherical"
    unit = partial(normalize, dim=-1) if spherical else torch.nn.Identity()
    x = unit(x)
    for layer in module.encoder.layers:
        asked, attention = layer.norm1(x), layer.self_attn
        if model.attention == "uniform":
            value = linear(asked, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)[2]
            mixed = attention.out_proj(value.mean(dim=1, keepdim=True))
        else:
            mixed = attention(asked, asked, asked, need_weights=False)[0]
        x = unit(x + mixed)
        x = unit(x + layer.linear2(torch.nn.functional.gelu(layer.linear1(layer.norm2(x)))))
    return model.cosine_scale * x @ unit(module.head.weight).T if spherical else module.head(module.ln(x))


def test_a_wrong_answer_is_seen() -> None:
    point = load(PACKAGED, golden_points()[0])
    wrong = point.parameters.copy()
    wrong[0] += 0.01
    changed = GoldenPoint(point.name, point.model, wrong, point.examples_a, point.examples_b, point.expected)
    checks = verify(changed, reference.SPEC.open(point.model, point.parameters, precision="float64"))
    assert worst(checks).relative_error > 1e-6


def test_what_is_not_a_number_is_worst() -> None:
    fine, broken = Check("loss_a", 1.0, 2.0, 1.0), Check("loss_b", 1.0, math.nan, math.nan)
    assert worst([fine, broken, fine]) is broken


def test_a_folder_without_points_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no golden point"):
        golden_points(tmp_path)


def _edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """A packaged point copied to `folder` with its description changed; returns its name."""
    name = golden_points()[0]
    shutil.copy(PACKAGED / f"{name}.npz", folder)
    facts = json.loads((PACKAGED / f"{name}.json").read_text())
    change(facts)
    (folder / f"{name}.json").write_text(json.dumps(facts))
    return name


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    name = _edited(tmp_path, lambda facts: facts.update(task="chess-small"))
    with pytest.raises(ValueError, match="chess-small"):
        load(tmp_path, name)


def test_an_unknown_quantity_is_refused(tmp_path: Path) -> None:
    point = load(tmp_path, _edited(tmp_path, lambda facts: facts["expected"].update(sharpness=1.0)))
    with pytest.raises(ValueError, match="sharpness"):
        verify(point, reference.SPEC.open(point.model, point.parameters))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    name = _edited(tmp_path, lambda facts: facts["model"].update(d_ff=25))
    with pytest.raises(ValueError, match="linear1"):
        load(tmp_path, name)


@pytest.mark.parametrize("name", golden_points())
def test_batches_are_int64(name: str) -> None:
    point = load(PACKAGED, name)
    assert {point.examples_a.source.dtype, point.examples_b.labels.dtype} == {np.dtype(np.int64)}


def _packed(*members: tuple[str, bytes]) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


ODD_POINTS = {
    "no archive": (b"{}", b"x"),
    "an empty archive": (b'{"task": "modular", "model": {}}', _packed()),
    "no array within": (b"{}", _packed(("weights/a.npy", b"zz"))),
    "UTF-16": (b"\xff\xfe{", _packed()),
    "a list": (b"[]", _packed()),
    "no table as model": (b'{"task": "modular", "model": []}', _packed()),
    "deep nesting": (b"[" * 100_000, _packed()),
}


@pytest.mark.parametrize("odd", ODD_POINTS)
def test_an_odd_golden_point_is_named(tmp_path: Path, odd: str) -> None:
    for suffix, data in zip((".json", ".npz"), ODD_POINTS[odd], strict=True):
        (tmp_path / f"point{suffix}").write_bytes(data)
    with pytest.raises(Unreadable, match="point"):
        load(tmp_path, "point")


def test_a_golden_point_is_bounded_unpacked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("{}")
    with ZipFile(tmp_path / "a.npz", "w", ZIP_DEFLATED) as archive:
        archive.writestr("weights/a.npy", bytes(100_000))
    monkeypatch.setattr(verify_module, "LARGEST_POINT", 50_000)
    with pytest.raises(Unreadable, match="more than 50,000 bytes"):
        load(tmp_path, "a")
