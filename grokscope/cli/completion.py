"""What the shell offers after Tab: everything that can be listed, as runs, tasks, presets, settings, signals, claims.

A completion must never fail or print: the shell would show that in the middle of a line that somebody is typing.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path

import typer

Offer = Callable[[typer.Context, str], Iterable[str]]


def _offered(names: Offer) -> Callable[[typer.Context, str], list[str]]:
    """The names that begin with what was typed; none where they cannot be found."""

    @wraps(names)
    def offer(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return [name for name in names(ctx, incomplete) if name.startswith(incomplete)]
        except Exception:
            return []

    return offer


def one_of(*words: str) -> Callable[[typer.Context, str], list[str]]:
    """Offers these words."""
    return _offered(lambda ctx, incomplete: words)


offered_devices = one_of("auto", "cpu", "cuda", "mps", "gpu")
offered_precisions = one_of("float32", "float64")


def several(names: Offer, between: str = ",") -> Callable[[typer.Context, str], list[str]]:
    """Offers names behind those that stand there already, with a comma between them."""

    def offer(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(between)
        named = set(before.split(between))
        return [f"{before}{comma}{name}" for name in names(ctx, last) if name not in named]

    return offer


@_offered
def offered_runs(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """`latest`, runs, sweeps, and the runs of a sweep once its name and a `/` stand there."""
    from grokscope.runs.directory import groups_in, runs_in

    folder = Path(ctx.params.get("runs") or "runs")
    groups = groups_in(folder)
    inside = [f"{group.name}/{run.name}" for group, runs in groups.items() for run in runs] if "/" in incomplete else []
    return ["latest", *(run.name for run in runs_in(folder)), *(f"{group.name}/" for group in groups), *inside]


@_offered
def offered_tasks(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    return _plugins("tasks")


@_offered
def offered_backends(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    return ["auto", *_plugins("backends")]


@_offered
def offered_signals(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    return _plugins("signals")


@_offered
def offered_interventions(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    return _plugins("interventions")


@_offered
def offered_parameters(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """Those of all interventions, each with the `=` that comes next. Which one was named is not known: Click gives up
    the arguments of a line whose last option has no value yet."""
    from grokscope import registry

    kinds = (registry.get("interventions", kind) for kind in _plugins("interventions"))
    return [f"{name}=" for name in dict.fromkeys(name for kind in kinds for name in kind.parameters.model_fields)]


@_offered
def offered_conditions(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    from grokscope.experiment.conditions import CONDITIONS, SETS

    return [*SETS, *CONDITIONS]


@_offered
def offered_doses(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """Every condition that has a dose, with the `=` that comes next."""
    from grokscope.experiment.conditions import CONDITIONS

    return [f"{name}=" for name, about in CONDITIONS.items() if not about.fixed]


@_offered
def offered_rules(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """The rules that date something of a run."""
    from grokscope import registry

    rules = (rule.name for name in _plugins("signals") for rule in registry.get("signals", name).rules)
    return ["memorized", *rules]


@_offered
def offered_splits(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    from grokscope.warning.forecast.backtest import Split

    return list(Split)


@_offered
def offered_kinds(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """The kinds of events."""
    from grokscope.runs.table import known_kinds

    return known_kinds()


@_offered
def offered_sort_keys(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """Columns of a list, then the last parts of settings."""
    from grokscope.runs.listing import SORT_KEYS

    return [*SORT_KEYS, *dict.fromkeys(key.rpartition(".")[2] for key in _settings(ctx))]


@_offered
def offered_themes(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    from grokscope.tui.themes import known_themes

    return known_themes()


@_offered
def offered_sweeps(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    from grokscope.sweeps.manifest import SWEEP_FILE

    return ["latest", *_folders(ctx, SWEEP_FILE)]


@_offered
def offered_experiments(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    from grokscope.experiment.design import EXPERIMENT_FILE

    return ["latest", *_folders(ctx, EXPERIMENT_FILE)]


@_offered
def offered_claims(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    from grokscope.reproduce.claims import all_claims, all_studies

    return [*all_claims(), *all_studies()]


@_offered
def offered_presets(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """Those of the task that was named before, else those of all tasks."""
    from grokscope import registry

    return dict.fromkeys(preset for name in _tasks(ctx) for preset in registry.get("tasks", name).presets)


@_offered
def offered_settings(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """Every setting, with the `=` that comes next."""
    return [f"{key}=" for key in _settings(ctx)]


@_offered
def offered_facts(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """The names of settings."""
    return _settings(ctx)


@_offered
def offered_columns(ctx: typer.Context, incomplete: str) -> Iterable[str]:
    """The columns of a record that a signal or a split has, each with the `=` that comes next."""
    from grokscope.imports.choice import known_signals

    return [f"{name}=" for name in known_signals()]


def _settings(ctx: typer.Context) -> list[str]:
    from grokscope import registry
    from grokscope.settings.config import known_keys

    return list(dict.fromkeys(key for name in _tasks(ctx) for key in known_keys(registry.get("tasks", name))))


def _folders(ctx: typer.Context, manifest: str) -> list[str]:
    from grokscope.runs.directory import folders_with

    return [folder.name for folder in folders_with(manifest, Path(ctx.params.get("runs") or "runs"))]


def _tasks(ctx: typer.Context) -> list[str]:
    task = ctx.params.get("task")
    return [task] if task else _plugins("tasks")


def _plugins(kind: str) -> list[str]:
    from grokscope import registry

    return registry.names(kind)  # type: ignore[arg-type]
