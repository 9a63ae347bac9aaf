"""Wrong settings, by --set, TOML and environment: refused before anything is allocated, or kept as they were said.

Nothing is trained here: the trainer is told to end before its first step.
"""

import math
import shutil
import tomllib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from campaign import Ended, Tally, assert_sound, call, campaign, lengths
from cli_process import tiny
from damage import changed, of_bytes, of_encoding, of_lines
from hypothesis import strategies as st

from grokscope import registry
from grokscope.settings.config import dotted, known_keys, variables_of
from grokscope.settings.values import read_value
from grokscope.training.loop import Trainer

TASK_NAMES = ("modular", "dyck", "scan")
KEYS = {task: known_keys(registry.get("tasks", task)) for task in TASK_NAMES}

VALUES = (
    "0", "1", "2", "3", "8", "-1", "-0.0", "0.5", "1.0", "0.999999999999", "1e-320", "1e-400", "1e308", "1e999", "inf",
    "-inf", "nan", "+nan", "true", "false", "null", "none", "", '""', "''", "' '", "1_000", "0x10", "0b1", "1e3", "١",
    "²", "9007199254740993", "1" + "0" * 20, "1" + "0" * 400, "100000000", "1000000", "[]", "[1, 2]", "[[[]]]", "{}",
    "{a = 1}", "1979-05-27", "1979-05-27T07:32:00Z", '"\\u0000"', "'\x1b[31m'", '"\\u202e"', "../..", "/dev/null",
    "/dev/zero", "~", "a" * 5000, "exact", "off", "float32", "float64", "add", "paper", "quick", "auto", "cpu", "torch",
    "mlx", "cuda", "noise@5", "noise@²", "noise@1..0", "noise@" + "9" * 30, "kick@3:basis=x", 'noise@2:every="a"', "@",
    ":", "project@1:components=100000000", "penalty@grokked..onset", "noise@0:epsilon=inf", '["noise@1", "kick"]',
    "\udcff",
)  # fmt: skip
"""Texts that hardly any setting is meant to have, and some that a few may"""

values = st.sampled_from(VALUES) | st.text(max_size=8) | st.integers().map(str) | st.floats().map(repr)


def untrained() -> AbstractContextManager[Any]:
    """A trainer that ends before its first step."""
    return patch.object(Trainer, "run", lambda trainer, recorded=(): "completed")


def misspelt(name: str) -> st.SearchStrategy[str]:
    """With one letter lost, doubled or another."""

    def of(at: int, by: str) -> str:
        return name[:at] + by + name[at + 1 :]

    return st.builds(of, st.integers(0, len(name) - 1), st.sampled_from(["", "q", "_", "-", ".", "x" * 30, "é", "\n"]))


@pytest.fixture(scope="module")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A configuration of a tiny run, by task."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("sound")
    with untrained():
        for task in TASK_NAMES:
            assert call(*tiny(task), f"--name={task}", "--quiet", folder=folder).code == 0
    return {task: (folder / "runs" / task / "config.toml").read_bytes() for task in TASK_NAMES}


def run(folder: Path, file: bytes, *more: str, variables: Mapping[str, str] = {}) -> Ended:
    """A run of that configuration that ends before its first step."""
    shutil.rmtree(folder / "runs", ignore_errors=True)
    (folder / "given.toml").write_bytes(file)
    with untrained():
        return call("run", "--config=given.toml", "--name=a", "--quiet", *more, folder=folder, variables=variables)


def written(folder: Path) -> dict[str, Any]:
    return dotted(tomllib.loads((folder / "runs/a/config.toml").read_text(encoding="utf-8")))


def assert_kept(folder: Path, key: str, text: str) -> None:
    """The run that was begun has the setting that was asked for, and no number that is none."""
    config = written(folder)
    for name, value in config.items():
        assert not isinstance(value, float) or math.isfinite(value), f"{name} = {value} was accepted"
    said, has = read_value(text.strip()), config.get(key)
    if isinstance(said, bool):
        assert said is has, f"{key} = {text} was accepted as {has!r}"
    elif isinstance(said, int | float):
        nearest = float(said) if isinstance(has, float) else said
        assert has == nearest, f"{key} = {text} was accepted as {has!r}"


@lengths(60, 4000)
def test_assignments(inputs: int, tally: Tally, tmp_path: Path, tiny_files: dict[str, bytes]) -> None:
    @campaign(inputs, st.sampled_from(TASK_NAMES), st.data())
    def _(task: str, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(KEYS[task]), "key")
        typed = data.draw(st.just(key) | st.just(key) | st.just(key) | misspelt(key), "as typed")
        text = data.draw(values, "value")
        ended = run(tmp_path, tiny_files[task], f"--set={typed}={text}")
        tally.note(ended)
        assert_sound(ended)
        if ended.code == 0:
            assert typed.strip() in KEYS[task], f"{typed!r} was accepted as a setting"
            assert_kept(tmp_path, typed.strip(), text)


@lengths(40, 2500)
def test_variables(inputs: int, tally: Tally, tmp_path: Path, tiny_files: dict[str, bytes]) -> None:
    keys = {task: variables_of(registry.get("tasks", task)) for task in TASK_NAMES}

    @campaign(inputs, st.sampled_from(TASK_NAMES), st.data())
    def _(task: str, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(keys[task])), "variable")
        typed = data.draw(st.just(name) | st.just(name) | misspelt(name).filter(possible), "as typed")
        text = data.draw(values.filter(possible), "value")
        ended = run(tmp_path, tiny_files[task], variables={typed: text})
        tally.note(ended)
        assert_sound(ended)
        if ended.code == 0 and text and typed in keys[task]:
            assert_kept(tmp_path, keys[task][typed], text)
        if typed.startswith("GROKSCOPE_") and typed not in {*keys[task], "GROKSCOPE_RUNS", "GROKSCOPE_DEBUG"}:
            assert ended.err, f"{typed} was passed over in silence"


def possible(text: str) -> bool:
    """Whether the environment can hold it."""
    return "\0" not in text and text[:1] not in {"", "="}


@lengths(40, 2500)
def test_files(inputs: int, tally: Tally, tmp_path: Path, tiny_files: dict[str, bytes]) -> None:
    """A configuration with a few changes: of bytes, of lines, of encoding, or of one value."""
    sound = tiny_files["modular"]

    @st.composite
    def of_settings(draw: st.DrawFn) -> bytes:
        lines = sound.decode().splitlines()
        at = draw(st.sampled_from([index for index, line in enumerate(lines) if " = " in line]))
        lines[at] = f"{lines[at].partition(' = ')[0]} = {draw(values)}"
        return "\n".join(lines).encode("utf-8", "surrogateescape")

    damaged = st.lists(of_bytes | of_lines | of_encoding, min_size=1, max_size=3).map(lambda by: changed(sound, by))

    @campaign(inputs, damaged | of_settings())
    def _(data: bytes) -> None:
        ended = run(tmp_path, data)
        tally.note(ended)
        assert_sound(ended)
        if ended.code == 0:
            config = written(tmp_path)
            assert all(not isinstance(value, float) or math.isfinite(value) for value in config.values())
            assert run(tmp_path, (tmp_path / "runs/a/config.toml").read_bytes()).code == 0
            assert written(tmp_path) == config
