"""The conformance suite lets a sound task pass, and each way to break one has a test that says so."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.examples import Examples
from grokscope.contract.models import ModelSpec
from grokscope.contract.tasks import GrokCriterion, Metric, TaskData, TaskSpec, chance
from grokscope.testing.tasks import TaskConformance, digest

EVEN = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    repeats: int = Field(1, ge=1, description="how often the table is repeated")


def load(options: Options, seed: int) -> TaskData:
    """Parity of two bits, trained on the pairs with a first bit of 0."""
    rows = np.tile(EVEN, (options.repeats, 1))
    labels = np.stack([np.full(len(rows), -100), rows.sum(axis=1) % 2], axis=1)
    examples = Examples(rows, np.full(len(rows), 2), labels)
    train = examples.take(np.flatnonzero(rows[:, 0] == 0))
    test = examples.take(np.flatnonzero(rows[:, 0] == 1))
    return TaskData(train, {"test": test}, ModelSpec("decoder", 2, 2, 2, 8, 1, 2, 8), {"chance": 0.5})


def export(split: str, folder: Path) -> list[Path]:
    if split != "all":
        raise ValueError(f"there is no split {split}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.txt").write_text("00 01 10 11")
    return [folder / "table.txt"]


SPEC = TaskSpec(
    name="parity",
    summary="parity of two bits",
    source="computed",
    options=Options,
    presets={"paper": {"train.steps": 1000}, "wide": {"model.width": 16, "task.repeats": 2}},
    load=load,
    metric="accuracy",
    criteria={"all": GrokCriterion("accuracy", 1.0)},
    default_criterion="all",
    vocabulary={"source": ("0", "1"), "classes": ("even", "odd")},
    export=export,
)


class TestSoundTask(TaskConformance):
    spec = SPEC
    exported_splits = ("all",)

    def test_a_fresh_interpreter_loads_the_same_and_no_framework(self) -> None:
        """This module is no package that could be imported elsewhere; the real tasks are."""


def loading(change: Callable[[TaskData], TaskData]) -> TaskSpec:
    return replace(SPEC, load=lambda options, seed: change(load(options, seed)))


def options(**fields: Any) -> type[BaseModel]:
    return type("Options", (Options,), {"__annotations__": dict.fromkeys(fields, Any), **fields})


class Lenient(BaseModel):
    repeats: int = Field(1, description="x")


def from_a_global_generator(options: Options, seed: int) -> TaskData:
    data = load(options, seed)
    return replace(data, train=data.train.take(np.random.permutation(len(data.train))))


BROKEN = {
    "a name with a blank": (replace(SPEC, name="my task"), "name_summary_and_source_are_said"),
    "no source": (replace(SPEC, source=""), "name_summary_and_source_are_said"),
    "no description": (replace(SPEC, options=options(size=Field(1))), "options_are_described_and_closed"),
    "unknown options allowed": (replace(SPEC, options=Lenient), "options_are_described_and_closed"),
    "None where it is no default": (replace(SPEC, options=options(size=Field(1, description="x"))),
                                    "options_survive_a_configuration_file"),
    "a global generator": (replace(SPEC, load=from_a_global_generator), "data_are_a_function_of_options_and_seed"),
    "the test is not first": (loading(lambda d: replace(d, splits={"ood": d.train, "test": d.train})),
                              "the_test_split_comes_first"),
    "undeclared overlap": (loading(lambda d: replace(d, splits={"test": d.train})),
                           "the_overlap_of_training_and_test_is_declared"),
    "no chance declared": (loading(lambda d: replace(d, facts={})), "chance_is_declared"),
    "an array among the facts": (loading(lambda d: replace(d, facts={"size": np.float64(2)})), "facts_are_json"),
    "too few embeddings": (loading(lambda d: replace(d, model=replace(d.model, vocabulary=1))),
                           "examples_fit_the_model"),
    "an empty split": (loading(lambda d: replace(d, splits={"test": d.train.take(np.arange(0))})),
                       "examples_fit_the_model"),
    "no such criterion": (replace(SPEC, default_criterion="none"), "criteria_are_sound"),
    "a threshold in per cent": (replace(SPEC, criteria={"all": GrokCriterion("accuracy", 98)}), "criteria_are_sound"),
    "another metric": (replace(SPEC, metric="sequence_accuracy"), "criteria_are_sound"),
    "a name too many": (replace(SPEC, vocabulary={"source": ("0", "1", "2")}),
                        "vocabulary_names_the_tokens_of_the_default_model"),
    "no paper preset": (replace(SPEC, presets={"quick": {}}), "presets_are_configurations"),
    "an unknown key": (replace(SPEC, presets={"paper": {"train.epochs": 1}}), "presets_are_configurations"),
    "no such model": (replace(SPEC, presets={"paper": {"model.width": 7}}), "presets_are_configurations"),
    "any split exported": (replace(SPEC, export=lambda split, folder: export("all", folder)), "export_writes_files"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_task_is_found(name: str, tmp_path: Path) -> None:
    spec, method = BROKEN[name]

    class Suite(TaskConformance):
        exported_splits = ("all",)

    Suite.spec = spec
    suite = Suite()
    test = getattr(suite, f"test_{method}")
    arguments: dict[str, Callable[[], Any]] = {"data": lambda: suite._load(0), "tmp_path": lambda: tmp_path}
    wanted = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        test(**{argument: arguments[argument]() for argument in wanted})


@pytest.mark.parametrize(("metric", "expected"), [("accuracy", 3 / 5), ("sequence_accuracy", 2 / 3)])
def test_chance_is_the_most_frequent_answer_of_the_test(metric: Metric, expected: float) -> None:
    """Three sequences of labels: 1 2, 1 2 and 1. Class 1 is three of the five labels, 1 2 two of the three rows."""
    labels = np.array([[1, 2], [1, 2], [1, -100]])
    examples = Examples(np.zeros((3, 2), dtype=np.int64), np.array([2, 2, 1]), labels)
    assert chance(examples, metric) == expected


def test_digests_see_every_part() -> None:
    data = load(Options(), 0)
    changed = [
        replace(data, train=data.train.take(np.array([1, 0]))),
        replace(data, splits={"other": data.splits["test"]}),
        replace(data, model=replace(data.model, layers=2)),
        replace(data, facts={"size": 1}),
    ]
    assert len({digest(each) for each in (data, *changed)}) == 5
    assert digest(load(Options(), 0)) == digest(data)
