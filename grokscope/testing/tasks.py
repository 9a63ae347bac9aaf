"""What a task must pass to be used. An author of a task subclasses `TaskConformance`, names the spec, and knows.

    from grokscope.testing.tasks import TaskConformance
    from my_task import SPEC

    class TestMyTask(TaskConformance):
        spec = SPEC

Needs pytest (extra `test`).
"""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.tasks import TaskData, TaskSpec, chance
from grokscope.settings.config import resolve

FRAMEWORKS = ("torch", "mlx", "jax", "tensorflow")
"""What importing a task, or loading its data, must not import."""

_IN_A_FRESH_INTERPRETER = """
import json, sys
from importlib import import_module
from grokscope.testing.tasks import FRAMEWORKS, digest
light = [name for name in FRAMEWORKS if name in sys.modules]
module, name, options, seed = json.loads(sys.argv[1])
spec = getattr(import_module(module), name)
print(json.dumps({
    "before": light,
    "imported": [name for name in FRAMEWORKS if name in sys.modules],
    "digest": digest(spec.load(spec.options(**options), seed)),
    "loaded": [name for name in FRAMEWORKS if name in sys.modules],
}))
"""


def digest(data: TaskData) -> str:
    """SHA-256 of everything in `data`: equal digests mean equal examples, model and facts."""
    state = sha256(json.dumps([data.model.to_dict(), dict(data.facts)], sort_keys=True).encode())
    for name, examples in (("train", data.train), *data.splits.items()):
        state.update(name.encode())
        for part in (examples.source, examples.source_lengths, examples.labels, examples.target,
                     examples.target_lengths):  # fmt: skip
            if part is not None:
                state.update(str(part.shape).encode() + part.astype("<i8").tobytes())
    return state.hexdigest()


def row_bytes(examples: Examples) -> Iterator[bytes]:
    """Each example as bytes, without its padding: equal bytes mean equal inputs and labels."""
    for row in range(len(examples)):
        one = examples.take(np.array([row]))
        length = int(one.source_lengths[0])
        parts = [one.source[0, :length]]
        if one.target is not None and one.target_lengths is not None:
            length = int(one.target_lengths[0])
            parts.append(one.target[0, :length])
        yield b"|".join(part.astype("<i8").tobytes() for part in (*parts, one.labels[0, :length]))


class TaskConformance:
    """The promises of `grokscope.contract.tasks.TaskSpec`, one test each."""

    spec: ClassVar[TaskSpec]
    """The task under test."""
    module: ClassVar[str] = ""
    """The module whose `SPEC` it is, as in the entry point; the package of the options where empty."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options that make loading cheap; the defaults where empty."""
    exported_splits: ClassVar[Sequence[str]] = ()
    """Every split that `spec.export` writes."""

    @pytest.fixture
    def data(self) -> TaskData:
        """The data of these options and seed 0."""
        return self._load(0)

    def _load(self, seed: int) -> TaskData:
        return self.spec.load(self.spec.options(**self.options), seed)

    def test_name_summary_and_source_are_said(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_-]*", self.spec.name), "a name is typed on a command line"
        assert self.spec.summary
        assert "\n" not in self.spec.summary
        assert self.spec.source

    def test_options_are_described_and_closed(self) -> None:
        defaults = self.spec.options()
        for name, field in type(defaults).model_fields.items():
            assert field.description, f"option {name} has no description"
        assert "name" not in type(defaults).model_fields, "`task.name` is the task's own name"
        with pytest.raises(ValidationError):
            self.spec.options(no_such_option=1)

    def test_options_survive_a_configuration_file(self) -> None:
        """A resolved configuration is TOML, which has no null: an option that may be None is None by default."""
        for options in (self.spec.options(), self.spec.options(**self.options)):
            written = {key: value for key, value in options.model_dump(mode="json").items() if value is not None}
            assert type(options).model_validate(json.loads(json.dumps(written, allow_nan=False))) == options
        for name, field in self.spec.options.model_fields.items():
            if field.get_default(call_default_factory=True) is not None:
                assert not _accepts_none(self.spec.options, name), f"option {name} may be None, but not by default"

    def test_data_are_a_function_of_options_and_seed(self) -> None:
        """Loading twice gives the same, and no global generator is consulted or moved."""
        legacy = np.random.get_state(legacy=False)
        state = random.getstate()
        first = digest(self._load(1))
        random.random()
        np.random.random()
        second = digest(self._load(1))
        assert first == second
        random.setstate(state)
        np.random.set_state(legacy)
        self._load(1)
        assert random.getstate() == state
        assert repr(np.random.get_state(legacy=False)) == repr(legacy)

    def test_a_fresh_interpreter_loads_the_same_and_no_framework(self) -> None:
        """Neither the order of a set nor an import decides what is trained on."""
        module = self.module or self.spec.options.__module__.partition(".")[0]
        answer = subprocess.run(
            [sys.executable, "-c", _IN_A_FRESH_INTERPRETER, json.dumps([module, "SPEC", dict(self.options), 1])],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": "12345"},
        )
        assert answer.returncode == 0, answer.stderr
        found = json.loads(answer.stdout)
        assert found == {"before": [], "imported": [], "loaded": [], "digest": digest(self._load(1))}

    def test_examples_fit_the_model(self, data: TaskData) -> None:
        """Every token has an embedding, every label a class, every length a position."""
        for name, examples in (("train", data.train), *data.splits.items()):
            assert len(examples), f"{name} is empty"
            assert ((examples.labels != IGNORED).sum(axis=1) > 0).all(), f"an example of {name} asks nothing"
            packed = Packer(examples, data.model).whole()
            assert sum(int(chunk.counts.sum()) for chunk in packed.chunks) == len(examples)

    def test_batches_of_the_training_set_pack(self, data: TaskData) -> None:
        drawn = np.random.default_rng(0).integers(len(data.train), size=32)
        batch = Packer(data.train, data.model).batch(drawn)
        assert batch.weights.sum() == pytest.approx(1)

    def test_the_test_split_comes_first(self, data: TaskData) -> None:
        assert next(iter(data.splits)) == "test"
        assert "train" not in data.splits

    def test_the_overlap_of_training_and_test_is_declared(self, data: TaskData) -> None:
        """The fact `test_in_train` counts the test examples that occur in training; without it there are none."""
        trained = set(row_bytes(data.train))
        assert data.facts.get("test_in_train", 0) == sum(row in trained for row in row_bytes(data.splits["test"]))

    def test_chance_is_declared(self, data: TaskData) -> None:
        """The fact `chance`: what the most frequent answer of the test reaches in the task's metric."""
        assert "chance" in data.facts
        assert data.facts["chance"] == pytest.approx(chance(data.splits["test"], self.spec.metric))

    def test_facts_are_json(self, data: TaskData) -> None:
        json.dumps(dict(data.facts), allow_nan=False)
        for name, value in data.facts.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
            assert type(value) in (int, float, str), f"{name} is a {type(value).__name__}"

    def test_criteria_are_sound(self) -> None:
        assert self.spec.default_criterion in self.spec.criteria
        assert self.spec.criteria[self.spec.default_criterion].metric == self.spec.metric
        for criterion in self.spec.criteria.values():
            assert 0 < criterion.threshold <= 1
            assert criterion.consecutive >= 1

    def test_vocabulary_names_the_tokens_of_the_default_model(self) -> None:
        model = self.spec.load(self.spec.options(), 0).model
        sizes = {"source": model.vocabulary, "target": model.target_vocabulary, "classes": model.classes}
        for side, names in self.spec.vocabulary.items():
            assert len(names) == sizes[side]
            assert len(set(names)) == len(names)

    def test_presets_are_configurations(self) -> None:
        """Each resolves to a run: known keys, values in range, sizes that make a model."""
        assert "paper" in self.spec.presets
        for preset in self.spec.presets:
            config, options = resolve(self.spec, preset=preset)
            data = self.spec.load(options, config.train.seed)
            model = config.model_of(data.model)
            Packer(data.train, model)
            assert config.evaluate.every <= config.train.steps

    def test_export_writes_files(self, tmp_path: Path) -> None:
        if self.spec.export is None:
            assert not self.exported_splits
            return
        assert self.exported_splits, "name the splits that are exported"
        for split in self.exported_splits:
            first = self.spec.export(split, tmp_path / "new" / split)
            assert first
            contents = [path.read_bytes() for path in first]
            assert all(contents)
            assert [path.read_bytes() for path in self.spec.export(split, tmp_path / "new" / split)] == contents
        with pytest.raises(ValueError, match="no-such-split"):
            self.spec.export("no-such-split", tmp_path)


def _accepts_none(options: type[BaseModel], name: str) -> bool:
    try:
        options.model_validate({name: None})
    except ValidationError:
        return False
    return True
