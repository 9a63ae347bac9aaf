"""What is shipped, and what importing it costs."""

import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from grokscope import registry
from grokscope.registry import PluginKind

ROOT = Path(__file__).parents[1]
KINDS: tuple[PluginKind, ...] = ("backends", "tasks")


def packages() -> list[Path]:
    """The core and every plugin folder of this repository."""
    plugins = [folder for kind in KINDS for folder in sorted((ROOT / kind).iterdir()) if folder.is_dir()]
    return [ROOT / "grokscope", *(folder for folder in plugins if folder.name != "__pycache__")]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports them by their names: of two the second cannot be collected."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_folder_has_an_entry_point(kind: PluginKind) -> None:
    declared = project()["project"]["entry-points"][f"grokscope.{kind}"]
    folders = {folder.name for folder in packages() if folder.parent == ROOT / kind}
    assert folders == {value.partition(":")[0] for value in declared.values()}
    assert set(declared) <= set(registry.names(kind)), "an entry point is seen only after reinstalling"
    assert not (ROOT / kind / "__init__.py").exists()


def tracked(package: Path) -> set[str]:
    """Files of a package as git knows them, relative to the folder that holds the package."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", package.name], cwd=package.parent, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return {name for name in listed.stdout.split("\0") if name and (package.parent / name).exists()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel built from this checkout."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("grokscope-*.whl")
    return set(zipfile.ZipFile(file).namelist())


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
def test_the_wheel_holds_every_file_of_every_package(wheel: set[str], package: Path) -> None:
    files = tracked(package)
    assert f"{package.name}/__init__.py" in files
    assert files - wheel == set()


def test_the_wheel_holds_what_is_not_code(wheel: set[str]) -> None:
    for what in (
        "grokscope/py.typed",
        "grokscope/testing/golden/",
        "grokscope/tui/styles/app.tcss",
        "grokscope/tui/demo/config.toml",
        "grokscope/tui/demo/events.jsonl",
        "grokscope_scan/LICENSE-SCAN",
        "grokscope_scan/official/tasks_train_length.txt.gz",
    ):
        assert any(name.startswith(what) for name in wheel), what
    suffixes = {Path(name).suffix for name in wheel if name.startswith("grokscope/testing/golden/")}
    assert suffixes >= {".npz", ".json"}


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    roots = {name.partition("/")[0] for name in wheel}
    assert {root for root in roots if not root.endswith(".dist-info")} == {package.name for package in packages()}


SPECS = [
    value.partition(":")[0]
    for kind in KINDS
    for value in project()["project"]["entry-points"][f"grokscope.{kind}"].values()
]


@pytest.mark.parametrize("module", ["grokscope.contract.backends", "grokscope.cli.main", *SPECS])
def test_importing_it_imports_no_framework(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'torch', 'mlx', 'scipy', 'matplotlib', 'jax', 'pandas'}\n"
        "print(*sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
