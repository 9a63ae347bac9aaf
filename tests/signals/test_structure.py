"""Signals of the weights at one moment: Fourier structure, singular values, shares."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from signals_made import MadeVantage, Numbers, made_layout, opened

from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Subject
from grokscope.signals.fourier_growth import fourier_power, gini, token_orders

# --- Fourier ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modulus", [5, 7, 12, 59])
def test_a_wave_has_its_power_at_its_frequency(modulus: int) -> None:
    """Σ_t of cos²: n/2 of each of the two mirror images times n; of a constant nothing."""
    tokens = np.arange(modulus)
    wave = np.stack([3 * np.cos(2 * np.pi * 2 * tokens / modulus + 0.3), np.full(modulus, 5.0)], axis=1)
    power = fourier_power(wave)
    assert len(power) == modulus // 2
    assert power[1] == pytest.approx(9 * modulus / 2 * modulus)
    assert np.delete(power, 1) == pytest.approx(0, abs=1e-9 * power[1])


@given(arrays(np.float64, st.tuples(st.integers(3, 30), st.integers(1, 4)), elements=st.floats(-10, 10)))
def test_power_sums_to_the_squared_deviation_from_the_mean(table: Numbers) -> None:
    """Parseval"""
    deviation = ((table - table.mean(axis=0)) ** 2).sum()
    assert fourier_power(table).sum() == pytest.approx(len(table) * deviation, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 1, 1, 1], 0), ([0, 0, 0, 5], 3 / 4), ([1, 3], 1 / 4), ([3, 0, 1], 1 / 2), ([7], 0)],
)
def test_gini_coefficients(values: Sequence[float], expected: float) -> None:
    """Half the mean absolute difference over the mean."""
    array = np.array(values, dtype=float)
    half = np.abs(array[:, None] - array).mean() / 2 / array.mean()
    assert gini(array) == pytest.approx(expected) == pytest.approx(half)


@pytest.mark.parametrize("modulus", [5, 7, 11, 59, 97])
def test_the_second_order_of_a_prime_is_that_of_powers(modulus: int) -> None:
    """In it multiplication by the generator is a shift."""
    order = token_orders(modulus)["multiplicative"]
    assert sorted(order) == list(range(1, modulus))
    assert order[0] == 1
    assert (order[1:] == order[:-1] * order[1] % modulus).all()
    assert order[-1] * order[1] % modulus == 1


@pytest.mark.parametrize("modulus", [6, 8, 12, 15])
def test_the_numbers_of_a_product_have_one_order(modulus: int) -> None:
    assert list(token_orders(modulus)) == ["additive"]


def embedded(table: Numbers, decay_time: float, recorded: Any = None) -> MadeVantage:
    layout = made_layout({"emb": table.shape, "up": (2, 2)})
    parameters = np.concatenate([table.ravel(), np.ones(4)])
    return MadeVantage(
        step=round(1000 * decay_time), decay_time=decay_time, layout=layout, parameters=parameters,
        recorded=recorded or {},
    )  # fmt: skip


def grown(tables: dict[float, Numbers]) -> list[dict[str, float | None]]:
    """What the signal says of embeddings at several decay times, with what it said before on record."""
    shape = next(iter(tables.values())).shape
    subject = Subject("made", {"group": f"Z_{shape[0]}"}, layout=made_layout({"emb": shape, "up": (2, 2)}))
    recorded: dict[str, tuple[list[float], list[float]]] = {}
    said = []
    for decay_time, table in tables.items():
        vantage = embedded(table, decay_time, recorded)
        numbers = dict(opened("fourier_growth", subject).observe(vantage))
        said.append(numbers)
        for name, value in {**numbers, "decay_time": decay_time}.items():
            steps, values = recorded.setdefault(name, ([], []))
            steps.append(vantage.step)
            values.append(value)
    return said


def test_growth_is_counted_from_the_reference() -> None:
    random = np.random.default_rng(0)
    noise, tokens = random.normal(size=(11, 6)), np.arange(11)
    wave = np.cos(2 * np.pi * 3 * tokens / 11)[:, None] * np.ones(6)
    before, reference, now = grown({0.5: noise, 0.7: noise + wave, 2.0: 9 * wave})
    assert "fourier_growth" not in before
    assert reference["fourier_growth"] == 1
    assert now["fourier_growth_additive"] == pytest.approx(1 - 1 / 5)
    assert now["fourier_growth"] == pytest.approx(
        max(
            0.8 / reference["fourier_growth_additive"],
            now["fourier_growth_multiplicative"] / reference["fourier_growth_multiplicative"],
        )
    )


def test_the_order_in_which_more_has_grown_counts() -> None:
    """A character of the multiplicative group: no order of the numbers shows it, the powers of a generator do."""
    powers = token_orders(11)["multiplicative"]
    noise = np.random.default_rng(1).normal(size=(11, 6))
    character = np.zeros((11, 6))
    character[powers] = np.cos(2 * np.pi * 2 * np.arange(10) / 10)[:, None]
    reference, now = grown({0.6: noise, 2.0: character})
    assert now["fourier_growth_multiplicative"] == pytest.approx(1 - 1 / 5)
    assert now["fourier_growth"] == pytest.approx(0.8 / reference["fourier_growth_multiplicative"])
    assert now["fourier_growth"] > now["fourier_growth_additive"] / reference["fourier_growth_additive"]


def test_growth_does_not_see_scale_or_shift() -> None:
    noise = np.random.default_rng(2).normal(size=(7, 3))
    reference, now = grown({0.6: noise, 2.0: 0.01 * np.roll(noise, 2, axis=0) + 4})
    assert now["fourier_growth_additive"] == pytest.approx(reference["fourier_growth_additive"])


@pytest.mark.parametrize(
    ("facts", "rows", "reason"),
    [({}, 7, "residues"), ({"group": "S_5"}, 120, "residues"), ({"group": "Z_3"}, 3, "5 tokens"),
     ({"group": "Z_7"}, 8, "no embedding of 7")],
)  # fmt: skip
def test_runs_without_a_group_have_no_growth(facts: dict[str, str], rows: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        opened("fourier_growth", Subject("made", facts, layout=made_layout({"emb": (rows, 4)})))


# --- singular values and shares ---------------------------------------------------------------------------------------


def test_sigma_ratio_is_embedding_over_the_median_matrix() -> None:
    """Diagonal matrices: 6 over the median of 1, 2 and 9."""
    layout = made_layout({"emb": (3, 2), "a": (2, 2), "b": (2, 3), "c": (2, 2)})
    tables = [
        np.array([[6.0, 0], [0, 1], [0, 0]]),
        np.diag([1.0, 0.5]),
        np.array([[2.0, 0, 0], [0, 1, 0]]),
        np.diag([9.0, 1]),
    ]
    vantage = MadeVantage(layout=layout, parameters=np.concatenate([table.ravel() for table in tables]))
    seen = opened("sigma_ratio", Subject("made", layout=layout)).observe(vantage)
    assert seen["sigma_ratio"] == pytest.approx(3)
    assert (seen["sigma_ratio_embedding"], seen["sigma_ratio_matrices"]) == pytest.approx((6, 2))


def test_embedding_share() -> None:
    """(3² + 4²) / (3² + 4² + 5 · 5²) and all embeddings together."""
    layout = made_layout({"emb": (1, 1), "a": (1, 5), "emb_positions": (1, 1)})
    vantage = MadeVantage(layout=layout, parameters=np.array([3.0, 5, 5, 5, 5, 5, 4]))
    assert opened("embedding_share", Subject("made", layout=layout)).observe(vantage) == {"embedding_share": 25 / 150}
    vantage.parameters = np.zeros(7)
    assert opened("embedding_share", Subject("made", layout=layout)).observe(vantage) == {"embedding_share": None}


@pytest.mark.parametrize("name", ["embedding_share", "sigma_ratio"])
def test_models_without_embeddings(name: str) -> None:
    with pytest.raises(ValueError, match="embedding"):
        opened(name, Subject("made", layout=made_layout({"up": (2, 2)})))


# --- queries and keys -------------------------------------------------------------------------------------------------


def attention(queries_and_keys: list[tuple[Any, Any]]) -> MadeVantage:
    """A model whose attentions have these query and key matrices; values and outputs are zero."""
    tables = [np.concatenate([query, key, np.zeros_like(query)]) for query, key in queries_and_keys]
    layout = made_layout({f"encoder.{index}.in_proj_weight": table.shape for index, table in enumerate(tables)})
    layout = Layout(tuple(replace(each, block="attention", layer=index) for index, each in enumerate(layout)))
    return MadeVantage(layout=layout, parameters=np.concatenate([table.ravel() for table in tables]))


def test_matrix_commutator_is_the_mean_over_attentions() -> None:
    """[e₁₂, e₂₁] = diag(1, −1), of norm √2; diagonal matrices commute."""
    up, down = np.array([[0.0, 1], [0, 0]]), np.array([[0.0, 0], [1, 0]])
    vantage = attention([(up, down), (np.diag([1.0, 2]), np.diag([3.0, 4]))])
    seen = opened("matrix_commutator", Subject("made", layout=vantage.layout)).observe(vantage)
    assert seen == {"matrix_commutator": pytest.approx(np.sqrt(2) / 2)}


def test_query_gap_is_the_mean_over_attentions() -> None:
    """Singular values 5 and 2 of a rotated matrix, 1 and 1 of the identity; keys do not count."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    vantage = attention([(turn @ np.diag([5.0, 2]), np.diag([9.0, 1])), (np.eye(2), np.eye(2))])
    seen = opened("query_gap", Subject("made", layout=vantage.layout)).observe(vantage)
    assert seen == {"query_gap": pytest.approx(1.5)}


@pytest.mark.parametrize("name", ["matrix_commutator", "query_gap"])
def test_models_without_attention(name: str) -> None:
    with pytest.raises(ValueError, match="square query and key matrices"):
        opened(name, Subject("made", layout=made_layout({"emb": (3, 2), "up": (2, 2)})))
    with pytest.raises(ValueError, match="square query and key matrices"):  # numbers, which have no gap and commute
        opened(name, Subject("made", layout=attention([(np.eye(1), np.eye(1))]).layout))
