"""`grokscope import`: somebody else's runs, to be scored like ours."""

from collections.abc import Sequence
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from grokscope.warning.trajectory import Trajectory


def import_table(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or JSON lines.")],
    *,
    name: Annotated[str | None, typer.Option(help="What to call it; default: the file's name.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="SIGNAL=NAME", help="Where a signal stands, as test_accuracy=val_acc; repeatable."),
    ] = None,
    run_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column that tells several runs apart.")
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A setting of all runs, as lr=1e-3 or task.operation=add; repeatable."),
    ] = None,
    fact_column: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=NAME", help="A setting that stands in a column, as lr=NAME; repeatable."),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Test accuracy that counts as grokked.")] = 0.98,
    consecutive: Annotated[int, typer.Option(min=1, help="Records in a row that it must last.")] = 3,
    percent: Annotated[bool, typer.Option("--percent", help="Accuracies are out of 100.")] = False,
    duplicates: Annotated[
        Literal["error", "first", "last"], typer.Option(help="Which value counts where a step has two.")
    ] = "error",
    budget: Annotated[
        int | None, typer.Option(min=1, help="Steps the runs were allowed; default: as many as each has.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what was imported under this name.")] = False,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Read somebody else's runs from a table, so that `law`, `forecast` and `report` take them like ours.

    One row a record: a step, test accuracy, and any of train_accuracy, train_loss, test_loss, defect,
    finite_difference_defect, commutator_norm, relative_commutator, gradient_norm, weight_norm, distance_from_start,
    pc1. Columns are found by these names or by those of `grokscope export`; others are named with --column. Empty
    cells and NaN are records without that signal; rows may come in any order, and a step's signals in several rows.

    \b
        grokscope import sweep.csv --column test_accuracy=val_acc --run-column id --fact-column optimizer.lr=lr
        grokscope law sweep

    The runs are written to <runs>/<name>.jsonl, and `law NAME` finds them there.
    """
    from grokscope.runs.directory import check_name
    from grokscope.warning.imported import Recipe, fact_value, imported
    from grokscope.warning.tables import write_table

    chosen = check_name(name or file.stem)
    target = runs / f"{chosen}.jsonl"
    if (runs / chosen).exists() or (target.exists() and not force):
        raise typer.BadParameter(f"{chosen!r} is taken in {runs}: give another --name, or --force", param_hint="--name")
    recipe = Recipe(
        columns=_pairs("--column", column or []),
        run_column=run_column,
        facts={key: fact_value(value) for key, value in _settings("--fact", fact or []).items()},
        fact_columns=_settings("--fact-column", fact_column or []),
        threshold=threshold,
        consecutive=consecutive,
        percent=percent,
        duplicates=duplicates,
        budget=budget,
    )
    trajectories = imported(file, chosen, recipe)
    try:
        runs.mkdir(parents=True, exist_ok=True)
        write_table(target, trajectories)
    except OSError as problem:
        if problem.errno in {ENOSPC, EDQUOT}:
            raise
        raise typer.BadParameter(
            f"cannot write to {runs} ({problem.strerror}): choose another folder with --runs", param_hint="--runs"
        ) from None
    _say_unknown([*recipe.facts, *recipe.fact_columns])
    _say_imported(target, trajectories, json)


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise typer.BadParameter(f"takes two names with = between them, not {text!r}", param_hint=option)
        pairs[key.strip()] = value.strip()
    return pairs


def _settings(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Pairs by dotted key, for the short names too that the flags of `run` have."""
    from grokscope.sweeps.grid import spelt_out

    return spelt_out(_pairs(option, texts))


def _say_unknown(facts: Sequence[str]) -> None:
    """Facts that no task knows as a setting are kept; most are misspelt."""
    from difflib import get_close_matches

    from grokscope import registry
    from grokscope.cli.exits import complain
    from grokscope.settings.config import known_keys

    known = sorted({key for name in registry.names("tasks") for key in known_keys(registry.get("tasks", name))})
    for fact in facts:
        if fact not in known:
            nearest = get_close_matches(fact, known, n=1)
            hint = f" (did you mean {nearest[0]}?)" if nearest else ""
            complain(f"no setting is called {fact!r}{hint}; it is kept under this name")


def _say_imported(target: Path, trajectories: "Sequence[Trajectory]", json: bool) -> None:
    from grokscope.cli.output import say, say_json, say_rows
    from grokscope.words.numbers import count

    about: list[dict[str, Any]] = [
        {
            "name": run.name,
            "records": len(run.columns["step"]),
            "steps": run.steps,
            "grok_step": run.grok_step,
            "signals": [signal for signal in run.columns if signal != "step"],
            "facts": dict(run.facts),
        }
        for run in trajectories
    ]
    if json:
        say_json({"path": str(target), "runs": about})
        return
    rows = [
        [run["name"], count(run["records"]), count(run["steps"]), count(run["grok_step"]), ", ".join(run["signals"])]
        for run in about
    ]
    say_rows(["run", "records", "steps", "grokked", "signals"], rows, numeric=["records", "steps", "grokked"])
    say(f"written to {target}: `grokscope law {target.stem}` scores them")
