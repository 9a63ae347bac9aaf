"""What the shell offers after Tab: names of runs, tasks, presets, settings, signals, interventions, claims.

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
    from grokscope import registry
    from grokscope.settings.config import known_keys

    keys = dict.fromkeys(key for name in _tasks(ctx) for key in known_keys(registry.get("tasks", name)))
    return [f"{key}=" for key in keys]


def _tasks(ctx: typer.Context) -> list[str]:
    task = ctx.params.get("task")
    return [task] if task else _plugins("tasks")


def _plugins(kind: str) -> list[str]:
    from grokscope import registry

    return registry.names(kind)  # type: ignore[arg-type]
