"""Power laws against closed forms, and against SciPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from grokscope.warning.fits import (
    bootstrap,
    censored_power_law,
    leave_one_out,
    power_law,
    resampled,
    slopes,
    theil_sen,
)

X = np.array([100.0, 200, 500, 1000, 3000, 9000])
NOISE = np.array([0.3, -0.2, 0.1, 0.4, -0.5, 0.2])


def test_an_exact_law_is_recovered() -> None:
    fit = power_law(X, 0.5 * X**1.25)
    assert fit is not None
    assert fit.exponent == pytest.approx(1.25, abs=1e-12)
    assert fit.constant == pytest.approx(0.5)
    assert fit.r_squared == pytest.approx(1.0)
    assert fit.standard_error < 1e-7
    np.testing.assert_allclose(fit.at(X), 0.5 * X**1.25)


def test_least_squares_as_scipy_has_it() -> None:
    y = X**0.7 * np.exp(NOISE)
    fit, known = power_law(X, y), stats.linregress(np.log(X), np.log(y))
    assert fit is not None
    assert fit.exponent == pytest.approx(known.slope)
    assert math.log(fit.constant) == pytest.approx(known.intercept)
    assert fit.standard_error == pytest.approx(known.stderr)
    assert fit.r_squared == pytest.approx(known.rvalue**2)
    assert fit.p == pytest.approx(known.pvalue)
    half = stats.t.ppf(0.975, 4) * known.stderr
    assert (fit.low, fit.high) == pytest.approx((known.slope - half, known.slope + half))


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_units_change_the_constant_alone(unit_x: float, unit_y: float) -> None:
    y = X**0.7 * np.exp(NOISE)
    fit, scaled = power_law(X, y), power_law(unit_x * X, unit_y * y)
    assert fit is not None
    assert scaled is not None
    assert scaled.exponent == pytest.approx(fit.exponent)
    assert scaled.standard_error == pytest.approx(fit.standard_error)
    assert scaled.constant == pytest.approx(fit.constant * unit_y / unit_x**fit.exponent)


def test_too_little_to_fit() -> None:
    assert power_law(X[:2], X[:2]) is None
    assert power_law(np.full(5, 3.0), X[:5]) is None
    assert leave_one_out(X[:3], X[:3]) is None
    assert theil_sen(np.full(3, 2.0), X[:3]) is None
    assert bootstrap(X, X, list("aabbab")) is None
    assert resampled(np.array([np.nan])) is None


def test_a_steep_law_stays_a_number() -> None:
    fit = power_law(np.array([1000.0, 1001, 1002]), np.array([1e9, 1.0, 1e-9]))
    assert fit is not None
    assert math.isfinite(fit.constant)
    assert np.isfinite(fit.at(np.array([1.0, 1e9]))).all()


def test_weighted_slopes_are_those_of_repeated_points() -> None:
    v = 0.7 * np.log(X) + NOISE
    weights = np.array([2, 0, 1, 3, 1, 0])
    expected = np.polyfit(np.repeat(np.log(X), weights), np.repeat(v, weights), 1)[0]
    assert slopes(np.log(X)[None], v[None], weights[None].astype(float))[0] == pytest.approx(expected)
    assert np.isnan(slopes(np.log(X)[None], v[None], np.array([[1.0, 2, 0, 0, 0, 0]])))


def test_leave_one_out_names_the_points() -> None:
    y = X**0.7 * np.exp(NOISE)
    found = leave_one_out(X, y)
    each = [np.polyfit(np.log(np.delete(X, index)), np.log(np.delete(y, index)), 1)[0] for index in range(6)]
    assert found is not None
    assert (found.low, found.high) == pytest.approx((min(each), max(each)))
    assert (found.without_low, found.without_high) == (int(np.argmin(each)), int(np.argmax(each)))


def test_theil_sen_as_scipy_has_it_and_blind_to_an_outlier() -> None:
    y = X**0.7 * np.exp(NOISE)
    assert theil_sen(X, y) == pytest.approx(stats.theilslopes(np.log(y), np.log(X)).slope)
    wild = X**2.0
    wild[3] *= 1e6
    assert theil_sen(X, wild) == pytest.approx(2.0)


def test_the_bootstrap_covers_and_repeats_itself() -> None:
    """Standard deviation under resampling is that of least squares, roughly; clusters of copies make it wider."""
    random = np.random.default_rng(0)
    x = np.exp(random.uniform(0, 3, 60))
    y = x * np.exp(random.normal(0, 0.3, 60))
    names = [str(index) for index in range(60)]
    fit, drawn = power_law(x, y), bootstrap(x, y, names, draws=2000)
    assert fit is not None
    assert drawn is not None
    assert drawn == bootstrap(x, y, names, draws=2000)
    assert drawn != bootstrap(x, y, names, draws=2000, seed=1)
    assert (drawn.high - drawn.low) == pytest.approx(fit.high - fit.low, rel=0.25)
    twice = bootstrap(np.tile(x, 2), np.tile(y, 2), names * 2, draws=2000)
    alone = bootstrap(np.tile(x, 2), np.tile(y, 2), [str(index) for index in range(120)], draws=2000)
    assert twice is not None
    assert alone is not None
    assert twice.high - twice.low == pytest.approx(drawn.high - drawn.low, rel=0.1)
    assert alone.high - alone.low < 0.8 * (twice.high - twice.low)


def test_without_censoring_maximum_likelihood_is_least_squares() -> None:
    y = X**0.7 * np.exp(NOISE)
    fit, likely = power_law(X, y), censored_power_law(X, y, np.ones(6, dtype=bool))
    assert fit is not None
    assert likely is not None
    assert likely.exponent == pytest.approx(fit.exponent)
    assert likely.constant == pytest.approx(fit.constant)
    assert likely.standard_error == pytest.approx(fit.standard_error * math.sqrt(4 / 6))
    assert likely.censored == 0


def test_censored_values_are_not_taken_for_seen_ones() -> None:
    """1,000 runs of a known law, cut at a budget: the likelihood finds it, least squares on those seen does not."""
    random = np.random.default_rng(1)
    x = np.exp(random.uniform(0, 4, 1000))
    y = 2.0 * x * np.exp(random.normal(0, 0.8, 1000))
    seen = y < 30
    likely, naive = censored_power_law(x, np.minimum(y, 30), seen), power_law(x[seen], y[seen])
    assert likely is not None
    assert naive is not None
    assert likely.exponent == pytest.approx(1.0, abs=3 * likely.standard_error)
    assert likely.standard_error < 0.05
    assert likely.sigma == pytest.approx(0.8, abs=0.06)
    assert naive.exponent < 0.8


def test_censored_likelihood_as_scipy_has_it() -> None:
    """One x for all but one, so that the law is a log-normal distribution: SciPy fits that to censored data."""
    random = np.random.default_rng(2)
    logs = random.normal(1.0, 0.5, 50)
    seen = logs < 1.2
    x, y = np.ones(50), np.exp(np.minimum(logs, 1.2))
    x[np.flatnonzero(seen)[:2]] = math.e
    y[np.flatnonzero(seen)[:2]] = [math.exp(1.0), math.exp(1.5)]  # pins the exponent, tells nothing of the rest
    rest = x == 1
    data = stats.CensoredData(uncensored=np.log(y[seen & rest]), right=np.log(y[~seen & rest]))
    mean, _ = stats.norm.fit(data)
    found = censored_power_law(x, y, seen)
    assert found is not None
    assert math.log(found.constant) == pytest.approx(mean, abs=0.02)


def test_nothing_to_be_likely_about() -> None:
    assert censored_power_law(X, X, np.array([True, True, *[False] * 4])) is None
    assert censored_power_law(X, X**2, np.ones(6, dtype=bool)) is None, "an exact law has no finite likelihood"
