"""`grokscope ls`, `export`, `events` and `control`: list runs, write what they hold, and control their trainers."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.completion import (
    offered_interventions,
    offered_kinds,
    offered_parameters,
    offered_runs,
    offered_signals,
    offered_sort_keys,
    several,
)
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunName, RunsFolder, batches_of, collect_seldom, events_of
from grokscope.cli.sinks import ToolChoice, export_to

if TYPE_CHECKING:
    from grokscope.runs.directory import RunDirectory
    from grokscope.runs.inbox import Command


MOST_PROBLEMS = 5
"""Damaged logs of a list that are reported one by one; the others are counted"""


def ls(
    asked: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SWEEP | FILTER]...",
            help="The name of a sweep lists its runs. Other words must all hold, as in `lr<1e-3 wd=1 state=crashed "
            "modular`: settings, task, backend, state, status, step, grokked, accuracy, or a part of the name.",
            autocompletion=offered_runs,
        ),
    ] = None,
    *,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Sort by name, step, test, grokked, defect or a setting, as lr.",
            autocompletion=offered_sort_keys,
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="The other way round.")] = False,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """List runs and sweeps, the most recently written first.

    Each sweep is one line, unless it is asked for by name, or a filter looks for its runs.
    """
    from grokscope.cli.output import say_json, say_table
    from grokscope.runs.filtering import BadFilter
    from grokscope.runs.listing import SORT_KEYS, Group, asked_for, runs_and_groups, runs_table, sorted_runs
    from grokscope.runs.state import summary

    collect_seldom()
    found = runs_and_groups(runs)
    try:
        chosen = asked_for(found, asked or [])
    except BadFilter as wrong:
        raise typer.BadParameter(str(wrong), param_hint="FILTER") from None
    if sort is not None:
        try:
            chosen = sorted_runs(chosen, sort)
        except KeyError:
            raise typer.BadParameter(
                f"none of these runs has {sort!r}; sort by {', '.join(SORT_KEYS)} or a setting",
                param_hint="--sort",
            ) from None
    if reverse:
        chosen.reverse()
    if json:
        say_json([each.to_dict() if isinstance(each, Group) else summary(each) for each in chosen])
    elif chosen:
        say_table(runs_table(chosen, runs), titled=False)
    elif found:
        complain(f"no run in {runs} passes this filter: {' '.join(asked or [])}")
    else:
        complain(f"there are no runs in {runs}; `grokscope run modular --preset quick` makes one")
    states = [state for each in chosen for state in (each.states if isinstance(each, Group) else (each,))]
    _complain_of([state.problem for state in states if state.problem])


def _complain_of(problems: list[str]) -> None:
    """Report damaged logs: the first `MOST_PROBLEMS` in full, the others as a count."""
    for problem in problems[:MOST_PROBLEMS]:
        complain(problem)
    if len(problems) > MOST_PROBLEMS:
        complain(f"{len(problems) - MOST_PROBLEMS:,} more logs have damaged lines; `grokscope show RUN` describes them")


def export(
    run: RunName,
    *,
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values, one row per step (the default).")] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON array, one object per step.")] = False,
    to: Annotated[ToolChoice | None, typer.Option("--to", help="Write the run into this tool, not as a table.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, or folder of TensorBoard; `-` is stdout.")
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(
            help="Kinds of events, with commas; default: trained,evaluated,measured,observed.",
            autocompletion=several(offered_kinds),
        ),
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:PARAMETER=VALUE,…]",
            help="Compute a signal that the run did not record from the run's snapshots; repeatable.",
            autocompletion=offered_signals,
        ),
    ] = None,
    runs: RunsFolder = DEFAULT_RUNS,
) -> None:
    """Write a run's numbers as one wide table, or into another tool.

    The table has one row per step and one column per signal: defect.median, train.accuracy, test.accuracy,
    trained.loss, measured.gradient_norm, signals.weight_norm and so on. A cell without a value is empty (null in JSON).
    With --to, the names have a slash (train/accuracy), and the command prints where the run is in that tool.
    """
    from grokscope.cli.output import written_to
    from grokscope.events import RECURRING
    from grokscope.runs.directory import find_run
    from grokscope.runs.table import wide_table

    if csv and json:
        raise typer.BadParameter("give --csv or --json, not both")
    kinds = _kinds(events) if events else RECURRING
    directory = find_run(run, runs)
    if to is not None:
        if csv or json or events or signal:
            raise typer.BadParameter("takes all numbers of the run; leave out the other options", param_hint="--to")
        export_to(directory, to, output)
        return
    table = wide_table(chain(batches_of(directory), [list(_observed_again(directory, signal or []))]), kinds)
    with written_to(output) as out:
        out.writelines(table.json() if json else table.csv())


def events(
    run: RunName,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new events until the run has ended.")
    ] = False,
    kinds: Annotated[
        str | None,
        typer.Option(
            "--kinds",
            help="Only these kinds, with commas, as in evaluated,grokked.",
            autocompletion=several(offered_kinds),
        ),
    ] = None,
    since: Annotated[int, typer.Option(min=0, metavar="SEQ", help="Begin with the event of this number.")] = 0,
    runs: RunsFolder = DEFAULT_RUNS,
) -> None:
    """Print a run's events, one JSON object per line.

    A log of an older version is printed in the schema of this one. With --follow the command waits for new events, and
    ends when the run has finished or crashed.
    """
    from grokscope.cli.output import say_json_line
    from grokscope.runs.directory import find_run
    from grokscope.runs.following import followed

    asked = None if kinds is None else set(_kinds(kinds))
    directory = find_run(run, runs)
    for event in followed(directory) if follow else events_of(directory):
        if (asked is None or event["event"] in asked) and event["seq"] >= since:
            say_json_line(event)


def _observed_again(directory: "RunDirectory", signals: list[str]) -> Iterator[dict[str, Any]]:
    if signals:
        from grokscope.training.afterwards import observed_afterwards

        yield from observed_afterwards(directory, signals)


def _kinds(text: str) -> list[str]:
    from grokscope.runs.table import known_kinds

    asked = [kind.strip() for kind in text.split(",")]
    unknown = [kind for kind in asked if kind not in known_kinds()]
    if unknown:
        raise typer.BadParameter(f"there is no event {unknown[0]!r}; there are: {', '.join(known_kinds())}")
    return asked


ControlAction = Literal["pause", "resume", "step", "stop", "snapshot", "intervene"]
_RESULTING_STATE = {"pause": "paused", "resume": "running", "stop": "finished"}
"""The state that an action leads to; a run in this state needs no command"""


def control(
    run: RunName,
    action: Annotated[ControlAction, typer.Argument(help="pause, resume, step, stop, snapshot or intervene.")],
    kind: Annotated[
        str | None, typer.Argument(help="Kind of intervention, for `intervene`.", autocompletion=offered_interventions)
    ] = None,
    state: Annotated[Literal["on", "off"] | None, typer.Argument(help="on or off, for `intervene`.")] = None,
    *,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A parameter of the intervention; repeatable.",
            autocompletion=offered_parameters,
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Steps to take, for `step` while paused.")] = 1,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the trainer's answer; 0: do not wait.")
    ] = 10.0,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Pause, resume, stop or treat a live run.

    The command waits for the trainer's answer, and prints it. A run that is in the wanted state already is left as it
    is.
    """
    from grokscope.runs.directory import find_run
    from grokscope.runs.request import ask
    from grokscope.runs.state import read_state

    command = _command(action, kind, state, setting or [], count)
    directory = find_run(run, runs)
    found = read_state(directory)
    if found.condition == _RESULTING_STATE.get(action):
        _say_already(directory.name, command, found.condition, json)
        return
    answer = ask(found, command, wait_seconds=wait)
    if answer.event is None and wait == 0:
        _say_queued(directory.name, command, json)
        return
    if answer.event is None:
        progress = "has read the command" if answer.taken else "has not read its inbox, where the command waits"
        complain(f"no answer within {wait:g} s: the trainer {progress}")
        raise typer.Exit(ExitCode.FAULT)
    _say_answer(answer.event, json)
    if not answer.obeyed:
        raise typer.Exit(ExitCode.USAGE)


def _command(action: ControlAction, kind: str | None, state: Any, assignments: list[str], count: int) -> "Command":
    from math import isfinite

    from grokscope.runs.inbox import Command
    from grokscope.settings.config import read_assignments

    if action == "intervene":
        if kind is None or state is None:
            raise typer.BadParameter("give a kind and a state: `control RUN intervene KIND on`, or `off`")
        parameters = read_assignments(assignments)
        for name, value in parameters.items():
            if isinstance(value, float) and not isfinite(value):  # commands are JSON, which has no such number
                raise typer.BadParameter(f"{kind}: {name} must be a finite number, not {value}", param_hint="--set")
        return Command(action=action, kind=kind, state=state, parameters=parameters)
    if kind is not None or assignments:
        raise typer.BadParameter(f"`{action}` takes no further argument; leave out {kind or assignments[0]!r}")
    return Command(action=action, count=count)


def _say_queued(run: str, command: "Command", json: bool) -> None:
    from grokscope.cli.output import say, say_json

    if json:
        say_json({"queued": True, "run": run, "action": command.action, "kind": command.kind, "state": command.state})
        return
    request = " ".join(word for word in (command.action, command.kind, command.state) if word)
    say(f"{run}: {request} is queued; the trainer has not answered yet")


def _say_already(run: str, command: "Command", state: str, json: bool) -> None:
    from grokscope.cli.output import say, say_json

    if json:
        say_json({"already": True, "run": run, "action": command.action, "state": state})
        return
    say(f"{run} is {state} already")


def _say_answer(event: dict[str, Any], json: bool) -> None:
    from grokscope.cli.output import say, say_json
    from grokscope.words.events import event_in_words

    if json:
        say_json(event)
        return
    say(f"{event['run']}: {event_in_words(event)}")
