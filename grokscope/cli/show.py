"""`grokscope show`: one run, with the detections of every known rule."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunName, RunsFolder, batches_of

if TYPE_CHECKING:
    from grokscope.runs.directory import RunDirectory
    from grokscope.runs.state import RunState
    from grokscope.runs.treatments import TreatmentStretch
    from grokscope.warning.review import Finding, TimeSpent

SPARK_CELLS = 60


def show(run: RunName, *, runs: RunsFolder = DEFAULT_RUNS, json: AsJson = False) -> None:
    """Show one run: settings, last values, time, detections.

    Every known rule is applied to the log again, because the lead time depends on the choice of the rule.
    """
    from grokscope.cli.output import say_json
    from grokscope.runs.directory import NoSuchRun, find_run
    from grokscope.runs.state import read_state, summary
    from grokscope.warning.review import Review

    directory = find_run(run, runs)
    state = read_state(directory)
    if "started" not in state.last:
        raise NoSuchRun(state.problem or f"{directory.events} holds no run: the first event is missing")
    review = Review()
    for batch in batches_of(directory):
        review.see_batch(batch)
    findings, spent = review.findings, review.time.spent
    treatments = review.treatments.found
    if not json:
        _say_all(state, findings, spent, [defect for defect in review.defects if defect and defect > 0], treatments)
        return
    say_json(
        {
            **summary(state),
            "events": state.events,
            "config": state.config,
            "about": {key: state.last["started"].get(key) for key in _ABOUT},
            "detections": [asdict(finding) for finding in findings],
            "interventions": [asdict(treatment) for treatment in treatments],
            "cost_seconds": asdict(spent),
            "last": {kind: state.last[kind] for kind in _RECURRING if kind in state.last},
            "files": _files(directory),
        }
    )


_ABOUT = ("backend", "device", "precision", "parameters", "versions", "host", "facts", "resumed_from")
_RECURRING = ("trained", "evaluated", "measured", "observed", "forecast", "finished")


def _say_all(
    state: "RunState",
    findings: "list[Finding]",
    spent: "TimeSpent",
    defects: list[float],
    treatments: "list[TreatmentStretch]",
) -> None:
    from grokscope.cli.output import say, say_labelled, say_table, say_wrapped
    from grokscope.runs.treatments import treatments_table
    from grokscope.warning.review import findings_table
    from grokscope.words.numbers import count

    started, steps = state.last["started"], state.setting("train", "steps")
    resumed = "" if started.get("resumed_from") is None else f", resumed from step {count(started['resumed_from'])}"
    say(f"{state.directory.name}: {state.word}, step {count(state.step or 0)} of {count(steps)}{resumed}")
    say_labelled(_settings(state))
    say("")
    say_table(findings_table(findings), titled=False)
    say("")
    planned = state.setting("interventions", "schedule") or []
    if treatments:
        say_table(treatments_table(treatments), titled=False)
        say("")
    elif planned:
        say_wrapped(f"no intervention was applied; planned: {'; '.join(planned)}")
        say("")
    say_labelled(_readings(state, spent, defects))


def _settings(state: "RunState") -> list[tuple[str, str]]:
    from grokscope.words.clean import clean
    from grokscope.words.fields import section
    from grokscope.words.numbers import assigned, count, value_text

    started, config = state.last["started"], state.config
    if started["origin"] == "import" and started.get("imported"):
        return _imported(state)
    setting = state.setting
    size, sizes = count(started["parameters"]), assigned(section(config, "model"))
    options = assigned({key: value for key, value in section(config, "task").items() if key != "name"})
    where = " ".join(clean(started[key]) for key in ("backend", "device", "precision"))
    training = assigned(
        {
            "lr": setting("optimizer", "lr"), "wd": setting("optimizer", "wd"),
            "batch": setting("train", "batch_size"), "seed": setting("train", "seed"),
        }
    )  # fmt: skip
    samples, every = count(setting("measure", "samples")), count(setting("measure", "every"))
    measuring = f"{value_text(setting('measure', 'estimator'))}, {samples} samples every {every} steps"
    return [
        ("task", clean(started["task"]) + (f" ({options})" if options else "")),
        ("model", f"{size} parameters" + (f", {sizes}" if sizes else "")),
        ("where", f"{where} on {clean(started['host'])}"),
        ("training", f"preset {value_text(config['preset'])}, {training}" if "preset" in config else training),
        ("measuring", f"{measuring}; evaluating every {count(setting('evaluate', 'every'))}"),
    ]


def _imported(state: "RunState") -> list[tuple[str, str]]:
    """Labelled lines about an imported run: task, known settings, source files, meaning of the columns."""
    from grokscope.warning.trajectory import facts_of
    from grokscope.words.numbers import assigned

    started, imported = state.last["started"], state.last["started"]["imported"]
    columns = ", ".join(f"{ours} from {theirs}" for ours, theirs in imported["columns"].items())
    return [
        ("task", started["task"]),
        ("settings", assigned(facts_of(state.config)) or "none known"),
        ("files", ", ".join(file["name"] for file in imported["files"])),
        ("columns", f"{columns}; accuracies as {imported['scale']}s"),
    ]


def _readings(state: "RunState", spent: "TimeSpent", defects: list[float]) -> Iterator[tuple[str, str]]:
    from grokscope.cli.display import sparkline
    from grokscope.warning.review import time_shares
    from grokscope.words.durations import duration
    from grokscope.words.events import event_details
    from grokscope.words.numbers import count, number, whole_percent

    for kind in ("trained", "evaluated", "measured"):
        if kind in state.last:
            yield kind, f"step {count(state.last[kind]['step'])}: {event_details(state.last[kind])}"
    if defects:
        spread = f"{number(min(defects))} to {number(max(defects))}, log scale"
        yield "defect", f"{sparkline(defects, SPARK_CELLS)} {spread}"
    parts = ", ".join(f"{name} {whole_percent(share)}" for name, share in time_shares(spent).items())
    yield "time", f"{duration(spent.total)}: {parts}"
    files = _files(state.directory)
    kept = [
        f"{kind} cannot be listed" if files[kind] is None else f"{len(files[kind])} {kind}"
        for kind in ("snapshots", "checkpoints")
    ]
    yield "files", f"{files['path']}: {count(files['bytes'])} bytes, {', '.join(kept)}"


def _files(directory: "RunDirectory") -> dict[str, Any]:
    from grokscope.runs.state import bytes_in

    return {
        "path": str(directory.path),
        "snapshots": _vectors_in(directory.snapshots),
        "checkpoints": _vectors_in(directory.checkpoints),
        "bytes": bytes_in(directory.path),
    }


def _vectors_in(folder: Path) -> list[str] | None:
    """Names of files of parameters; None where the folder cannot be listed."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".safetensors"))
    except FileNotFoundError:
        return []
    except OSError:
        return None
