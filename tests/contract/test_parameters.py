"""Where parameters lie and how they start."""

from dataclasses import replace
from itertools import pairwise
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.contract.models import ModelShape, ModelSpec
from grokscope.contract.parameters import Layout, initial_parameters, layout

MODULAR = ModelSpec("encoder", vocabulary=97, context=2, classes=97, position_std=1 / sqrt(128), identical_layers=True)
DYCK = ModelSpec("decoder", vocabulary=3, context=24, classes=13, identical_layers=True)
SCAN = ModelSpec(
    "encoder-decoder", vocabulary=16, context=11, classes=9, width=256, layers=3, heads=4, feed_forward=512,
    target_vocabulary=9, target_context=50,
)  # fmt: skip
FAMILIES = pytest.mark.parametrize("model", [MODULAR, DYCK, SCAN], ids=["modular", "dyck", "scan"])

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"


def standing(model: ModelSpec, seed: int = 0) -> tuple[Layout, dict[str, np.ndarray]]:
    where = layout(model)
    return where, where.unflatten(initial_parameters(model, seed))


def covered(slices: list[tuple[int, int]]) -> int:
    return sum(stop - start for start, stop in slices)


@pytest.mark.parametrize(
    ("model", "size"), [(MODULAR, 290_401), (DYCK, 270_349), (replace(DYCK, context=48), 273_421), (SCAN, 3_979_529)]
)
def test_sizes_are_the_paper_s(model: ModelSpec, size: int) -> None:
    assert layout(model).size == size


@st.composite
def models(draw: st.DrawFn) -> ModelSpec:
    heads = draw(st.integers(1, 3))
    shape: ModelShape = draw(st.sampled_from(["encoder", "decoder", "encoder-decoder"]))
    size = st.integers(1, 5)
    return ModelSpec(
        shape, draw(size), draw(size), draw(size), heads * draw(size), draw(st.integers(1, 3)), heads, draw(size),
        target_vocabulary=draw(size), target_context=draw(size), identical_layers=draw(st.booleans()),
    )  # fmt: skip


@given(models(), st.integers(0, 2**32))
def test_flat_vectors_and_named_tensors_are_the_same_thing(model: ModelSpec, seed: int) -> None:
    """Parameters tile the vector without gap or overlap; names are unique; there and back changes no bit."""
    where = layout(model)
    assert [parameter.offset for parameter in where] == [0, *(parameter.stop for parameter in where)][:-1]
    assert list(where)[-1].stop == where.size
    assert len(where.by_name) == len(where.parameters)
    vector = np.random.default_rng(seed).normal(size=where.size).astype(np.float32)
    tensors = where.unflatten(vector)
    assert {name: tensor.shape for name, tensor in tensors.items()} == {p.name: p.shape for p in where}
    assert (where.flatten(tensors) == vector).all()


@given(models())
def test_groups_cover_the_vector_twice(model: ModelSpec) -> None:
    """Blocks are a partition of the vector; layers are one of all but the embedding, the final norms and the head."""
    where = layout(model)
    groups = where.groups()
    blocks = {name: groups[name] for name in groups if "." not in name}
    layers = {name: groups[name] for name in groups if "." in name}
    assert blocks.keys() == {"embedding", "attention", "mlp", "norm", "head"}
    stacks = ["encoder", "decoder"] if model.shape == "encoder-decoder" else ["encoder"]
    assert layers.keys() == {f"{stack}.{layer}" for stack in stacks for layer in range(model.layers)}
    marks = np.zeros(where.size, dtype=int)
    for slices in blocks.values():
        for start, stop in slices:
            marks[start:stop] += 1
    assert (marks == 1).all()
    assert sum(map(covered, layers.values())) == sum(p.size for p in where if p.layer is not None)
    for slices in groups.values():
        assert all(before[1] < after[0] for before, after in pairwise(slices)), "not merged"


def test_tensors_that_do_not_fit_are_named() -> None:
    where, tensors = standing(DYCK)
    with pytest.raises(ValueError, match=r"missing \['ln\.bias'\]"):
        where.flatten({name: tensor for name, tensor in tensors.items() if name != "ln.bias"})
    with pytest.raises(ValueError, match=r"unknown \['extra'\]"):
        where.flatten({**tensors, "extra": np.zeros(1)})
    with pytest.raises(ValueError, match=r"ln\.bias is \(1,\), the model has \(128,\)"):
        where.flatten({**tensors, "ln.bias": np.zeros(1)})


@FAMILIES
def test_initial_values_have_the_distribution_of_the_paper_s_modules(model: ModelSpec) -> None:
    """Bounds are kept and nearly reached; standard deviations are within 5 standard errors."""
    where, tensors = standing(model)
    for p in where:
        values = tensors[p.name].astype(np.float64).ravel()
        if p.initial == "uniform":
            assert np.abs(values).max() <= p.scale * (1 + 1e-6)
            expected, kurtosis = p.scale / sqrt(3), 1.8
        elif p.initial == "normal":
            expected, kurtosis = p.scale, 3.0
        else:
            assert (values == (p.initial == "ones")).all()
            continue
        assert abs(values.mean()) < 5 * expected / sqrt(p.size)
        assert abs(values.std() / expected - 1) < 5 * sqrt((kurtosis - 1) / (4 * p.size))


def test_scales_are_pytorch_s() -> None:
    """Written out from `reset_parameters` of the modules, not from ours."""
    encoder = layout(MODULAR).by_name
    assert encoder["encoder.layers.0.self_attn.in_proj_weight"].scale == sqrt(6 / (128 + 384))
    assert encoder["encoder.layers.0.self_attn.out_proj.weight"].scale == 1 / sqrt(128)
    assert encoder["encoder.layers.0.linear2.weight"].scale == encoder["encoder.layers.0.linear2.bias"].scale == 1 / 16
    assert encoder["pos_emb.weight"].scale == 1 / sqrt(128)
    assert encoder["tok_emb.weight"].scale == 1
    transformer = layout(SCAN).by_name
    assert transformer["transformer.encoder.layers.0.linear1.weight"].scale == sqrt(6 / (256 + 512))
    assert transformer["transformer.decoder.layers.2.multihead_attn.out_proj.weight"].scale == sqrt(6 / 512)
    assert transformer["transformer.encoder.layers.0.linear1.bias"].scale == 1 / 16
    assert transformer["head.weight"].scale == 1 / 16


@pytest.mark.parametrize("identical", [True, False])
@pytest.mark.parametrize("model", [MODULAR, SCAN], ids=["modular", "scan"])
def test_layers_start_identical_where_the_model_says_so(model: ModelSpec, identical: bool) -> None:
    where, tensors = standing(replace(model, identical_layers=identical))
    for p in where:
        if p.layer and p.initial == "uniform":
            first = tensors[p.name.replace(f".{p.layer}.", ".0.", 1)]
            assert (tensors[p.name] == first).all() == identical
    if model.shape == "encoder-decoder":
        stacks = [tensors[f"transformer.{stack}.layers.0.linear1.weight"] for stack in ("encoder", "decoder")]
        assert (stacks[0] != stacks[1]).any()


def test_initial_parameters_are_a_function_of_model_and_seed() -> None:
    small = ModelSpec("decoder", 3, 4, 3, width=8, layers=1, heads=2, feed_forward=8)
    first = initial_parameters(small, 7)
    assert first.dtype == np.float32
    assert (first == initial_parameters(small, 7)).all()
    assert (first != initial_parameters(small, 8)).mean() > 0.5
    tensors = layout(small).unflatten(first)
    assert tensors["tok_emb.weight"].ravel()[:3] == pytest.approx([-0.5041852593, -1.0002763271, 1.0628399849])
    assert tensors["head.weight"].ravel()[:3] == pytest.approx([0.2282636315, 0.0082885465, -0.2341012061])


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden points lie beside a developer's checkout")
@pytest.mark.parametrize(
    ("point", "model"),
    [
        ("modular-add-seed1-step0", MODULAR),
        ("dyck-seed1-step0", DYCK),
        ("scan-small-seed1-step0", replace(SCAN, width=64, layers=2, feed_forward=128)),
    ],
)
def test_names_and_shapes_are_those_of_the_golden_points(point: str, model: ModelSpec) -> None:
    golden = np.load(GOLDEN / f"{point}.npz")
    theirs = {name.removeprefix("weights/"): golden[name].shape for name in golden.files if name.startswith("weights/")}
    if "pos_emb" in theirs:
        theirs["pos_emb.weight"] = theirs.pop("pos_emb")
    assert {p.name: p.shape for p in layout(model)} == theirs
