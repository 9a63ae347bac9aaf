"""`grokscope tasks`, `backends`, `signals`, `interventions` and `schema`: list the plugins, and describe the events."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grokscope.cli.command import PlainHelpCommand, PlainHelpGroup
from grokscope.cli.completion import offered_interventions, offered_signals, offered_tasks
from grokscope.cli.exits import complain
from grokscope.cli.shared import AsJson, not_stdout

if TYPE_CHECKING:
    from grokscope.contract.interventions import InterventionSpec
    from grokscope.contract.signals import SignalRule, SignalSpec
    from grokscope.contract.tasks import TaskSpec
    from grokscope.machine.doctor import Surveyed
    from grokscope.registry import PluginKind

TERM_WIDTH, DESCRIPTION_WIDTH = 20, 100

tasks = typer.Typer(
    name="tasks", cls=PlainHelpGroup, help="List the tasks, or export a data set.", rich_markup_mode=None
)


@tasks.callback(invoke_without_command=True)
def list_tasks(context: typer.Context, json: AsJson = False) -> None:
    """List the tasks, or export a data set."""
    if context.invoked_subcommand is None:
        _list_tasks(json)


def _complain_of_broken(kind: "PluginKind") -> None:
    """Report the broken plugins, which a list leaves out."""
    from grokscope import registry

    for problem in registry.broken(kind):
        complain(f"{problem}; the plugin is skipped")


def _list_tasks(json: bool) -> None:
    from grokscope import registry
    from grokscope.cli.output import say, say_json

    specs = registry.sound("tasks")
    _complain_of_broken("tasks")
    if json:
        say_json([_task(spec) for spec in specs])
        return
    for spec in specs:
        say(f"{spec.name}: {spec.summary}")
        say(f"  presets   {', '.join(spec.presets)}")
        say(f"  grokked   {', '.join(f'{name}{_star(spec, name)}' for name in spec.criteria)} of {spec.metric}")
        say(f"  settings  {', '.join(f'task.{name}' for name in spec.options.model_fields)}")
        say(f"  source    {spec.source}")


def _star(spec: "TaskSpec", criterion: str) -> str:
    return " (default)" if criterion == spec.default_criterion else ""


def _task(spec: "TaskSpec") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "name": spec.name,
        "summary": spec.summary,
        "source": spec.source,
        "metric": spec.metric,
        "presets": spec.presets,
        "criteria": {name: asdict(criterion) for name, criterion in spec.criteria.items()},
        "default_criterion": spec.default_criterion,
        "options": spec.options.model_json_schema()["properties"],
        "exports": spec.export is not None,
    }


@tasks.command("export", cls=PlainHelpCommand)
def export_task(
    task: Annotated[str, typer.Argument(help="A task whose data are files: scan.", autocompletion=offered_tasks)],
    *,
    split: Annotated[str, typer.Option(help="Which split.")] = "simple",
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=not_stdout, metavar="DIR", help="Folder for the files.")
    ] = Path(),
) -> None:
    """Write the published data files of a task.

    They are the same byte for byte. The command prints their paths.
    """
    from grokscope import registry
    from grokscope.cli.output import say

    spec = registry.get("tasks", task)
    if spec.export is None:
        raise typer.BadParameter(f"{task} generates its data and has no files to export")
    try:
        written = spec.export(split, output)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="--split") from None
    for path in written:
        say(str(path))


def backends(*, json: AsJson = False) -> None:
    """List the backends: devices, precisions and versions.

    For a backend that is not installed, the list says what to install. The command imports the frameworks.
    """
    from grokscope.cli.output import say_json
    from grokscope.machine.doctor import automatic_backend, surveyed_backends

    surveys, chosen = surveyed_backends(), automatic_backend()
    if json:
        say_json([{**survey.to_dict(), "auto": survey.name == chosen} for survey in surveys])
    else:
        say_backends(surveys, chosen)


def say_backends(surveys: "list[Surveyed]", chosen: str | None) -> None:
    """List backends for a person, with the backend that `auto` chooses and the reason."""
    from grokscope.cli.output import say
    from grokscope.machine.doctor import SUITABILITY

    for survey in surveys:
        say(f"{survey.name}: {survey.summary}")
        for device in survey.devices:
            say(f"  device    {device.name} ({device.description}): {', '.join(device.precisions)}")
        if survey.details:
            say(f"  details   {', '.join(f'{name} {value}' for name, value in survey.details.items())}")
        if survey.missing:
            say(f"  missing   {survey.missing}")
        if survey.name == chosen:
            say(f"  auto      chooses this one: {SUITABILITY.get(survey.preference, 'it is the most suitable')}")


COSTS = {
    "recorded": "nothing: other events record it already",
    "free": "almost nothing, at each evaluation",
    "evaluation": "little, at each evaluation, from its predictions",
    "gradients": "gradients, at each measurement",
    "snapshot": "little, at each snapshot (`--set snapshot.every=N`)",
}


def signals(
    name: Annotated[
        str | None, typer.Argument(help="Describe one signal in full.", autocompletion=offered_signals)
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """List the signals that a run can record: source, cost, rules.

    `run --signal NAME` records a signal.
    """
    from textwrap import fill

    from grokscope import registry
    from grokscope.cli.output import say, say_json
    from grokscope.settings.signals import installed_signals

    specs = installed_signals() if name is None else [registry.get("signals", name)]
    if name is None:
        _complain_of_broken("signals")
    if json:
        listed = [_signal(spec) for spec in specs]
        say_json(listed if name is None else listed[0])
        return
    for spec in specs:
        say(fill(f"{spec.name}: {spec.summary}", DESCRIPTION_WIDTH, subsequent_indent="  "))
        _say_described("recorded", _when(spec))
        _say_described("costs", _cost(spec))
        if spec.source:
            _say_described("source", spec.source)
        for rule in spec.rules:
            _say_described("rule", f"{rule.name}: {_rule(rule)}")
        for parameter, default in spec.parameters().model_dump(mode="json").items():
            about = spec.parameters.model_fields[parameter].description or ""
            _say_described(f"{parameter}={str(default).lower()}", about)


def _when(spec: "SignalSpec") -> str:
    from grokscope.settings.signals import MEASURING

    if spec.open is None:
        return "always, if the run has it"
    for estimator, name in MEASURING.items():
        if name == spec.name:
            return f"in `measured` with --estimator {estimator}; otherwise on request: --signal {name}"
    return "always" if spec.default else f"on request: --signal {spec.name}"


def _cost(spec: "SignalSpec") -> str:
    from grokscope.words.numbers import counted

    work = spec.work(spec.parameters(), 1)
    kinds = [(work.gradients, "gradient"), (work.products, "Hessian-vector product")]
    cost = " and ".join(counted(times, noun) for times, noun in kinds if times)
    return f"{cost} for each pair of batches of a measurement" if cost else COSTS[spec.cost]


def _rule(rule: "SignalRule") -> str:
    climbed = ", if the peak is above its first value" if rule.climbed else ""
    condition = {
        "above": f"at least {rule.threshold}",
        "below": f"at most {rule.threshold}",
        "rises": f"at least {rule.factor} x its first value",
        "falls": f"at most {rule.factor} x its peak so far{climbed}",
        "turns": "decreases directly after its peak so far",
    }.get(rule.shape, f"the onset rule `{rule.shape}`")
    return condition + (f", {rule.consecutive} records in a row" if rule.consecutive > 1 else "")


def _signal(spec: "SignalSpec") -> dict[str, Any]:
    parameters = spec.parameters.model_json_schema().get("properties", {})
    about = {"summary": spec.summary, "default": spec.default, "parameters": parameters}
    return {**spec.description.to_json(), **about, "work": spec.work(spec.parameters(), 1)._asdict()}


def interventions(
    kind: Annotated[
        str | None, typer.Argument(help="Describe one kind in full.", autocompletion=offered_interventions)
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """List the interventions, or the parameters of one KIND.

    For one KIND the command prints all parameters, their defaults and the published values.
    """
    from grokscope import registry
    from grokscope.cli.output import say, say_json

    if kind is not None:
        spec = registry.get("interventions", kind)
        if json:
            say_json(_intervention(spec))
        else:
            _say_intervention(spec)
        return
    specs = registry.sound("interventions")
    _complain_of_broken("interventions")
    if json:
        say_json([_intervention(spec) for spec in specs])
        return
    for spec in specs:
        say(f"{spec.name}: {spec.summary}")
        own = [name for name in spec.parameters.model_fields if name not in BASIS]
        _say_described("parameters", ", ".join([*own, *(["and a basis"] if _has_basis(spec) else [])]))
    shared = next((spec for spec in specs if _has_basis(spec)), None)
    if shared is not None:
        say("")
        say(f"a basis: the subspace that the intervention keeps or removes: {', '.join(BASIS)}")
        _say_described("basis", shared.parameters.model_fields["basis"].description or "")
    say("")
    say("`grokscope interventions KIND` describes one kind in full")


BASIS = ("basis", "components", "blocks", "basis_until", "basis_draw")
"""Parameters that most interventions share; the list describes them once"""


def _has_basis(spec: "InterventionSpec") -> bool:
    return set(BASIS) <= set(spec.parameters.model_fields)


def _say_intervention(spec: "InterventionSpec") -> None:
    from grokscope.cli.output import say

    say(f"{spec.name}: {spec.summary}")
    for name, default in spec.defaults().items():
        value = "" if default is None else f"={str(default).lower()}"
        _say_described(name + value, spec.parameters.model_fields[name].description or "")
    if spec.published:
        _say_described("published", spec.published)
    if spec.control:
        _say_described("control", spec.control)


def _say_described(term: str, text: str) -> None:
    from textwrap import fill

    from grokscope.cli.output import say

    indent = " " * (2 + TERM_WIDTH + 1)
    say(fill(f"  {term:{TERM_WIDTH}} {text}", DESCRIPTION_WIDTH, subsequent_indent=indent))


def _intervention(spec: "InterventionSpec") -> dict[str, Any]:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "published": spec.published,
        "control": spec.control,
        "parameters": spec.parameters.model_json_schema()["properties"],
    }


def schema(
    *,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="TASK", help="Print the schema of a configuration file for this task.", autocompletion=offered_tasks
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of events.

    Each line of events.jsonl and of `run --json` is one event.
    """
    from grokscope import events, registry
    from grokscope.cli.output import say_json
    from grokscope.settings.config import RunConfig

    if config is None:
        say_json(events.event_schema())
        return
    described = RunConfig.model_json_schema()
    described["properties"]["task"] = registry.get("tasks", config).options.model_json_schema()
    described["properties"]["task"]["properties"]["name"] = {"const": config}
    say_json(described)
