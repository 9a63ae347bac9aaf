"""`grokscope show`: one run, and what every known rule says of it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunName, RunsFolder

if TYPE_CHECKING:
    from grokscope.runs.directory import RunDirectory
    from grokscope.runs.state import RunState
    from grokscope.warning.review import Cost, Finding

SPARKS = 60


def show(run: RunName, *, runs: RunsFolder = DEFAULT_RUNS, json: AsJson = False) -> None:
    """Show one run: its settings, its last values, where its time went, and what every known rule found.

    Detections are recomputed from the log, by all rules: which one is chosen decides the lead time.
    """
    from grokscope.cli.output import say_json
    from grokscope.runs.directory import NoSuchRun, find_run
    from grokscope.runs.log import read
    from grokscope.runs.state import read_state, summary
    from grokscope.warning.review import cost, findings_of

    directory = find_run(run, runs)
    state = read_state(directory)
    if "started" not in state.last:
        raise NoSuchRun(f"{directory.events} holds no run: its first event is missing")
    events = list(read(directory.events))
    findings, spent = findings_of(events), cost(events)
    defects = [event["defect"]["median"] for event in events if event["event"] == "measured"]
    treatments = _treatments(events)
    if not json:
        _say_all(state, findings, spent, [defect for defect in defects if defect], treatments)
        return
    say_json(
        {
            **summary(state),
            "events": state.events,
            "config": state.config,
            "about": {key: state.last["started"].get(key) for key in _ABOUT},
            "detections": [asdict(finding) for finding in findings],
            "interventions": treatments,
            "cost_seconds": asdict(spent),
            "last": {kind: state.last[kind] for kind in _RECURRING if kind in state.last},
            "files": _files(directory),
        }
    )


_ABOUT = ("backend", "device", "precision", "parameters", "versions", "host", "facts", "resumed_from")
_RECURRING = ("trained", "evaluated", "measured", "observed", "forecast", "finished")


def _say_all(
    state: "RunState", findings: "list[Finding]", spent: "Cost", defects: list[float], treatments: list[dict[str, Any]]
) -> None:
    from grokscope.cli.display import sparkline
    from grokscope.cli.output import say, say_rows
    from grokscope.words.numbers import count, number

    for line in _settings(state):
        say(line)
    say("")
    columns = ["found", "rule", "step", "confirmed", "lead", "value"]
    rows = [
        [
            f"{finding.kind}{' *' if finding.default else ''}", finding.rule, count(finding.step),
            count(finding.confirmed_at), count(finding.lead_steps), number(finding.value),
        ]
        for finding in findings
    ]  # fmt: skip
    say_rows(columns, rows, numeric=columns[2:])
    say("* the rules this run acted on; lead: steps to grokking by that rule")
    say("")
    _say_treatments(state, treatments)
    for line in _readings(state):
        say(line)
    if defects:
        say(f"defect       {sparkline(defects, SPARKS)} {min(defects):.3g} to {max(defects):.3g}, log scale")
    say(f"time         {_time(spent)}")
    files = _files(state.directory)
    say(
        f"files        {files['path']}: {files['bytes']:,} bytes, {len(files['snapshots'])} snapshots, "
        f"{len(files['checkpoints'])} checkpoints"
    )


def _treatments(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was done to a run: each time from when to when, by whom, and how often that is on record."""
    treatments: list[dict[str, Any]] = []
    on: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] != "intervened":
            continue
        kind, state, step = event["kind"], event["state"], event["step"]
        if state in {"on", "changed"}:
            if kind in on:
                on[kind]["off"] = step
            on[kind] = {
                "kind": kind, "on": step, "off": None, "source": event["source"], "applied": 0, "last_applied": None,
                "parameters": event["parameters"], "refused": None,
            }  # fmt: skip
            treatments.append(on[kind])
        elif state == "applied" and kind in on:
            on[kind].update(applied=on[kind]["applied"] + 1, last_applied=step)
        elif state == "off" and kind in on:
            on.pop(kind)["off"] = step
        elif state == "refused":
            treatments.append(
                {
                    "kind": kind, "on": None, "off": None, "source": event["source"], "applied": 0,
                    "last_applied": None, "parameters": event.get("parameters", {}), "refused": event["reason"],
                }
            )  # fmt: skip
    return treatments


def _say_treatments(state: "RunState", treatments: list[dict[str, Any]]) -> None:
    from grokscope.cli.output import say, say_rows
    from grokscope.words.numbers import count

    planned = state.config.get("interventions", {}).get("schedule", [])
    if not treatments and not planned:
        return
    if treatments:
        columns = ["intervention", "on", "off", "applied", "by", "parameters"]
        rows = [
            [
                each["kind"], count(each["on"]), count(each["off"]), f"{each['applied']:,}", each["source"],
                f"refused: {each['refused']}" if each["refused"] else _assigned(each["parameters"]),
            ]
            for each in treatments
        ]  # fmt: skip
        say_rows(columns, rows, numeric=columns[1:4])
        say("applied: as often as is on record; what acts in every step is recorded first and with the loss")
    else:
        say(f"interventions  none came of what was planned: {'; '.join(planned)}")
    say("")


def _assigned(parameters: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in parameters.items() if value is not None)


def _settings(state: "RunState") -> list[str]:
    started, config = state.last["started"], state.config
    if started["origin"] == "import":
        return _imported(state)
    task, train, optimizer = config["task"], config["train"], config["optimizer"]
    measure = config["measure"]
    resumed = "" if started.get("resumed_from") is None else f", resumed from step {started['resumed_from']:,}"
    return [
        f"{state.directory.name}: {state.word}, step {state.step or 0:,} of {train['steps']:,}{resumed}",
        f"task         {task['name']} ({_listed({key: value for key, value in task.items() if key != 'name'})})",
        f"model        {started['parameters']:,} parameters"
        + "".join(f", {name} {value}" for name, value in config["model"].items() if value is not None),
        f"where        {started['backend']} {started['device']} {started['precision']} on {started['host']}",
        f"training     preset {config['preset']}, lr {optimizer['lr']:g}, wd {optimizer['wd']:g}, "
        f"batch {train['batch_size']}, seed {train['seed']}",
        f"measuring    {measure['estimator']}, {measure['samples']} samples every {measure['every']} steps; "
        f"evaluating every {config['evaluate']['every']}",
    ]


def _imported(state: "RunState") -> list[str]:
    """Of somebody else's run: what its settings are known to be, where its record comes from and how it was read."""
    from grokscope.warning.trajectory import facts_of
    from grokscope.words.numbers import assigned

    started, imported = state.last["started"], state.last["started"]["imported"]
    columns = ", ".join(f"{ours} from {theirs}" for ours, theirs in imported["columns"].items())
    return [
        f"{state.directory.name}: imported, step {state.step or 0:,} of {state.config['train']['steps']:,}",
        f"task         {started['task']}",
        f"settings     {assigned(facts_of(state.config)) or 'none known'}",
        f"files        {', '.join(file['name'] for file in imported['files'])}",
        f"columns      {columns}; accuracies as {imported['scale']}s",
    ]


def _readings(state: "RunState") -> list[str]:
    from grokscope.words.numbers import number, percent

    lines = []
    if "trained" in state.last:
        trained = state.last["trained"]
        speed = number(trained["steps_per_second"], 3)
        lines.append(f"trained      step {trained['step']:,}: loss {number(trained['loss'])}, {speed} steps/s")
    if "evaluated" in state.last:
        evaluated = state.last["evaluated"]
        scores = [
            f"{split} {percent(value.get('accuracy'))} (whole examples {percent(value.get('sequence_accuracy'))}, "
            f"loss {number(value.get('loss'))})"
            for split, value in evaluated.items()
            if isinstance(value, Mapping) and "accuracy" in value
        ]
        lines.append(f"evaluated    step {evaluated['step']:,}: {', '.join(scores)}")
    if "measured" in state.last:
        measured = state.last["measured"]
        low, middle, high = (number(measured["defect"][name]) for name in ("p25", "median", "p75"))
        below = ", below its rounding floor" if measured["below_floor"] else ""
        lines.append(f"measured     step {measured['step']:,}: defect {middle} [{low}, {high}]{below}")
    return lines


def _time(spent: "Cost") -> str:
    from grokscope.warning.review import shares
    from grokscope.words.durations import duration

    parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares(spent).items())
    return f"{duration(spent.total)}: {parts}"


def _files(directory: "RunDirectory") -> dict[str, Any]:
    from grokscope.runs.state import bytes_in

    return {
        "path": str(directory.path),
        "snapshots": sorted(path.name for path in directory.snapshots.glob("*.safetensors")),
        "checkpoints": sorted(path.name for path in directory.checkpoints.glob("*.safetensors")),
        "bytes": bytes_in(directory.path),
    }


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
