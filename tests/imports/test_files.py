"""Several files, folders, and files of other tools: which records are one run, and what runs are called."""

import json
import os
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imports_made import CONTROL, RECORDS, STEPS, TEST, TRAIN, Imports, column, csv, is_usual, jsonl

from grokscope.imports.sheets import Unimportable
from grokscope.imports.sources import Found
from grokscope.runs.directory import BadRunName
from grokscope.warning.lookup import read_trajectories

PLAIN = csv("step,train_acc,test_acc", STEPS, TRAIN, TEST)
OTHER = csv("step,train_acc,test_acc", STEPS, TRAIN, CONTROL)


def scalar(values: list[float]) -> str:
    return csv("Wall time,Step,Value", [1.7e9 + s for s in STEPS], STEPS, values)


class TestSeveralFiles:
    def test_a_file_is_a_run_of_its_name(self, imports: Imports) -> None:
        files = [imports.file(f"{name}.csv", text) for name, text in (("s0", PLAIN), ("s1", PLAIN), ("s2", OTHER))]
        runs = imports.take(*files)
        assert imports.names() == ["s0", "s1", "s2"]
        assert [run.grok_step for run in runs] == [600, 600, None]
        assert len(read_trajectories(imports.runs)) == 3, "a folder of imports is a folder of runs"

    def test_a_name_makes_a_folder_of_them(self, imports: Imports) -> None:
        files = [imports.file(f"{name}.csv", PLAIN) for name in ("s0", "s1")]
        imports.take(*files, name="seeds")
        assert imports.names() == ["seeds/s0", "seeds/s1"]
        imports.take(files[0], name="alone")
        assert "alone" in imports.names()

    def test_files_of_one_name_are_told_apart(self, imports: Imports) -> None:
        files = [imports.file(f"{folder}/metrics.csv", PLAIN) for folder in ("a", "b")]
        imports.take(*files)
        assert imports.names() == ["a-metrics", "b-metrics"]

    def test_nothing_is_written_where_one_of_them_cannot_be_read(self, imports: Imports) -> None:
        with pytest.raises(Unimportable, match="not a number"):
            imports.take(imports.file("a.csv", PLAIN), imports.file("b.csv", PLAIN.replace("0.99", "high")))
        assert not imports.runs.exists()

    def test_nothing_is_overwritten_unasked(self, imports: Imports) -> None:
        file = imports.file("a.csv", PLAIN)
        imports.take(file)
        log = imports.runs / "a" / "events.jsonl"
        before = log.read_bytes()
        with pytest.raises(Unimportable, match=r"'a' in .* exists; give another --name, or --force to replace"):
            imports.take(file)
        assert log.read_bytes() == before
        imports.take(imports.file("a.csv", OTHER), replace=True)
        assert read_trajectories(imports.runs / "a")[0].grok_step is None
        (imports.runs / "mine").mkdir()
        (imports.runs / "mine" / "events.jsonl").write_text('{"event":"started","v":2,"origin":"grokscope"}\n')
        for replace in (False, True):
            with pytest.raises(Unimportable, match=r"exists and is not an import; give"):
                imports.take(file, name="mine", replace=replace)
        with pytest.raises(Unimportable, match=r"'a' in .* is a run, not a folder of runs"):
            imports.take(file, imports.file("b.csv", PLAIN), name="a")
        with pytest.raises(BadRunName, match=r"\.\./out"):
            imports.take(file, name="../out")

    def test_names_that_could_be_no_folder_are_made_one(self, imports: Imports) -> None:
        keys = ["lr=0.1, wd 1", "../../up", "latest", "lr=0.1  wd/1"]
        text = csv("id,step,test_acc", [key for key in keys for _ in STEPS], STEPS * 4, TEST * 4)
        imports.take(imports.file("my runs.csv", text.replace("lr=0.1, wd 1", '"lr=0.1, wd 1"')), run_column="id")
        assert len(imports.names()) == 4
        assert all(name.startswith("my-runs/") and name.count("/") == 1 for name in imports.names())


class TestFolders:
    def test_all_files_of_a_folder(self, imports: Imports) -> None:
        for name, text in (("s0.csv", PLAIN), ("more/s1.jsonl", jsonl(*RECORDS)), ("notes.csv", "a,b\n1,2\n")):
            imports.file(f"exp/{name}", text)
        imports.file("exp/readme.md", "# nothing")
        imports.file("exp/config.json", '{"lr": 1}')
        runs = imports.take(imports.files / "exp")
        assert imports.names() == ["exp/more-s1", "exp/s0"]
        assert all(map(is_usual, runs))
        assert "notes.csv: no column is known as" in imports.remarks

    def test_lightning(self, imports: Imports) -> None:
        """Sparse rows: training and validation of a step stand apart; the folder names the run."""
        rows = "".join(f"0,{s},{a},\n0,{s},,{b}\n" for s, a, b in zip(STEPS, TRAIN, TEST, strict=True))
        for version in (0, 1):
            imports.file(f"lightning_logs/version_{version}/metrics.csv", "epoch,step,train_acc,val_acc\n" + rows)
            imports.file(f"lightning_logs/version_{version}/hparams.yaml", "lr: 1")
        assert all(map(is_usual, imports.take(imports.files / "lightning_logs")))
        assert imports.names() == ["lightning_logs/version_0", "lightning_logs/version_1"]
        imports.take(imports.files / "lightning_logs" / "version_1", replace=True)
        assert "version_1" in imports.names()

    def test_the_states_of_one_trainer_are_one_run(self, imports: Imports) -> None:
        for folder, upto in (("checkpoint-300", 4), ("checkpoint-900", 10)):
            state = {"log_history": [{"step": r["step"], "eval_accuracy": r["test_acc"]} for r in RECORDS[:upto]]}
            imports.file(f"out/{folder}/trainer_state.json", json.dumps(state))
        [run] = imports.take(imports.files / "out")
        assert (imports.names(), run.steps) == (["out"], 900)
        assert "1 earlier state" in imports.remarks

    def test_a_folder_without_records(self, imports: Imports) -> None:
        imports.file("empty/readme.md", "")
        with pytest.raises(Unimportable, match="holds no file that can be imported"):
            imports.take(imports.files / "empty")
        imports.file("odd/a.csv", "x,y\n1,2\n")
        with pytest.raises(Unimportable, match=r"a\.csv"):
            imports.take(imports.files / "odd")

    def test_text_logs_of_a_folder_without_tables(self, imports: Imports) -> None:
        text = "".join(f"step {r['step']} train_acc {r['train_acc']} val_acc {r['test_acc']}\n" for r in RECORDS)
        for name in ("one", "two"):
            imports.file(f"logs/{name}.log", text)
        imports.file("logs/requirements.txt", "torch==2.13.0\n")
        assert all(map(is_usual, imports.take(imports.files / "logs")))
        assert "requirements.txt holds no table" in imports.remarks
        imports.file("logs/metrics.csv", PLAIN)
        assert len(imports.take(imports.files / "logs", name="again")) == 1, (
            "beside a table, what was printed is no run"
        )

    def test_a_folder_in_it_that_cannot_be_listed(self, imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
        """As root one may list all of them, so the refusal is played."""
        imports.file("all/a.csv", PLAIN)
        imports.file("all/shut/b.csv", PLAIN)
        real = os.scandir

        def refusing(path: Any) -> Any:
            if str(path).endswith("shut"):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(os, "scandir", refusing)
        [run] = imports.take(imports.files / "all")
        assert is_usual(run)
        assert re.search(r"cannot read .*shut: Permission denied", imports.remarks)

    def test_runs_of_ours_are_not_imported(self, imports: Imports) -> None:
        imports.take(imports.file("a.csv", PLAIN))
        with pytest.raises(Unimportable, match="holds no file that can be imported"):
            imports.take(imports.runs)
        with pytest.raises(Unimportable, match="it needs no import"):
            imports.take(imports.runs / "a" / "events.jsonl")


class TestAColumnARun:
    def test_a_file_of_one_signal(self, imports: Imports) -> None:
        file = imports.file("val_acc.csv", csv("step,seed 0,seed 1", STEPS, TEST, CONTROL))
        runs = imports.take(file)
        assert imports.names() == ["val_acc/seed-0", "val_acc/seed-1"]
        assert [column(run, "test_accuracy") for run in runs] == [TEST, CONTROL]

    @pytest.mark.parametrize(
        ("name", "head"), [("val_acc", "step,lr,seed"), ("val_acc", "step,a,epoch"), ("x", "step,a,b")]
    )
    def test_columns_that_need_not_be_runs(self, imports: Imports, name: str, head: str) -> None:
        with pytest.raises(Unimportable, match="no column is known as test_accuracy"):
            imports.take(imports.file(f"{name}.csv", csv(head, STEPS, TEST, CONTROL)))


class TestWeightsAndBiases:
    def chart(self, metric: str = "val/acc") -> str:
        columns = [f"{run} - {metric}{end}" for run in ("sun-3", "a - b") for end in ("", "__MIN", "__MAX")]
        head = ",".join(f'"{name}"' for name in ["Step", *columns])
        text = csv(head, STEPS, *([TEST] * 3), *([CONTROL] * 3))
        return text.rstrip("\n")  # as the browser writes it

    def test_a_column_a_run(self, imports: Imports) -> None:
        runs = imports.take(imports.file("chart.csv", self.chart()))
        assert imports.names() == ["chart/a---b", "chart/sun-3"]
        assert [column(run, "test_accuracy") for run in runs] == [TEST, CONTROL], "an export has no torn end"

    def test_a_metric_by_its_name(self, imports: Imports) -> None:
        file = imports.file("chart.csv", self.chart("quality"))
        with pytest.raises(Unimportable, match=r"known as test_accuracy; .*the columns are: Step, quality"):
            imports.take(file)
        assert len(imports.take(file, columns={"test_accuracy": "quality"})) == 2
        [one] = imports.take(file, columns={"test_accuracy": "sun-3 - quality"}, name="one")
        assert column(one, "test_accuracy") == TEST

    def test_charts_of_the_same_runs_are_joined(self, imports: Imports) -> None:
        runs = imports.take(
            imports.file("val.csv", self.chart()), imports.file("train.csv", self.chart("train/acc")), name="both"
        )
        assert imports.names() == ["both/a---b", "both/sun-3"]
        assert all(run.has("train_accuracy") and run.has("test_accuracy") for run in runs)

    def test_a_history(self, imports: Imports) -> None:
        head = ",_step,_runtime,_timestamp,train_acc,val_acc"
        run = imports.one("history.csv", csv(head, range(10), STEPS, STEPS, STEPS, TRAIN, TEST))
        assert is_usual(run)


class TestTensorBoard:
    def test_a_file_a_scalar(self, imports: Imports) -> None:
        files = [
            imports.file("run-exp_7-tag-accuracy_train.csv", scalar(TRAIN)),
            imports.file("run-exp_7-tag-accuracy_test.csv", scalar(TEST)),
        ]
        [run] = imports.take(*files)
        assert imports.names() == ["exp_7"]
        assert is_usual(run)

    def test_a_scalar_alone_waits_for_the_others(self, imports: Imports) -> None:
        with pytest.raises(Unimportable, match="joined if one command gets them all"):
            imports.take(imports.file("train_accuracy.csv", scalar(TRAIN)))

    def test_scalars_that_are_called_by_their_file(self, imports: Imports) -> None:
        files = [imports.file(f"{name}.csv", scalar(values)) for name, values in (("train", TRAIN), ("test", TEST))]
        with pytest.raises(Unimportable, match="test and train hold the accuracy, give --column test_accuracy=test"):
            imports.take(*files, name="tb")
        [run] = imports.take(*files, name="tb", columns={"test_accuracy": "test", "train_accuracy": "train"})
        assert imports.names() == ["tb"]
        assert is_usual(run)
        [alone] = imports.take(files[1], name="alone", columns={"step": "Step", "test_accuracy": "Value"})
        assert column(alone, "test_accuracy") == TEST

    def test_a_file_a_scalar_in_json(self, imports: Imports) -> None:
        for name, values in (("train", TRAIN), ("test", TEST)):
            points = [[1.7e9 + step, step, value] for step, value in zip(STEPS, values, strict=True)]
            imports.file(f"run-exp_7-tag-accuracy_{name}.json", json.dumps(points))
        [run] = imports.take(imports.files)
        assert imports.names() == ["files/exp_7"]
        assert is_usual(run)
        with pytest.raises(Unimportable, match=r"is \[1, 2\], not an object"):
            imports.one("pairs.json", "[[1, 2], [3, 4]]")

    def test_splits_as_runs(self, imports: Imports) -> None:
        """As Keras writes them: a folder a split, the same tag in each."""
        files = [
            imports.file(f"tb/run-{split}-tag-epoch_accuracy.csv", scalar(values))
            for split, values in (("train", TRAIN), ("validation", TEST))
        ]
        [run] = imports.take(*files)
        assert is_usual(run)

    def test_event_files(self, imports: Imports) -> None:
        pytest.importorskip("tensorboard")
        write_events(imports.files / "logs" / "exp", {"train/acc": TRAIN, "val/acc": TEST})
        write_events(imports.files / "logs" / "keras" / "train", {"epoch_accuracy": TRAIN})
        write_events(imports.files / "logs" / "keras" / "validation", {"epoch_accuracy": TEST})
        runs = imports.take(imports.files / "logs")
        assert imports.names() == ["logs/exp", "logs/keras"]
        assert [column(run, "test_accuracy") for run in runs] == [pytest.approx(TEST)] * 2

    def test_without_tensorboard_it_says_what_to_install(
        self, imports: Imports, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from grokscope.contract.backends import Unavailable

        monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing", None)
        file = imports.file("events.out.tfevents.1.host", b"")
        with pytest.raises(Unavailable, match=r"pip install '\.\[tensorboard\]'"):
            imports.take(file)

    def test_a_folder_is_read_without_what_needs_tensorboard(
        self, imports: Imports, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing", None)
        imports.file("logs/a.csv", csv("step,test_accuracy", STEPS, TEST))
        imports.file("logs/events.out.tfevents.1.host", b"")
        imports.take(imports.files / "logs")
        assert imports.done is not None
        assert any("tfevents.1.host needs TensorBoard" in remark for remark in imports.done.remarks)


def test_a_folder_without_any_run_says_why(imports: Imports) -> None:
    imports.file("logs/a.csv", b"\xff\xff")
    imports.file("logs/b.json", "[" * 9999)
    with pytest.raises(Unimportable, match=r"logs/a\.csv is no text in UTF-8"):
        imports.take(imports.files / "logs")


def test_a_link_that_leads_to_itself(imports: Imports) -> None:
    (imports.files / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(Unimportable, match=r"cannot read .*loop\.csv: Too many levels of symbolic links"):
        imports.take(imports.files / "loop.csv")


class TestTrackersOnThisMachine:
    """How each writes them itself is in tests/interop."""

    def run_of_mlflow(self, imports: Imports, key: str, stage: str = "active") -> Path:
        home = f"mlruns/7/{key}"
        imports.file("mlruns/7/meta.yaml", "experiment_id: '7'\nname: grok\n")
        imports.file(f"{home}/meta.yaml", f"lifecycle_stage: {stage}\nrun_id: {key}\nrun_name: sun\n")
        imports.file(f"{home}/params/learning_rate", "0.001")
        imports.file(f"{home}/artifacts/history.json", json.dumps(RECORDS))
        for name, values in (("train_acc", TRAIN), ("val/acc", TEST)):
            lines = "".join(f"1700000000000 {value} {step}\n" for step, value in zip(STEPS, values, strict=True))
            imports.file(f"{home}/metrics/{name}", lines)
        return imports.files / home

    def test_a_folder_of_mlflow(self, imports: Imports) -> None:
        first = self.run_of_mlflow(imports, "aa")
        self.run_of_mlflow(imports, "bb")
        self.run_of_mlflow(imports, "cc", stage="deleted")
        runs = imports.take(imports.files / "mlruns")
        assert imports.names() == ["grok/aa-sun", "grok/bb-sun"]
        assert all(map(is_usual, runs))
        assert [run.facts["optimizer.lr"] for run in runs] == [0.001] * 2
        assert imports.remarks == ""
        [run] = imports.take(first)
        assert "sun" in imports.names()
        assert is_usual(run)

    def test_a_metric_of_mlflow_that_is_torn_or_none(self, imports: Imports) -> None:
        file = self.run_of_mlflow(imports, "aa") / "metrics" / "val" / "acc"
        file.write_text(file.read_text()[:-2])
        [run] = imports.take(file)
        assert column(run, "test_accuracy") == TEST[:-1]
        assert "is incomplete" in imports.remarks
        whole = (self.run_of_mlflow(imports, "bb") / "metrics" / "val" / "acc").read_text()
        file.write_text(whole + "garbage\n")
        [run] = imports.take(file, replace=True)
        assert column(run, "test_accuracy") == TEST
        assert "1 line without time, value and step (11)" in imports.remarks
        file.write_text("0.5\n")
        with pytest.raises(Unimportable, match="line 1 has no time, value and step"):
            imports.take(file, name="none")

    def test_a_database_of_something_else(self, imports: Imports) -> None:
        file = imports.files / "mine.db"
        with closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE metrics (step, value)")
        with pytest.raises(Unimportable, match=r"mine\.db is a database, but neither of mlflow nor of trackio"):
            imports.take(file)
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(Unimportable, match="cannot be read"):
            imports.take(file)

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            ('{"test_acc', "is not JSON"),
            ("[1, 2]", r"is \[1, 2\], not an object"),
            ("[" * 100_000, "nested too deeply"),
            (b"\xff\xfe\x00", "is not JSON"),
            (None, "is not JSON"),
            ("3", "is 3, not an object"),
            (3, "is not JSON"),
        ],
        ids=["torn", "a list", "deep", "bytes", "nothing", "a number", "no text"],
    )
    @pytest.mark.parametrize("place", ["metrics", "config"])
    def test_a_database_of_trackio_with_a_cell_that_is_no_object(
        self, imports: Imports, place: str, cell: object, message: str
    ) -> None:
        file = database_of_trackio(imports)
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(f"UPDATE {'configs' if place == 'config' else 'metrics'} SET {place} = ?", [cell])
        with pytest.raises(Unimportable, match=rf"kept\.db, .*{message}"):
            imports.take(file)

    @pytest.mark.parametrize("cell", [None, 3, b"\xff\x00", ""], ids=str)
    @pytest.mark.parametrize("place", ["runs.name", "params.key", "params.value", "metrics.run_uuid"])
    def test_a_cell_of_a_database_may_be_of_any_type(self, imports: Imports, place: str, cell: object) -> None:
        """SQLite does not hold columns to their types. What names nothing is left out."""
        file = database_of_mlflow(imports)
        table, _, name = place.partition(".")
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(f"UPDATE {table} SET {name} = ? WHERE rowid = (SELECT max(rowid) FROM {table})", [cell])
        [run] = imports.take(file)
        assert column(run, "test_accuracy") == (TEST[:-1] if table == "metrics" else TEST)

    def test_runs_of_trackio_without_a_name(self, imports: Imports) -> None:
        file = database_of_trackio(imports)
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("UPDATE metrics SET run_name = NULL")
        [run] = imports.take(file)
        assert column(run, "test_accuracy") == TEST

    def test_a_pipe_where_mlflow_keeps_what_it_says_of_a_run(self, imports: Imports) -> None:
        """Nobody writes into it: reading it would wait for ever."""
        home = self.run_of_mlflow(imports, "aa")
        (home / "meta.yaml").unlink()
        os.mkfifo(home / "meta.yaml")
        with pytest.raises(Unimportable, match="holds no file that can be imported"):
            imports.take(home / "metrics")

    def test_an_offline_run_without_its_package(self, imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
        from grokscope.contract.backends import Unavailable

        monkeypatch.setitem(sys.modules, "wandb.proto.wandb_internal_pb2", None)
        with pytest.raises(Unavailable, match=r"pip install '\.\[wandb\]'.*; or give the CSV of the run's history"):
            imports.take(imports.file("run-x.wandb", b":W&B"))


def database_of_trackio(imports: Imports) -> Path:
    file = imports.files / "kept.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_id, run_name, step, metrics);"
            "CREATE TABLE configs (run_id, config); CREATE TABLE project_metadata (key);"
            "INSERT INTO configs VALUES ('a', '{}')"
        )
        rows = [
            (step, json.dumps({"train_acc": a, "val_acc": b})) for step, a, b in zip(STEPS, TRAIN, TEST, strict=True)
        ]
        database.executemany("INSERT INTO metrics (run_id, run_name, step, metrics) VALUES ('a', 'sun', ?, ?)", rows)
    return file


def database_of_mlflow(imports: Imports) -> Path:
    file = imports.files / "mlflow.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript(
            "CREATE TABLE experiments (experiment_id, name, lifecycle_stage);"
            "CREATE TABLE runs (run_uuid, experiment_id, name, lifecycle_stage, start_time);"
            "CREATE TABLE params (run_uuid, key, value);"
            "CREATE TABLE metrics (run_uuid, key, step, value, is_nan, timestamp);"
            "INSERT INTO experiments VALUES (1, 'grok', 'active'); INSERT INTO params VALUES ('a', 'lr', '0.001');"
            "INSERT INTO runs VALUES ('a', 1, 'sun', 'active', 0)"
        )
        for key, values in (("train_acc", TRAIN), ("val_acc", TEST)):
            rows = [(key, step, value) for step, value in zip(STEPS, values, strict=True)]
            database.executemany("INSERT INTO metrics VALUES ('a', ?, ?, ?, 0, 0)", rows)
    return file


def write_events(folder: Path, scalars: dict[str, list[float]]) -> None:
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for tag, values in scalars.items():
        for step, value in zip(STEPS, values, strict=True):
            summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
            writer.add_event(event_pb2.Event(wall_time=1.7e9, step=step, summary=summary))
    writer.close()


SEVERAL: dict[str, Any] = {
    "a run a key": {"s0": {"history": RECORDS}, "s1": {"history": RECORDS}},
    "lists a key": {name: {"step": STEPS, "train_acc": TRAIN, "test_acc": TEST, "lr": 1e-3} for name in ("s0", "s1")},
    "an array of runs": [{"name": name, "config": {"lr": 1e-3}, "history": RECORDS} for name in ("s0", "s1")],
}


@pytest.mark.parametrize("document", SEVERAL.values(), ids=SEVERAL)
def test_several_runs_in_a_document(imports: Imports, document: Any) -> None:
    runs = imports.take(imports.file("both.json", json.dumps(document)))
    assert imports.names() == ["both/s0", "both/s1"]
    assert all(map(is_usual, runs))


def test_a_run_a_line(imports: Imports) -> None:
    lines = jsonl(*({"id": name, "lr": 1e-3, "step": STEPS, "test_acc": TEST} for name in ("s0", "s1")))
    runs = imports.take(imports.file("both.jsonl", lines))
    assert imports.names() == ["both/s0", "both/s1"]
    assert [run.facts["optimizer.lr"] for run in runs] == [1e-3] * 2


def test_names_within_a_folder_have_two_parts_at_most() -> None:
    found = Found(Path("exp/a/b/c/log_1.csv"), Path("exp"))
    assert found.parts == ("exp", "a-b-c-log_1")
    assert Found(Path("exp/metrics.csv"), Path("exp")).parts == ("exp",)


def test_from_python(tmp_path: Path) -> None:
    import grokscope

    (tmp_path / "log.csv").write_text(PLAIN)
    done = grokscope.import_runs(str(tmp_path / "log.csv"), str(tmp_path / "runs"))
    assert [each.directory.name for each in done.runs] == ["log"]
    assert grokscope.open("log", runs=tmp_path / "runs").table().numpy()["test.accuracy"][-1] == 1.0
