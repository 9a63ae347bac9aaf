"""A loop of somebody's own leaves a run like any other: written, read, controlled, and gone on with."""

import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from events_made import write_log
from own_made import KINDS, ROWS, cross_entropy, events_of, perceptron, probing, rows_of, seeded, train, vectors
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import grokscope
from grokscope.events import typed
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, send
from grokscope.training import control

MLP = KINDS["MLP"]


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "INBOX_POLL_SECONDS", 0.0)


def probe(run: Path, model: nn.Module | None = None, batches: Any = None, **options: Any) -> grokscope.Probe:
    asked: dict[str, Any] = {"samples": 2, "baseline_samples": 3, "every": 2, "batch_size": 8, "on_error": "raise"}
    torch.manual_seed(0)
    return grokscope.Probe(
        perceptron() if model is None else model, cross_entropy, vectors() if batches is None else batches,
        run=run, **asked | options,
    )  # fmt: skip


def without_clock(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    clock = {"time", "seconds", "process", "run"}
    return [{key: value for key, value in event.items() if key not in clock} for event in events]


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_it_is_recorded_like_any_other(tmp_path: Path) -> None:
    model, data = seeded(MLP)
    asked = {
        "every": 2,
        "evaluate": {"train": data, "test": data},
        "snapshot_every": 4,
        "signals": ["pc1"],
        "steps": 16,
    }
    train(model, data, cross_entropy, 16, probing(MLP, model, data, tmp_path / "mine", **asked))
    events = events_of(tmp_path / "mine")
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert {typed(event).event for event in events} >= {
        "started", "measured", "evaluated", "observed", "snapshot", "forecast", "finished",
    }  # fmt: skip
    started = events[0]
    assert (started["origin"], started["backend"], started["precision"]) == ("own loop", "torch", "float32")
    assert started["config"]["optimizer"]["wd"] == 0.1
    assert len(events_of(tmp_path / "mine", "measured")[0]["defect"]["samples"]) == 2
    last = events[-1]
    assert (last["event"], last["status"], last["steps"]) == ("finished", "completed", 16)
    decay = [event["signals"]["decay_time"] for event in events_of(tmp_path / "mine", "observed")
             if "decay_time" in event["signals"]]  # fmt: skip
    assert decay == pytest.approx([step * 1e-2 * 0.1 for step in range(0, 17, 2)])
    pc1 = [event["signals"]["pc1"] for event in events_of(tmp_path / "mine", "observed") if "pc1" in event["signals"]]
    assert len(pc1) == 2
    vector = torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).numpy()
    assert np.array_equal(grokscope.open(tmp_path / "mine").snapshots()[-1].parameters, vector)


@pytest.mark.slow
def test_every_command_takes_it(tmp_path: Path) -> None:
    model, data = seeded(MLP)
    asked = {"every": 2, "evaluate": {"train": data, "test": data}, "snapshot_every": 2}
    train(model, data, cross_entropy, 12, probing(MLP, model, data, tmp_path / "mine", **asked))
    for arguments in (
        ["ls"], ["show", "mine"], ["export", "mine", "--csv"], ["law", "mine"], ["forecast", "mine"], ["pca", "mine"],
        ["report", "mine", "-o", str(tmp_path / "report")],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "grokscope", *arguments, "--runs", str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stderr)
        assert done.stdout


def test_what_the_loop_says_of_itself(tmp_path: Path) -> None:
    watching = probe(tmp_path / "mine", optimizer=torch.optim.SGD(perceptron().parameters(), lr=0.5), threshold=0.9)
    for step in range(1, 7):
        assert watching.step(
            loss=torch.tensor(1.0 / step, requires_grad=True),
            gradient_norm=np.float32(2.0),
            val_acc=0.95,
            train_loss=0.1,
        )
    watching.finish()
    watching.finish()
    assert [(event["step"], event["lr"]) for event in events_of(tmp_path / "mine", "trained")] == [
        (2, 0.5),
        (4, 0.5),
        (6, 0.5),
    ]
    evaluated = events_of(tmp_path / "mine", "evaluated")
    assert [(event["step"], event["test"]["accuracy"], event["train"]["loss"]) for event in evaluated][:2] == [
        (1, 0.95, 0.1), (2, 0.95, 0.1),
    ]  # fmt: skip
    [grokked] = events_of(tmp_path / "mine", "grokked")
    assert (grokked["step"], grokked["confirmed_at"], grokked["rule"]["name"]) == (1, 3, "sustained-0.90")
    observed = [event["signals"].get("gradient_norm") for event in events_of(tmp_path / "mine", "observed")]
    assert 2.0 in observed
    assert len(events_of(tmp_path / "mine", "finished")) == 1


def test_a_metric_of_its_own(tmp_path: Path) -> None:
    watching = probe(tmp_path / "mine", metric="f1", threshold=0.5, consecutive=1, evaluate={"test": lambda model: 0.7})
    watching.finish()
    [grokked] = events_of(tmp_path / "mine", "grokked")
    assert grokked["value"] == 0.7
    assert events_of(tmp_path / "mine", "evaluated")[0]["test"]["f1"] == 0.7


@pytest.mark.parametrize("name", ["val", "eval", "test"])
def test_a_split_by_any_of_its_names_is_judged(name: str, tmp_path: Path) -> None:
    watching = probe(tmp_path / "told", consecutive=1)
    watching.step(**{f"{name}_accuracy": 1.0})
    watching.finish()
    probe(tmp_path / "scored", consecutive=1, evaluate={name: lambda model: 1.0}).finish()
    both = {name: lambda model: 1.0, "dev": lambda model: 0.0, "held": lambda model: 0.5}
    probe(tmp_path / "both", evaluate=both).finish()
    assert [len(events_of(tmp_path / run, "grokked")) for run in ("told", "scored")] == [1, 1]
    assert [event[name]["accuracy"] for event in events_of(tmp_path / "both", "evaluated")] == [1.0]


def test_a_test_split_without_the_metric_is_told_of(tmp_path: Path) -> None:
    with pytest.warns(grokscope.ProbeWarning, match=r"has no f1, so that no step .*: give a function .*step\(test_f1="):
        probe(tmp_path / "mine", metric="f1", evaluate={"test": vectors()}).finish()
    assert "has no f1" in events_of(tmp_path / "mine", "warned")[0]["reason"]


def test_a_forked_process_writes_nothing(tmp_path: Path) -> None:
    """A loader's worker, say: it has a copy of the probe, and the run has one writer."""
    watching = probe(tmp_path / "mine", every=1)
    before = (tmp_path / "mine" / "events.jsonl").read_bytes()
    child = os.fork()
    if not child:
        try:
            watching.step(loss=1.0)
            watching.finish()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "mine" / "events.jsonl").read_bytes() == before
    watching.step()
    watching.finish()
    assert [event["step"] for event in events_of(tmp_path / "mine", "measured")] == [0, 1]


def test_a_function_that_scores_is_called_once_a_record(tmp_path: Path) -> None:
    """Also before training begins, where it is tried: it may take long. What it returned then is what is recorded."""
    given: list[float] = []

    def score(model: nn.Module) -> float:
        given.append(len(given) / 10)
        return given[-1]

    watching = probe(tmp_path / "mine", every=1, evaluate={"test": score})
    assert given == [0.0]
    watching.step()
    watching.finish()
    assert [event["test"]["accuracy"] for event in events_of(tmp_path / "mine", "evaluated")] == given == [0.0, 0.1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_step_of_two_optimizers_is_one(order: tuple[int, int], tmp_path: Path) -> None:
    model, data = seeded(MLP)
    first, *others = model.parameters()
    optimizers = [
        torch.optim.SGD([first], lr=0.1, weight_decay=0.05),
        torch.optim.AdamW(others, lr=0.01, weight_decay=0.5),
    ]
    with probe(tmp_path / "mine", model, data, optimizer=optimizers) as watching:
        for _ in range(4):
            cross_entropy(model, data).backward()
            for number in order:
                optimizers[number].step()
    assert watching.steps_taken == 4
    assert [event["step"] for event in events_of(tmp_path / "mine", "measured")] == [0, 2, 4]
    assert events_of(tmp_path / "mine")[0]["config"]["optimizer"] == {"name": "SGD+AdamW"}
    observed = [event["signals"] for event in events_of(tmp_path / "mine", "observed")]
    times = [signals["decay_time"] for signals in observed if "decay_time" in signals]
    assert times == pytest.approx([0.0, 0.01, 0.02]), "lr · wd is the same for both"


@pytest.mark.parametrize("lr", [0.01, torch.tensor(0.01)], ids=["number", "tensor"])
def test_decay_time_is_the_sum_over_a_schedule(tmp_path: Path, lr: Any) -> None:
    """Bit for bit that of lr · wd at each step, at every record: lr, wd and the groups change between records."""
    model, data = seeded(MLP)
    optimizer = torch.optim.AdamW([next(model.parameters())], lr=lr, weight_decay=0.3)
    known, expected = 0.0, [0.0]
    with probe(tmp_path / "mine", model, data, optimizer=optimizer, every=5):
        for step in range(1, 31):
            if step == 12:
                optimizer.param_groups[0]["weight_decay"] = 0.7
            if step == 17:
                optimizer.load_state_dict(optimizer.state_dict())
            group = optimizer.param_groups[0]
            if step % 3 == 0 and isinstance(lr, torch.Tensor):
                group["lr"].mul_(0.9)
            elif step % 3 == 0:
                group["lr"] *= 0.9
            cross_entropy(model, data).backward()
            optimizer.step()
            known += float(group["lr"]) * group["weight_decay"]
            if step % 5 == 0:
                expected.append(known)
    observed = [event["signals"] for event in events_of(tmp_path / "mine", "observed")]
    assert [signals["decay_time"] for signals in observed if "decay_time" in signals] == expected


def test_data_are_scored_whole(tmp_path: Path) -> None:
    model, data = seeded(KINDS["batch norm"])
    with torch.no_grad():
        logits = model.eval()(data[0])
    model.train()
    loader = DataLoader(TensorDataset(*data), batch_size=7, shuffle=True)
    with pytest.warns(grokscope.ProbeWarning):
        watching = probe(
            tmp_path / "mine", model, data, evaluate={"test": loader, "other": lambda module: module.training}
        )
    watching.finish()
    [evaluated] = events_of(tmp_path / "mine", "evaluated")
    assert evaluated["test"]["accuracy"] == float((logits.argmax(1) == data[1]).double().mean())
    assert evaluated["test"]["loss"] == pytest.approx(float(nn.functional.cross_entropy(logits, data[1])), rel=1e-6)
    assert evaluated["other"]["accuracy"] == 0


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    watching = probe(tmp_path / "mine")
    watching.step()
    watching.step(loss=float("nan"))
    watching.finish()
    assert [event["reason"] for event in events_of(tmp_path / "mine", "diverged")] == ["loss is nan"]
    assert events_of(tmp_path / "mine", "finished")[0]["status"] == "diverged"


# --- batches ----------------------------------------------------------------------------------------------------------


class Squares(Dataset[Any]):
    """Examples by number, some of them random."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, number: int) -> Any:
        return torch.randn(6) + number, number % 5


def ready(data: Any, size: int = 8) -> list[Any]:
    return [rows_of(data, torch.arange(ROWS)[start : start + size]) for start in range(0, ROWS, size)]


def sources() -> dict[str, Any]:
    data = vectors()
    whole = TensorDataset(*data)
    return {
        "tensors": data,
        "arrays": (data[0].numpy(), data[1].numpy()),
        "data set": Squares(),
        "subset": Subset(whole, range(4, 20)),
        "examples": [(data[0][row], int(data[1][row])) for row in range(ROWS)],
        "loader": DataLoader(whole, batch_size=8, shuffle=True),
        "loader with workers": DataLoader(Squares(), batch_size=8, num_workers=2, shuffle=True),
        "loader of batches": DataLoader(ready(data), batch_size=None),  # type: ignore[arg-type]
        "list of batches": ready(data),
        "function": lambda random: rows_of(data, torch.as_tensor(random.integers(ROWS, size=8))),
    }


@pytest.mark.parametrize("name", sources())
def test_batches_of_many_kinds(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    batches = sources()[name]
    for run in ("one", "two"):
        before = torch.get_rng_state()
        probe(tmp_path / run, perceptron(), batches).finish()
        torch.set_rng_state(before)
    one, two = (events_of(tmp_path / run) for run in ("one", "two"))
    assert without_clock(one) == without_clock(two), "the stream is the probe's own: events repeat"
    assert one[0]["config"]["train"]["batch_size"] == 8


def test_ready_batches_are_taken_whole_and_by_pairs_of_two(tmp_path: Path) -> None:
    """The last one is smaller, as that of a loader is, so that nothing could be stacked."""
    data = vectors()
    batches = [{"x": x, "y": y} for x, y in ready(data, 20)]
    seen: list[tuple[int, float]] = []

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        seen.append((len(batch["x"]), float(batch["x"][0, 0])))
        return cross_entropy(model, (batch["x"], batch["y"]))

    evaluate = {"other": [batches[0]]}
    watching = grokscope.Probe(perceptron(), loss, batches, run=tmp_path / "mine", evaluate=evaluate, on_error="raise")
    watching.finish()
    assert set(seen) == {(len(batch["x"]), float(batch["x"][0, 0])) for batch in batches}
    started, measured = events_of(tmp_path / "mine")[0], events_of(tmp_path / "mine", "measured")[0]
    assert "batch_size" not in started["config"]["train"]
    assert all(value > 0 for value in measured["defect"]["samples"]), "no batch is paired with itself"
    [other] = (event["other"] for event in events_of(tmp_path / "mine", "evaluated"))
    assert other["loss"] > 0


def test_rows_are_those_that_a_sampler_names(tmp_path: Path) -> None:
    data = vectors()
    seen: set[float] = set()

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        seen.update(batch[0][:, 0].tolist())
        return cross_entropy(model, batch)

    sampler = torch.utils.data.SubsetRandomSampler(range(5, 9))
    loader = DataLoader(TensorDataset(*data), batch_size=4, sampler=sampler)
    grokscope.Probe(perceptron(), loss, loader, run=tmp_path / "mine").finish()
    assert seen == set(data[0][5:9, 0].tolist())


def test_another_seed_draws_other_batches(tmp_path: Path) -> None:
    for seed in (0, 1):
        probe(tmp_path / str(seed), seed=seed).finish()
    one, other = (events_of(tmp_path / seed, "measured")[0]["defect"]["samples"] for seed in "01")
    assert one != other


# --- what somebody asks of it -----------------------------------------------------------------------------------------


def test_stop_is_answered_where_step_is_called(tmp_path: Path) -> None:
    watching = probe(tmp_path / "mine")
    assert watching.step()
    send(RunDirectory(tmp_path / "mine").control, Command(action="stop"))
    assert not watching.step()
    watching.finish()
    assert events_of(tmp_path / "mine", "finished")[0]["status"] == "stopped"


def test_stop_is_refused_where_nothing_could_obey(tmp_path: Path) -> None:
    model, data = seeded(MLP)
    inbox = RunDirectory(tmp_path / "mine").control
    sent: list[Path] = []

    def asked(module: nn.Module, batch: Any) -> torch.Tensor:
        if not sent and len(events_of(tmp_path / "mine", "measured")) == 2:
            actions: tuple[Any, ...] = ("stop", "intervene", "snapshot")
            sent.extend(send(inbox, Command(action=each, kind="kick", state="on")) for each in actions)
        return cross_entropy(module, batch)

    train(model, data, asked, 6, probing(MLP, model, data, tmp_path / "mine", every=2))
    [warned] = events_of(tmp_path / "mine", "warned")
    assert warned["reason"].startswith("stop was refused: nothing in this loop could obey")
    assert [event["state"] for event in events_of(tmp_path / "mine", "intervened")] == ["refused"]
    [snapshot] = events_of(tmp_path / "mine", "snapshot")
    assert (snapshot["source"], snapshot["command"] is not None) == ("control", True)
    assert events_of(tmp_path / "mine", "finished")[0]["status"] == "completed"


# --- going on ---------------------------------------------------------------------------------------------------------


def test_it_goes_on_at_the_loop_s_own_checkpoint(tmp_path: Path) -> None:
    """The log is cut there, and what comes then is what would have come."""

    def told(run: Path, stop: int | None) -> list[dict[str, Any]]:
        model, data = seeded(MLP)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        kept: dict[str, Any] = {}
        options: dict[str, Any] = {"snapshot_every": 2, "optimizer": optimizer}
        watching = probe(run, model, data, **options)
        for step in [*range(1, 7)] if stop is None else [*range(1, stop + 3), *range(stop + 1, 7)]:
            if kept and watching.steps_taken == stop + 2:  # type: ignore[operator]
                watching.finish("interrupted")
                model.load_state_dict(kept["model"])
                optimizer.load_state_dict(kept["optimizer"])
                watching = probe(run, model, data, resume_at=stop, **options)
            torch.manual_seed(step)
            optimizer.zero_grad()
            value = cross_entropy(model, rows_of(data, torch.randint(ROWS, (16,))))
            value.backward()
            optimizer.step()
            watching.step(loss=value)
            if step == stop and not kept:
                kept = json_free(model, optimizer)
        watching.finish()
        return events_of(run)

    alone, again = told(tmp_path / "alone", None), told(tmp_path / "again", 4)
    assert [event["seq"] for event in again] == list(range(len(again)))
    [_, resumed] = [event for event in again if event["event"] == "started"]
    assert (resumed["step"], resumed["resumed_from"]) == (4, 4)

    def course(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [event for event in without_clock(events) if event["event"] not in {"started", "finished"}]
        return [{key: value for key, value in event.items() if key != "seq"} for event in kept]

    assert course(again) == course(alone)
    assert again[-1]["parameters_digest"] == alone[-1]["parameters_digest"]


def json_free(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    import copy

    return {"model": copy.deepcopy(model.state_dict()), "optimizer": copy.deepcopy(optimizer.state_dict())}


def test_a_run_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    probe(tmp_path / "mine").finish()
    before = (tmp_path / "mine" / "events.jsonl").read_bytes()
    with pytest.raises(grokscope.CannotProbe, match="say resume_at=STEP"):
        probe(tmp_path / "mine")
    with pytest.raises(grokscope.CannotProbe, match=r"no run in .*other that could go on at step 3"):
        probe(tmp_path / "other", resume_at=3)
    assert (tmp_path / "mine" / "events.jsonl").read_bytes() == before


@pytest.mark.parametrize("step", [0, 4])
def test_a_trainer_s_run_is_not_cut(tmp_path: Path, step: int) -> None:
    log = write_log(tmp_path / "theirs" / "events.jsonl", {"event": "started"}, {"event": "trained", "step": 9})
    before = log.read_bytes()
    with pytest.raises(grokscope.CannotProbe, match=r"theirs/events\.jsonl is not the log of a loop of your own"):
        probe(log.parent, resume_at=step)
    assert log.read_bytes() == before


def test_a_log_that_is_a_pipe(tmp_path: Path) -> None:
    """Said before training begins."""
    (tmp_path / "mine").mkdir()
    os.mkfifo(tmp_path / "mine" / "events.jsonl")
    with pytest.raises(grokscope.CannotProbe, match=r"^cannot write .*/mine/events\.jsonl: it is not a file$"):
        probe(tmp_path / "mine")


# --- what fails -------------------------------------------------------------------------------------------------------


def test_a_probe_that_fails_warns_and_training_goes_on(tmp_path: Path) -> None:
    model, data = seeded(MLP)
    failing = False

    def loss(module: nn.Module, batch: Any) -> torch.Tensor:
        if failing:
            raise RuntimeError("out of memory")
        return cross_entropy(module, batch)

    watching = grokscope.Probe(model, loss, data, run=tmp_path / "mine", every=1, evaluate={"test": data})
    failing = True
    with pytest.warns(grokscope.ProbeWarning) as told:
        assert watching.step()
    assert [str(each.message).partition(" failed")[0] for each in told] == ["signal defect", "the probe"]
    assert str(told[1].message) == "the probe failed at step 1: out of memory; training goes on"
    failing = False
    assert watching.step(test_accuracy=0.5)
    watching.finish()
    reasons = [event["reason"] for event in events_of(tmp_path / "mine", "warned")]
    assert reasons[0].startswith("signal defect failed")
    assert reasons[1] == "the probe failed at step 1: out of memory"
    assert events_of(tmp_path / "mine", "finished")[0]["status"] == "completed"


CHANGES: dict[str, Any] = {
    "a module replaced": lambda model: model.__setitem__(0, nn.Linear(6, 12)),
    "a module added": lambda model: model.append(nn.Linear(5, 5)),
    "a part unfrozen": lambda model: model[0].requires_grad_(True),
}


@pytest.mark.parametrize(("name", "upcast"), [*((name, False) for name in CHANGES), ("a module added", True)])
def test_a_model_that_changes_is_told_of_once(name: str, upcast: bool, tmp_path: Path) -> None:
    """A part that was frozen would be missing in what is measured, without a word."""
    model: Any = perceptron()
    model[0].requires_grad_(name != "a part unfrozen")
    watching = grokscope.Probe(model, cross_entropy, vectors(), run=tmp_path / "mine", every=1, upcast=upcast)
    CHANGES[name](model)
    with pytest.warns(grokscope.ProbeWarning, match="other parameters than when the probe began"):
        assert watching.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(watching.step() for _ in range(3))
        watching.finish()
    assert [event["step"] for event in events_of(tmp_path / "mine", "measured")] == [0]
    [finished] = events_of(tmp_path / "mine", "finished")
    assert (finished["status"], finished["parameters_digest"]) == ("completed", "")


@pytest.mark.parametrize("name", ["a loss that fails", "a module replaced"])
def test_who_runs_the_loop_is_told(name: str, tmp_path: Path) -> None:
    """Of what fails later, in a signal or beside it: the log is no place where somebody looks then."""
    model, failing = perceptron(), False

    def loss(module: nn.Module, batch: Any) -> torch.Tensor:
        if failing:
            raise RuntimeError("no more")
        return cross_entropy(module, batch)

    watching = grokscope.Probe(model, loss, vectors(), run=tmp_path / "mine", every=1, baseline_samples=1)
    if name == "a loss that fails":
        failing, why = True, "signal defect failed.*no more; training goes on"
    else:
        model[0], why = nn.Linear(6, 12), "other parameters than when the probe began.*training goes on"  # type: ignore[operator]
    with pytest.warns(grokscope.ProbeWarning, match=why):
        assert watching.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", grokscope.ProbeWarning)
        watching.finish()
    assert [event["step"] for event in events_of(tmp_path / "mine", "measured")] == [0]


def test_what_is_no_score_is_said(tmp_path: Path) -> None:
    watching = probe(tmp_path / "mine", on_error="warn")
    for told, why in (
        ({"test_accuracy": 93.0}, "a fraction"),
        ({"speed": 1}, "SPLIT_SCORE"),
        ({"test_loss": "a"}, "no number"),
    ):
        with pytest.warns(grokscope.ProbeWarning, match=why):
            assert watching.step(**told)
    watching.finish()


def test_a_loop_that_ends_in_an_exception_is_interrupted(tmp_path: Path) -> None:
    model, data = seeded(MLP)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(KeyboardInterrupt), probe(tmp_path / "mine", model, data, optimizer=optimizer):
        raise KeyboardInterrupt
    assert events_of(tmp_path / "mine", "finished")[0]["status"] == "interrupted"
    optimizer.step()
    assert not optimizer._optimizer_step_post_hooks


def test_a_process_that_just_ends(tmp_path: Path) -> None:
    script = (
        "import sys, torch, grokscope\n"
        "model = torch.nn.Linear(2, 1)\n"
        "loss = lambda m, x: m(x).square().mean()\n"
        "probe = grokscope.Probe(model, loss, torch.randn(9, 2), run=sys.argv[1], steps=2)\n"
        "probe.step()\n"
        "if sys.argv[2] == 'all': probe.step()\n"
    )
    for name in ("all", "some"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name), name], check=True)
    assert events_of(tmp_path / "all")[-1]["status"] == "completed"
    assert events_of(tmp_path / "some")[-1]["status"] == "interrupted"


# --- what is refused before training ----------------------------------------------------------------------------------


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([])


def wrapped() -> nn.Module:
    class DistributedDataParallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = perceptron()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.module(inputs)
            return found

    return DistributedDataParallel()


def checkpointed() -> nn.Module:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = nn.Linear(6, 6), nn.Linear(6, 5)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden: Any = torch.utils.checkpoint.checkpoint(self.inner, inputs.requires_grad_(), use_reentrant=True)
            found: torch.Tensor = self.outer(hidden)
            return found

    return Checkpointed()


def scripted() -> nn.Module:
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        model: nn.Module = torch.jit.trace(perceptron(), vectors()[0])
    return model


def autocast(model: nn.Module, batch: Any) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return cross_entropy(model, batch)


def generated(model: nn.Module, batch: Any) -> torch.Tensor:
    return cross_entropy(model, (batch[0] + torch.randn(batch[0].shape, generator=GENERATOR), batch[1]))


class Bounding(nn.Linear):
    def __init__(self) -> None:
        super().__init__(6, 5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.weight.data.clamp_(-0.1, 0.1)
        return super().forward(inputs)


class Table:
    """As those of pandas: a shape, a length, and columns by name."""

    shape = (9, 2)

    def __len__(self) -> int:
        return 9

    def __getitem__(self, name: Any) -> Any:
        return {"x": 1}[name]


def vectors_of(seed: int) -> Any:
    torch.manual_seed(seed)
    return vectors()


GENERATOR = torch.Generator()

REFUSED: dict[str, tuple[Any, Any, Any, str]] = {
    "half": (lambda: perceptron().bfloat16(), cross_entropy, None,
             r"0.weight is bfloat16: a defect measured in it would be rounding; probe a float32 copy \(upcast=True\)"),
    "autocast": (perceptron, autocast, None, r"the loss computes in bfloat16 \(autocast inside the model\?\)"),
    "checkpointing": (checkpointed, cross_entropy, None, "reentrant activation checkpointing .*use_reentrant=False"),
    "processes": (wrapped, cross_entropy, None, "wrapped in DistributedDataParallel"),
    "no scalar": (perceptron, lambda m, b: m(b[0])[:, 0], None, r"a tensor of shape \(8,\); it must return a scalar"),
    "no tensor": (perceptron, lambda m, b: 1.0, None, "returned a float"),
    "no parameter": (perceptron, lambda m, b: b[0].sum(), None, "depends on no parameter"),
    "frozen": (lambda: perceptron().requires_grad_(False), cross_entropy, None, "no parameter of the model requires"),
    "no function": (perceptron, generated, None, "draws from a generator of its own"),
    "complex": (lambda: nn.Linear(6, 5, dtype=torch.complex64), cross_entropy, None, "is complex64"),
    "max_norm": (lambda: nn.Sequential(nn.Embedding(9, 6, max_norm=9.0), nn.Flatten(), nn.Linear(24, 5)), cross_entropy,
                 (torch.randint(9, (40, 4)), torch.randint(5, (40,))),
                 r"the forward pass itself changes 0.weight \(max_norm\?\)"),
    "a weight that its pass bounds": (Bounding, cross_entropy, None, "the forward pass itself changes weight"),
    "lazy": (lambda: nn.LazyLinear(5), cross_entropy, None, "run one batch through the model first"),
    "scripted": (scripted, cross_entropy, None, "the model is compiled by torch.jit"),
    "no number": (perceptron, lambda m, b: cross_entropy(m, b) * math.nan, None, "is nan before training begins"),
    "its loss fails": (perceptron, lambda m, b: m(b), None, "on a batch of the probe's own, .*: TypeError"),
    "no module": (lambda: 3, cross_entropy, None, "model= is of type int, and no model of .*: give the module"),
    "no loss": (perceptron, 3, None, "loss= is of type int: give a function"),
    "a stream": (perceptron, cross_entropy, Stream(), "cannot draw from an iterable without a length"),
    "a loader of a stream": (perceptron, cross_entropy, DataLoader(Stream()), "an iterable without a length"),
    "an iterator": (perceptron, cross_entropy, iter([1]), "give batches= a function of a NumPy generator"),
    "nothing": (perceptron, cross_entropy, [], "batches= is empty"),
    "one batch": (perceptron, cross_entropy, ready(vectors())[:1], "one batch, and a batch commutes with itself"),
    "always the same": (perceptron, cross_entropy, lambda random: vectors_of(0), "two batches .* are the same"),
    "tensors in a list": (perceptron, cross_entropy, list(vectors()), "may be an example, a batch or a column"),
    "sequences in a list": (perceptron, cross_entropy, [(torch.arange(7),) * 2] * 9, "a DataLoader of examples"),
    "sizes that differ": (perceptron, cross_entropy, [vectors()] * 2, "batch_size= is 8, and the batches"),
    "lengths that differ": (perceptron, cross_entropy, (torch.ones(9, 6), torch.arange(8)),
                            r"no tensors of one length, but \(float32 \[9, 6\], int64 \[8\]\)"),
    "numbers": (perceptron, cross_entropy, ([[1.0] * 6] * 9, [0] * 9), "no tensors of one length, but"),
    "a table": (perceptron, cross_entropy, Table(), r"batches= gave no batch: KeyError: \d+: give a DataLoader"),
    "a name": (perceptron, cross_entropy, "train.pt", "batches= is of type str: give a DataLoader"),
    "a class": (perceptron, cross_entropy, DataLoader, "batches= is the class DataLoader: give"),
    "no batches": (perceptron, cross_entropy, 3, "batches= is of type int: give"),
    "no generator taken": (perceptron, cross_entropy, lambda: vectors(), "does not take one argument"),
    "a function of streams": (perceptron, cross_entropy, lambda random: iter([1]), "it must return one batch"),
    "another batch": (perceptron, cross_entropy, (torch.ones(9, 5), torch.arange(9) % 5),
                      r"on a batch of the probe's own, \(float32 \[8, 5\], int64 \[8\]\): RuntimeError"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_a_sentence_before_anything_is_written(name: str, tmp_path: Path) -> None:
    make, loss, batches, why = REFUSED[name]
    with pytest.raises(grokscope.CannotProbe, match=why) as refusal:
        grokscope.Probe(make(), loss, vectors() if batches is None else batches, run=tmp_path / "mine", batch_size=8)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"every": 0}, "every: input should be greater than or equal to 1"),
        ({"signals": ["ildr"]}, "looks at the predictions of a task"),
        ({"signals": ["nonsense"]}, "nonsense"),
        ({"signals": ["pc1"]}, "snapshot"),
        ({"mode": "other"}, "mode= is"),
        ({"optimizer": 3}, "optimizer= is of type int, .*: give the one that the loop steps"),
        ({"optimizer": []}, "optimizer= is an empty list: give"),
        ({"optimizer": [3]}, "optimizer= is of type int, .*: give the one that the loop steps, or a list"),
        ({"facts": {"width": 3}}, "dotted key"),
        ({"samples": "many"}, "samples: input should be a valid integer"),
        ({"signals": "pc1"}, "signals: input should be a valid list"),
        ({"threshold": 98}, "threshold=98 is no accuracy: that is a fraction"),
        ({"metric": "test_f1"}, "metric='test_f1' names a split: say metric='f1'"),
        ({"metric": "loss"}, "give one that rises"),
        ({"bank": "mine.jsonl.gz"}, "say steps="),
        ({"bank": "mine.jsonl.gz", "steps": 9}, "bank= cannot be used: cannot read the bank mine.jsonl.gz"),
        ({"evaluate": {"test": 3}}, "takes a DataLoader, a data set, tensors"),
        ({"evaluate": lambda model: 1.0}, "evaluate= is of type function: give splits by name"),
        ({"evaluate": {"step": lambda model: 1.0}}, "'step' cannot name a split"),
        ({"evaluate": {"test": lambda: 1.0}}, r"evaluate=\{'test': …\} cannot be scored: TypeError.*: give data that"),
        (
            {"evaluate": {"test": lambda model: 93.0}},
            "cannot be scored: test accuracy is 93: an accuracy is a fraction",
        ),
        ({"evaluate": {"test": (torch.ones(9, 5), torch.arange(9) % 5)}}, "cannot be scored: RuntimeError: mat1 and"),
        ({"evaluate": {"test": vectors()[0]}}, "'test': …} cannot be scored: "),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(grokscope.CannotProbe, match=why):
        probe(tmp_path / "mine", **options)
    assert not (tmp_path / "mine").exists()


def test_importing_grokscope_imports_no_framework() -> None:
    code = "import sys, grokscope; grokscope.Probe, grokscope.defect; print(*({'torch', 'mlx'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.dumps(found.stdout.split()) == "[]"
