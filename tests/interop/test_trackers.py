"""A run told to each tracker, by `export --to` and `run --sink`, and read back by the tracker's own reader."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_made import write_made_run
from cli_process import environment, grokscope, tiny

Points = dict[int, float]
"""One number of a run by its step"""

ACCURACY, DEFECT = "test/accuracy", "defect/median"


def read_by(code: str, folder: Path, variables: dict[str, str]) -> Any:
    """What a reader prints as JSON, in a process of its own: trackers keep where they are from their import on."""
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder, env=environment(variables)
    )
    return json.loads(shown.stdout.splitlines()[-1])


def in_tensorboard(folder: Path) -> dict[str, Points]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: {each.step: each.value for each in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def in_trackio(folder: Path, variables: dict[str, str], run: str) -> dict[str, Points]:
    code = (
        "import json; from trackio.sqlite_storage import SQLiteStorage; "
        f"print(json.dumps(SQLiteStorage.get_logs('grokscope', {run!r}), default=str))"
    )
    return by_name((row["step"], row) for row in read_by(code, folder, variables))


def in_mlflow(folder: Path, variables: dict[str, str], run: str) -> dict[str, Any]:
    code = (
        "import json; from mlflow.tracking import MlflowClient; client = MlflowClient(); "
        "home = client.get_experiment_by_name('grokscope').experiment_id; "
        f"[run] = client.search_runs([home], f\"attributes.run_name = '{run}'\"); "
        "told = {name: {each.step: each.value for each in client.get_metric_history(run.info.run_id, name)}"
        " for name in run.data.metrics}; "
        "print(json.dumps({'told': told, 'params': run.data.params, 'status': run.info.status}))"
    )
    found: dict[str, Any] = read_by(code, folder, variables)
    found["told"] = {name: {int(s): v for s, v in points.items()} for name, points in found["told"].items()}
    return found


def in_wandb(folder: Path) -> list[Any]:
    """The records of an offline run, as wandb's own protocol reads them."""
    from grokscope.imports.offline import offline_records

    [file] = folder.glob("wandb/offline-run-*/run-*.wandb")
    return list(offline_records(file, []))


def wandb_history(records: list[Any]) -> dict[str, Points]:
    rows: list[dict[str, Any]] = []
    for record in records:
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return by_name((row["step"], row) for row in rows)


def by_name(rows: Any) -> dict[str, Points]:
    found: dict[str, Points] = {}
    for step, row in rows:
        for name, value in row.items():
            if isinstance(value, int | float):
                found.setdefault(name, {})[step] = value
    return found


def check(told: dict[str, Points]) -> None:
    """The numbers of the run that `cli_made` makes."""
    assert told[ACCURACY][700] == pytest.approx(0.92, rel=1e-6)
    assert sorted(told[ACCURACY]) == [*range(0, 1300, 100)]
    assert told[DEFECT][600] == pytest.approx(90)
    assert told["signals/weight_norm"][1200] == pytest.approx(4)
    assert told["grokked/step"] == {1000: 800}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    write_made_run(tmp_path / "runs" / "made")
    return tmp_path


def test_tensorboard(made: Path) -> None:
    pytest.importorskip("tensorboard")
    for _ in range(2):  # again: no point twice
        outcome = grokscope("export", "made", "--to", "tensorboard", folder=made)
        assert (outcome.code, outcome.out, outcome.err) == (0, "runs/made/tensorboard\n", "")
    check(in_tensorboard(made / "runs" / "made" / "tensorboard"))
    assert grokscope("export", "made", "--to=tensorboard", "-o", "elsewhere", folder=made).out == "elsewhere\n"
    imported = grokscope("import", "elsewhere", "--name", "back", "--json", folder=made)
    assert imported.code == 0, imported.err
    back = grokscope("export", "back", "--csv", folder=made).out.splitlines()
    assert "test.accuracy" in back[0]
    assert len(back) == 1 + 13


def test_trackio(made: Path) -> None:
    pytest.importorskip("trackio")
    variables = {"TRACKIO_DIR": str(made / "kept")}
    outcome = grokscope("export", "made", "--to", "trackio", folder=made, variables=variables)
    assert (outcome.code, outcome.out) == (0, "trackio show --project grokscope\n"), outcome.err
    check(in_trackio(made, variables, "made"))


def test_mlflow(made: Path) -> None:
    pytest.importorskip("mlflow")
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{made / 'mlflow.db'}"}
    outcome = grokscope("export", "made", "--to", "mlflow", folder=made, variables=variables)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(variables["MLFLOW_TRACKING_URI"])
    found = in_mlflow(made, variables, "made")
    check(found["told"])
    assert found["params"]["task.modulus"] == "11"
    assert found["status"] == "FINISHED"


def test_wandb(made: Path) -> None:
    pytest.importorskip("wandb")
    outcome = grokscope("export", "made", "--to", "wandb", folder=made, variables={"HOME": str(made)})
    assert outcome.code == 0, outcome.err
    records = in_wandb(made)
    check(wandb_history(records))
    [run] = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert run.display_name == "made"
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["task.modulus"] == 11


def all_trackers_in(folder: Path) -> dict[str, str]:
    """Where every tracker keeps its things below `folder`; skips where one is missing."""
    for package in ("tensorboard", "trackio", "mlflow", "wandb", "torch"):
        pytest.importorskip(package)
    return {
        "HOME": str(folder), "TRACKIO_DIR": str(folder / "kept"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "WANDB_MODE": "offline",
    }  # fmt: skip


def check_told(folder: Path, run: Path, variables: dict[str, str], logged: dict[int, float]) -> None:
    """All trackers hold the defects that the log of the run `told` holds."""
    for told in (
        in_tensorboard(run / "tensorboard"),
        in_trackio(folder, variables, "told"),
        in_mlflow(folder, variables, "told")["told"],
        wandb_history(in_wandb(folder)),
    ):
        assert told[DEFECT] == pytest.approx(logged, rel=1e-6)


def test_all_while_training(tmp_path: Path) -> None:
    """The run is the same with them, and they hold what its log holds."""
    variables = all_trackers_in(tmp_path)
    sinks = [f"--sink={name}" for name in ("tensorboard", "trackio", "mlflow", "wandb")]
    asked = tiny("modular", "--steps=40", "--runs=.", "--json")
    outcome = grokscope(*asked, "--name=told", *sinks, folder=tmp_path, variables=variables)
    assert outcome.code == 0, outcome.err
    alone = grokscope(*asked, "--name=alone", folder=tmp_path)
    assert outcome.lines[-1]["parameters_digest"] == alone.lines[-1]["parameters_digest"]
    logged = {e["step"]: e["defect"]["median"] for e in outcome.lines if e["event"] == "measured"}
    check_told(tmp_path, tmp_path / "told", variables, logged)


def test_a_tool_that_fails_is_one_warning(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    variables = {"MLFLOW_TRACKING_URI": "nowhere://at/all"}
    outcome = grokscope(
        *tiny("modular", "--steps=20", "--runs=.", "--name=told", "--sink=mlflow"), folder=tmp_path, variables=variables
    )
    assert (outcome.code, outcome.out) == (0, "told\n")
    assert outcome.err.count("mlflow failed: ") == 1
    write_made_run(tmp_path / "runs" / "made")
    refused = grokscope("export", "made", "--to", "mlflow", folder=tmp_path, variables=variables)
    assert refused.code == 6
    assert refused.err.startswith("grokscope: mlflow failed: ")
    assert "Traceback" not in refused.err


@pytest.mark.parametrize(("tool", "variable"), [("trackio", "TRACKIO_DIR"), ("wandb", "WANDB_DIR")])
def test_a_tool_that_cannot_write_is_one_warning(tool: str, variable: str, tmp_path: Path) -> None:
    """Of itself trackio warns and goes on, and wandb writes somewhere else."""
    pytest.importorskip(tool)
    place = tmp_path / "place"
    place.write_text("a file, and no folder")
    outcome = grokscope(
        *tiny("modular", "--steps=20", "--runs=.", "--name=told", f"--sink={tool}"), folder=tmp_path,
        variables={"HOME": str(tmp_path), "WANDB_MODE": "offline", variable: str(place)},
    )  # fmt: skip
    assert (outcome.code, outcome.out) == (0, "told\n")
    assert outcome.err.count(f"{tool} failed: it c") == 1


PROBED = """
import hashlib, random, sys, grokscope, torch
sinks = sys.argv[2:]
torch.manual_seed(0)
random.seed(0)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.AdamW(model.parameters())
data = torch.randn(32, 4), torch.randint(2, (32,))
def loss(model, batch):
    return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])
asked = dict(optimizer=optimizer, every=2, samples=2, baseline_samples=2, batch_size=8, evaluate={"test": data})
with grokscope.Probe(model, loss, data, run=sys.argv[1], sinks=sinks, **asked):
    for _ in range(6):
        optimizer.zero_grad()
        loss(model, data).backward()
        optimizer.step()
state = [model.weight.tolist(), torch.get_rng_state().tolist(), random.getstate()]
print(hashlib.sha256(repr(state).encode()).hexdigest())
"""


def test_a_loop_of_somebody_s_own_tells_all(tmp_path: Path) -> None:
    """They hold what its log holds, and the loop's parameters and random streams are those of a loop without them."""
    variables = all_trackers_in(tmp_path)
    digests = []
    for arguments in (["runs/alone"], ["runs/told", "tensorboard", "trackio", "mlflow", "wandb"]):
        done = subprocess.run(
            [sys.executable, "-c", PROBED, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path,
            env=environment(variables),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "ProbeWarning" not in done.stderr
        digests.append(done.stdout.splitlines()[-1])
    assert len(set(digests)) == 1
    events = [json.loads(line) for line in (tmp_path / "runs" / "told" / "events.jsonl").read_text().splitlines()]
    logged = {event["step"]: event["defect"]["median"] for event in events if event["event"] == "measured"}
    assert sorted(logged) == [0, 2, 4, 6]
    check_told(tmp_path, tmp_path / "runs" / "told", variables, logged)


LOSING = """
import resource, shutil, sys, time
from pathlib import Path
from grokscope.sinks.numbers import Told, ToldRun
from grokscope.sinks.tools import TOOLS
tool, gone, bytes_a_file = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))
sink = TOOLS[tool].open(ToldRun("mine", Path(), {}, 0))
for step in range(600):
    sink.log(Told(step, float(step), {f"number/{n}": n / 7 for n in range(20)}))
if gone.name != "nothing":
    while not gone.exists():
        time.sleep(0.1)
    time.sleep(2)
    shutil.rmtree(gone)
try:
    sink.close("completed")
except RuntimeError as problem:
    print(problem)
"""


@pytest.mark.parametrize(
    ("tool", "gone", "size", "said"),
    [
        ("trackio", "nothing", 1 << 30, ""),
        ("trackio", "kept", 1 << 30, "it "),  # it has lost them, or could not write more
        ("wandb", "nothing", 1 << 30, ""),
        ("wandb", "wandb", 1 << 30, "its folder is gone: "),
        ("wandb", "nothing", 100_000, "it could not keep everything in "),
    ],
)
def test_what_a_tool_has_lost_is_known_at_its_end(tool: str, gone: str, size: int, said: str, tmp_path: Path) -> None:
    """Of itself it says nothing: its folder is removed before the end, or files become no larger, as on a full disk."""
    pytest.importorskip(tool)
    variables = {"HOME": str(tmp_path), "TRACKIO_DIR": str(tmp_path / "kept"), "WANDB_MODE": "offline"}
    done = subprocess.run(
        [sys.executable, "-c", LOSING, tool, gone, str(size)], capture_output=True, text=True, check=True,
        cwd=tmp_path, env=environment(variables),
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("it")]
    assert [line.startswith(said) for line in lines] == [True] * bool(said), done.stdout
