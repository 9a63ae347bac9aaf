"""Foreign tables: what is read, and what is refused with its line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grokscope.warning.foreign import Unimportable
from grokscope.warning.imported import Recipe, imported
from grokscope.warning.trajectory import Trajectory


def read(tmp_path: Path, text: str, **recipe: Any) -> list[Trajectory]:
    file = tmp_path / "theirs"
    file.write_text(text)
    return imported(file, "theirs", Recipe(**recipe))


CSV = """step,test_accuracy,weight_norm,lr
0,0.1,10,1e-3
100,0.99,,1e-3
200,0.99,nan,1e-3
300,0.99,7.5,1e-3
"""


def test_a_table_in_our_names(tmp_path: Path) -> None:
    (run,) = read(tmp_path, CSV)
    assert (run.name, run.task, run.steps, run.budget) == ("theirs", "imported", 300, 300)
    assert (run.grok_step, run.grok_known_at) == (100, 300)
    steps, norms = run.signal("weight_norm")
    assert (steps.tolist(), norms.tolist()) == ([0, 300], [10, 7.5])
    assert set(run.columns) == {"step", "test_accuracy", "weight_norm"}


def test_json_lines_are_the_same_table(tmp_path: Path) -> None:
    text = (
        '{"step": 0, "test": {"accuracy": 0.1}, "signals": {"weight_norm": 10}, "samples": [1, 2]}\n\n'
        '{"step": 300, "test": {"accuracy": 0.99}, "signals": {"weight_norm": null}}\n'
    )
    (run,) = read(tmp_path, text)
    assert run.columns["test_accuracy"].tolist() == [0.1, 0.99]
    assert run.signal("weight_norm")[1].tolist() == [10]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_comments_quotes_and_byte_order_marks(tmp_path: Path, delimiter: str) -> None:
    text = '\ufeff# from somewhere\n\nstep,"test_accuracy"\n0,0.5\n'.replace(",", delimiter)
    assert read(tmp_path, text)[0].columns["test_accuracy"].tolist() == [0.5]


def test_columns_by_other_names(tmp_path: Path) -> None:
    (run,) = read(tmp_path, "it,val_acc\n0,0.5\n", columns={"step": "it", "test_accuracy": "val_acc"})
    assert run.columns["test_accuracy"].tolist() == [0.5]


def test_several_runs_and_their_settings(tmp_path: Path) -> None:
    text = "id,step,test_accuracy,lr,op\nb,0,0.1,1e-3,add\na,0,0.2,0.002,add\nb,100,0.3,1e-3,\n"
    settings = {"optimizer.lr": "lr", "task.operation": "op"}
    b, a = read(tmp_path, text, run_column="id", facts={"optimizer.wd": 1}, fact_columns=settings)
    assert (b.name, a.name) == ("theirs/b", "theirs/a")
    assert (b.facts["optimizer.lr"], b.facts["task.operation"], b.facts["optimizer.wd"]) == (1e-3, "add", 1)
    assert a.facts["optimizer.lr"] == 0.002
    assert b.columns["step"].tolist() == [0, 100]


def test_the_criterion_is_the_users(tmp_path: Path) -> None:
    assert read(tmp_path, CSV, consecutive=4)[0].grok_step is None
    (run,) = read(tmp_path, CSV, threshold=0.05, consecutive=1)
    assert (run.grok_step, run.facts["detect.threshold"], run.facts["detect.consecutive"]) == (0, 0.05, 1)


def test_rows_in_any_order_and_steps_in_several_rows(tmp_path: Path) -> None:
    (run,) = read(tmp_path, "step,test_accuracy,test_loss\n100,,0.5\n0,0.1,2\n100,0.2,\n0,0.1,2\n")
    assert run.columns["step"].tolist() == [0, 100]
    assert run.columns["test_accuracy"].tolist() == [0.1, 0.2]
    assert run.columns["test_loss"].tolist() == [2, 0.5]


def test_two_values_for_one_step(tmp_path: Path) -> None:
    text = "step,test_accuracy\n0,0.1\n100,0.2\n100,0.3\n"
    assert read(tmp_path, text, duplicates="first")[0].columns["test_accuracy"][-1] == 0.2
    assert read(tmp_path, text, duplicates="last")[0].columns["test_accuracy"][-1] == 0.3


def test_percentages(tmp_path: Path) -> None:
    (run,) = read(tmp_path, "step,test_accuracy\n0,1\n100,99\n", percent=True)
    np.testing.assert_allclose(run.columns["test_accuracy"], [0.01, 0.99])


def test_a_budget_that_was_not_used_up(tmp_path: Path) -> None:
    (run,) = read(tmp_path, CSV, budget=5000)
    assert (run.steps, run.budget) == (300, 5000)


@pytest.mark.parametrize(
    ("text", "recipe", "wrong"),
    [
        ("", {}, "holds no rows"),
        ("step,test_accuracy\n", {}, "holds no rows"),
        ("step,val\n0,1\n", {}, "which column is test_accuracy.* there are: step, val"),
        ("steps,test_accuracy\n0,1\n", {}, r"which column is step\? .*did you mean steps"),
        ("step,test_accuracy\n0,1\n", {"columns": {"test_acc": "x"}}, "no signal is called 'test_acc'.*test_accuracy"),
        ("step,acc\n0,1\n", {"columns": {"test_accuracy": "ac"}}, r"no column 'ac' \(did you mean acc\?\)"),
        ("step,test_accuracy\n0,1\n", {"run_column": "id"}, "no column 'id'"),
        ("step,test_accuracy\n0,1\n", {"fact_columns": {"optimizer.lr": "lr"}}, "no column 'lr'"),
        ("step,test_accuracy,id\n0,1,\n", {"run_column": "id"}, "line 2 does not say which run"),
        ("step,test_accuracy\n0,1\n1,2,3\n", {}, "line 3 has 3 cells, the header 2"),
        ("a,a\n0,1\n", {}, "two columns are called 'a'"),
        ("step,test_accuracy\n0,0.1\n1.5,0.2\n", {}, "line 3: step is '1.5', and a step is a whole number"),
        ("step,test_accuracy\n0,0.1\n,0.2\n", {}, "line 3: step is ''"),
        ("step,test_accuracy\n-1,0.1\n", {}, "line 2: step is '-1'"),
        ("step,test_accuracy\n0,high\n", {}, "line 2: test_accuracy is 'high', which is no number"),
        ("step,test_accuracy\n0,0.5\n1,57.3\n", {}, "line 3: test_accuracy is 57.3, .*--percent"),
        ("step,test_accuracy\n0,-0.5\n", {}, "line 2: test_accuracy is -0.5, and accuracies lie between 0 and 1$"),
        ("step,test_accuracy\n0,101\n", {"percent": True}, "line 2: test_accuracy is 101"),
        ("step,test_accuracy\n0,0.5\n", {"percent": True}, "leave out --percent"),
        ("step,test_accuracy\n0,0.1\n0,0.2\n", {}, "line 3: step 0 has test_accuracy 0.2, on line 2 it was 0.1"),
        ("step,test_accuracy\n0,\n1,nan\n", {}, "^run 'theirs', from line 2 on, has no test accuracy$"),
        ("step,test_accuracy,lr\n0,0,1\n1,0,2\n", {"fact_columns": {"optimizer.lr": "lr"}}, "line 3: lr is 2, but"),
        ("step,test_accuracy\n0,0.1\n900,0.1\n", {"budget": 500}, "a step 900, beyond the budget of 500"),
        ('{"step": 0, "test_accuracy": 0}\n{"step": 1,', {}, "line 2 is no JSON"),
        ('{"step": 0, "test_accuracy": 0}\n[1]', {}, "line 2 is no JSON object"),
        ('{"step": true, "test_accuracy": 0}', {}, "line 1: step is True"),
        ('[{"step": 0}]', {}, "one JSON array"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(tmp_path: Path, text: str, recipe: dict[str, Any], wrong: str) -> None:
    with pytest.raises(Unimportable, match=wrong):
        read(tmp_path, text, **recipe)


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"\xff\xfe\x00step")
    with pytest.raises(Unimportable, match="no text in UTF-8"):
        imported(tmp_path / "theirs", "theirs", Recipe())
    with pytest.raises(Unimportable, match="cannot read"):
        imported(tmp_path / "nothing", "theirs", Recipe())
