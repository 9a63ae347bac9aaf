"""What is MLX's own: how it says that it is missing, float64 that is float64, few shapes, compiled steps."""

import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grokscope import registry
from grokscope.contract.backends import Unavailable
from grokscope.contract.examples import Packer
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.plans import EXACT, FEW_SHAPES, forward_plan, on_device
from grokscope.testing.backends import CASES, ModelCase

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

IMPORT_FAILS = """
import sys
from importlib.abc import MetaPathFinder

class Broken(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "mlx.core":
            raise ImportError({message!r})

sys.meta_path.insert(0, Broken())
"""


def _interpreter(source: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, check=True)
    return done.stdout


def test_reading_the_spec_imports_no_mlx() -> None:
    source = """
import sys
from grokscope import registry
registry.get("backends", "mlx")
print([name for name in ("mlx", "mlx.core", "torch") if name in sys.modules])
"""
    assert _interpreter(source).strip() == "[]"


@pytest.mark.parametrize("verb", ["devices()", "details()", "open(None, None)"])
def test_a_missing_framework_is_an_answer(verb: str) -> None:
    source = (
        IMPORT_FAILS.format(message="No module named 'mlx'")
        + f"""
from grokscope import registry
from grokscope.contract.backends import Unavailable
try:
    registry.get("backends", "mlx").{verb}
except Unavailable as problem:
    print(problem)
"""
    )
    said = _interpreter(source)
    assert "pip install '.[mlx]'" in said
    assert "No module named 'mlx'" in said
    assert "Linux" not in said


def test_mlx_without_its_library_says_why() -> None:
    """`pip install mlx` on Linux."""
    source = (
        IMPORT_FAILS.format(message="libmlx.so: cannot open shared object file")
        + """
from grokscope import registry
from grokscope.contract.backends import Unavailable
try:
    registry.get("backends", "mlx").devices()
except Unavailable as problem:
    print(problem)
"""
    )
    said = _interpreter(source)
    assert "on Linux `pip install mlx` alone brings no library" in said
    assert "pip install '.[mlx]'" in said


@pytest.fixture
def mx() -> Any:
    """MLX itself, on the CPU."""
    core = pytest.importorskip("mlx.core", exc_type=ImportError)
    core.set_default_device(core.cpu)
    return core


class TestFunctions:
    """In float64, to float64 rounding: MLX's own are float32 inside (ml-explore/mlx#3047)."""

    x = np.linspace(-7, 7, 701)

    def test_exp(self, mx: Any) -> None:
        from grokscope_mlx.operations import exp

        found = np.array(exp(mx.array(self.x, dtype=mx.float64)))
        np.testing.assert_allclose(found, np.exp(self.x), rtol=4e-15)

    def test_erf(self, mx: Any) -> None:
        from grokscope_mlx.operations import erf

        found = np.array(erf(mx.array(self.x, dtype=mx.float64)))
        np.testing.assert_allclose(found, [math.erf(x) for x in self.x], atol=1e-15, rtol=0)

    def test_gelu_and_its_slopes(self, mx: Any) -> None:
        from grokscope_mlx.operations import gelu

        x = mx.array(self.x, dtype=mx.float64)
        below = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in self.x])
        density = np.exp(-0.5 * self.x**2) / math.sqrt(2 * math.pi)

        def slope(x: Any) -> Any:
            return mx.grad(lambda y: gelu(y).sum())(x)

        def curvature(x: Any) -> Any:
            return mx.grad(lambda y: slope(y).sum())(x)

        np.testing.assert_allclose(np.array(gelu(x)), self.x * below, atol=3e-15)
        np.testing.assert_allclose(np.array(slope(x)), below + self.x * density, atol=3e-15)
        np.testing.assert_allclose(np.array(curvature(x)), (2 - self.x**2) * density, atol=3e-15)

    @pytest.mark.parametrize(("precision", "digits"), [("float64", 1e-14), ("float32", 3e-6)])
    def test_softplus_keeps_its_digits(self, mx: Any, precision: str, digits: float) -> None:
        from grokscope_mlx.operations import softplus

        values = np.array([-80.0, -30.0, -14.0, -1.0, 0.0, 1.0, 14.0, 30.0])
        x = mx.array(values, dtype=getattr(mx, precision))
        small = np.exp(-np.abs(values))

        def slope(x: Any) -> Any:
            return mx.grad(lambda y: softplus(y).sum())(x)

        def curvature(x: Any) -> Any:
            return mx.grad(lambda y: slope(y).sum())(x)

        np.testing.assert_allclose(np.array(softplus(x)), np.logaddexp(values, 0), rtol=digits)
        np.testing.assert_allclose(np.array(slope(x)), 1 / (1 + np.exp(-values)), rtol=digits)
        np.testing.assert_allclose(np.array(curvature(x)), small / (1 + small) ** 2, rtol=digits)


def _opened(case: ModelCase) -> Any:
    return registry.get("backends", "mlx").open(case.model, case.parameters, device="cpu", precision="float64")


@each_case
def test_few_shapes_change_no_number(case: ModelCase, mx: Any) -> None:
    session = _opened(case)
    batch = Packer(case.examples, case.model).batch(case.batch("a"))
    exact, rounded = (on_device(forward_plan(batch, case.model, each), session.placed) for each in (EXACT, FEW_SHAPES))
    assert rounded.labels.size == 256
    expected_loss, expected = session.gradient(session.parameters, exact)
    loss, gradient = session.gradient(session.parameters, rounded)
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-14)
    np.testing.assert_allclose(np.array(gradient), np.array(expected), atol=1e-14)
    answers, expected_answers = (session.predict(session.parameters, one, details=True) for one in (rounded, exact))
    np.testing.assert_allclose(answers.losses, expected_answers.losses, rtol=1e-13)
    np.testing.assert_allclose(answers.logits, expected_answers.logits, atol=1e-13)
    np.testing.assert_allclose(answers.representations, expected_answers.representations, atol=1e-13)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="mx.compile on a CPU calls g++")
@pytest.mark.parametrize("name", ["decoder", "encoder-decoder, padding attended"])
def test_a_compiled_step_is_the_step(name: str, mx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on Metal, as far as a CPU can tell."""
    import grokscope_mlx.session as module

    case = CASES[name]
    plain = _opened(case)
    monkeypatch.setattr(module, "compiles", lambda device: True)
    compiled = _opened(case)
    for rows in (case.batch("a"), case.batch("b"), case.batch("a")[:5]):
        batch = Packer(case.examples, case.model).batch(rows)
        expected, found = (
            session.step(session.prepare(batch), Optimizer(1e-3, 1.0, epsilon=1e-4)) for session in (plain, compiled)
        )
        assert float(found.loss) == pytest.approx(float(expected.loss), rel=1e-10)
        np.testing.assert_allclose(compiled.state().parameters, plain.state().parameters, atol=1e-10)
    gradient = plain.asarray(np.ones(case.parameters.size))
    compiled.step_along(gradient, Optimizer(1e-3, 1.0))
    plain.step_along(gradient, Optimizer(1e-3, 1.0))
    np.testing.assert_allclose(compiled.state().parameters, plain.state().parameters, atol=1e-10)


def test_steps_leave_no_graph_behind(mx: Any) -> None:
    session = _opened(CASES["decoder"])
    batch = session.prepare(
        Packer(CASES["decoder"].examples, CASES["decoder"].model).batch(CASES["decoder"].batch("a"))
    )
    used = []
    for count in (5, 50):
        for _ in range(count):
            session.step(batch, Optimizer(1e-3, 1.0))
        session.synchronize()
        used.append(mx.get_active_memory())
    assert used[1] < used[0] + session.parameters.nbytes


def test_float64_on_a_gpu_is_refused(mx: Any) -> None:
    session = _opened(CASES["decoder"])
    session.device = "gpu"
    with pytest.raises(Unavailable, match="--device cpu"):
        session.asarray(CASES["decoder"].parameters, "float64")


class TestLinearAlgebra:
    def test_the_wheels_own(self, mx: Any, tmp_path: Path) -> None:
        from grokscope_mlx.session import linear_algebra

        maps = tmp_path / "maps"
        maps.write_text("7f00-7f01 r-xp 0 08:01 12    /venv/site-packages/mlx_cpu.libs/libblas-bd8a282c.so.3.10.0\n")
        assert "LD_PRELOAD" in linear_algebra(maps)

    def test_preloaded(self, mx: Any, tmp_path: Path) -> None:
        from grokscope_mlx.session import linear_algebra

        maps = tmp_path / "maps"
        maps.write_text(
            "7f00-7f01 r-xp 0 08:01 12    /venv/site-packages/numpy.libs/libscipy_openblas64_-32a4b2a6.so\n"
            "7f00-7f01 r-xp 0 08:01 13    /usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.21.so\n"
            "7f00-7f01 r-xp 0 08:01 12    /venv/site-packages/mlx_cpu.libs/libblas-bd8a282c.so.3.10.0\n"
        )
        assert linear_algebra(maps) == "libopenblasp-r0.3.21.so (preloaded)"

    def test_apple(self, mx: Any, tmp_path: Path) -> None:
        from grokscope_mlx.session import linear_algebra

        assert linear_algebra(tmp_path / "none") == "Accelerate"
