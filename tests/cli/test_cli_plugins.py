"""`tasks`, `backends`, `schema` and `doctor`."""

import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from cli_process import Nursery, grokscope, tiny

from grokscope.events import event_schema
from grokscope.machine.verify import PACKAGED, golden_points

SCAN_SIMPLE = {
    "tasks_train_simple.txt": "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
    "tasks_test_simple.txt": "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
}


def test_tasks(nursery: Nursery, tmp_path: Path) -> None:
    listed = {task["name"]: task for task in nursery.run("tasks", "--json", folder=tmp_path).json}
    assert {"scan", "dyck", "modular"} <= set(listed)
    for task in listed.values():
        assert {"paper", "quick"} <= set(task["presets"])
        assert task["default_criterion"] in task["criteria"]
        assert task["source"]
    assert "BSD" in listed["scan"]["source"]
    told = nursery.run("tasks", folder=tmp_path)
    assert told.code == 0
    assert all(name in told.out for name in listed)


def test_the_data_set_of_scan(nursery: Nursery, tmp_path: Path) -> None:
    done = nursery.run("tasks", "export", "scan", "--split", "simple", "-o", "data", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    files = [tmp_path / line for line in done.out.splitlines()]
    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == SCAN_SIMPLE


def test_backends(nursery: Nursery, tmp_path: Path) -> None:
    done = nursery.run("backends", "--json", folder=tmp_path)
    listed = {backend["name"]: backend for backend in done.json}
    assert {"torch", "mlx"} <= set(listed)
    assert [backend["auto"] for backend in done.json].count(True) == 1
    assert listed["torch"]["available"]
    assert {device["name"] for device in listed["torch"]["devices"]} >= {"cpu"}
    assert "auto      chooses this one" in nursery.run("backends", folder=tmp_path).out


def test_auto_is_what_a_run_takes(nursery: Nursery, tmp_path: Path) -> None:
    chosen = next(
        backend["name"] for backend in nursery.run("backends", "--json", folder=tmp_path).json if backend["auto"]
    )
    done = nursery.run(*tiny("modular", "--backend=auto", "--steps=1", "--json"), folder=tmp_path)
    assert done.lines[0]["backend"] == chosen


def test_backends_that_are_missing(tmp_path: Path) -> None:
    """Frameworks that cannot be imported stand in front of those that can."""
    for name in ("torch", "mlx"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    variables = {"PYTHONPATH": str(tmp_path)}
    done = grokscope("backends", "--json", folder=tmp_path, variables=variables)
    assert done.code == 0
    assert not any(backend["available"] or backend["auto"] for backend in done.json)
    assert all("pip install '.[" in backend["missing"] for backend in done.json)
    examined = grokscope("doctor", folder=tmp_path, variables=variables)
    assert examined.code == 6
    assert "pip install" in examined.out


def test_schema(nursery: Nursery, tmp_path: Path) -> None:
    printed = nursery.run("schema", folder=tmp_path).json
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed == event_schema()


@pytest.mark.parametrize("task", ["modular", "scan", "dyck"])
def test_schema_of_a_configuration(nursery: Nursery, tmp_path: Path, task: str) -> None:
    import tomllib

    printed = nursery.run("schema", "--config", task, folder=tmp_path).json
    assert nursery.run(*tiny(task, "--steps=1", "--name=a"), folder=tmp_path).code == 0
    config = tomllib.loads((tmp_path / "runs/a/config.toml").read_text())
    jsonschema.validate(config, printed, jsonschema.Draft202012Validator)
    config["task"]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(config, printed, jsonschema.Draft202012Validator)


def test_doctor(nursery: Nursery, tmp_path: Path) -> None:
    examined = nursery.run("doctor", "--json", folder=tmp_path)
    assert examined.code == 0
    about = examined.json
    assert about["runs"]["problem"] is None
    assert about["auto"] in {backend["name"] for backend in about["backends"]}
    told = nursery.run("doctor", folder=tmp_path)
    assert told.code == 0
    assert "Python" in told.out
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_a_folder_that_is_none(nursery: Nursery, tmp_path: Path) -> None:
    """With the code that `run` has for it."""
    (tmp_path / "file").touch()
    for arguments in (["doctor"], tiny("modular", "--steps=1")):
        told = nursery.run(*arguments, "--runs=file", folder=tmp_path)
        assert told.code == 2
        assert "Not a directory; choose another folder with --runs" in told.err


def test_doctor_verifies(nursery: Nursery, tmp_path: Path) -> None:
    """float64 and float32, all packaged points, PyTorch's CPU."""
    done = nursery.run("doctor", "--verify", "--backend=torch", "--device=cpu", "--json", folder=tmp_path)
    assert done.code == 0, done.err
    assert {(point["point"], point["precision"]) for point in done.json} == {
        (name, precision) for name in golden_points() for precision in ("float32", "float64")
    }
    assert all(len(point["checks"]) == 9 for point in done.json)
    told = nursery.run("doctor", "--verify", "--backend=torch", "--precision=float64", folder=tmp_path)
    assert told.code == 0
    assert told.out.count(" ok ") == 9 * len(golden_points())


def test_doctor_finds_a_wrong_answer(nursery: Nursery, tmp_path: Path) -> None:
    name = golden_points()[0]
    shutil.copy(PACKAGED / f"{name}.npz", tmp_path)
    facts = json.loads((PACKAGED / f"{name}.json").read_text())
    facts["expected"]["commutator_norm"] *= 1.00001
    (tmp_path / f"{name}.json").write_text(json.dumps(facts))
    arguments = ["doctor", "--verify", ".", "--backend=torch"]
    past = nursery.run(*arguments, "--precision=float64", folder=tmp_path)
    assert past.code == 1
    assert "PAST" in past.out
    assert "commutator_norm" in past.err
    assert nursery.run(*arguments, "--precision=float32", folder=tmp_path).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["empty"], 2, "no golden point"), (["--backend=troch"], 2, "torch"), (["--device=cuda"], 6, "cuda")],
    ids=str,
)
def test_what_cannot_be_verified(nursery: Nursery, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    (tmp_path / "empty").mkdir()
    done = nursery.run("doctor", "--verify", "--backend=torch", *arguments, folder=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "--config", "modular"], ["schema", "--config", "scan"]])
def test_every_field_of_a_schema_is_described(tmp_path: Path, arguments: list[str]) -> None:
    schema = grokscope(*arguments, folder=tmp_path).json
    parts = {**schema["$defs"], "task": schema["properties"]["task"]} if "properties" in schema else schema["$defs"]
    fields = {(name, field): about for name, part in parts.items() for field, about in part["properties"].items()}
    assert len(fields) > 40
    assert [name for name, about in fields.items() if not about.get("description") and "const" not in about] == []
