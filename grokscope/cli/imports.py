"""`grokscope import`: somebody else's runs as run directories, to be watched, scored and forecast like ours."""

import shlex
from collections.abc import Iterator, Sequence
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from grokscope.imports.imported import Import
    from grokscope.imports.writing import ImportedRun

SAID = 10
"""Remarks that are printed; the others are counted"""


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|FOLDER", help="CSV, JSON or TensorBoard's; a folder for all in it."),
    ],
    *,
    name: Annotated[
        str | None,
        typer.Option(help="What to call it, or the folder of several runs; default: the file's."),
    ] = None,
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
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the runs learn, as modular, for its bank of runs.")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Test accuracy that counts as grokked.")] = 0.98,
    consecutive: Annotated[int, typer.Option(min=1, help="Records in a row that it must last.")] = 3,
    percent: Annotated[
        bool | None,
        typer.Option("--percent/--fraction", help="Accuracies are out of 100, or of 1; default: as the numbers show."),
    ] = None,
    duplicates: Annotated[
        Literal["error", "first", "last"], typer.Option(help="Which value counts where a step has two.")
    ] = "error",
    budget: Annotated[
        int | None, typer.Option(min=1, help="Steps the runs were allowed; default: as many as the longest has.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace imports of the same name.")] = False,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Make runs of the logs of other tools.

    Every command takes these runs like its own.

    CSV (also tabs, semicolons, spaces), JSON in its usual shapes, Lightning's metrics.csv, trainer_state.json of
    Hugging Face, histories and charts of Weights & Biases, TensorBoard's event files and CSVs. A step and a test
    accuracy are needed; train_accuracy, train_loss, test_loss, gradient_norm, weight_norm, defect and the numbers of
    other signals are taken where they are. Usual names are known (val_acc, eval_loss, _step, learning_rate); others
    are named with --column. What was taken for what, and what was passed over, is said.

    \b
        grokscope import log.csv
        grokscope import seed0.csv seed1.csv --name seeds
        grokscope import sweep.csv --run-column id --column test_accuracy=acc
        grokscope import lightning_logs

    A file makes <runs>/<its name>, a file or folder of several runs a folder of them: `grokscope law <runs>/NAME`.
    """
    from grokscope.imports.imported import import_runs
    from grokscope.imports.recipe import IMPORTED, Recipe, fact_value

    recipe = Recipe(
        columns=_pairs("--column", column or []),
        run_column=run_column,
        facts={key: fact_value(value) for key, value in _settings("--fact", fact or []).items()},
        fact_columns=_settings("--fact-column", fact_column or []),
        task=task or IMPORTED,
        threshold=threshold,
        consecutive=consecutive,
        scale=None if percent is None else "percent" if percent else "fraction",
        duplicates=duplicates,
        budget=budget,
    )
    try:
        done = import_runs(files, runs, recipe, name=name, replace=force)
    except OSError as problem:
        if problem.errno in {ENOSPC, EDQUOT}:
            raise
        raise typer.BadParameter(
            f"cannot write to {runs} ({problem.strerror}): choose another folder with --runs", param_hint="--runs"
        ) from None
    _say_unknown([*recipe.facts, *recipe.fact_columns])
    _say_imported(done, runs, json)


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise typer.BadParameter(f"takes two names with = between them, not {text!r}", param_hint=option)
        pairs[key.strip()] = value.strip()
    return pairs


def _settings(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Pairs by dotted key, for the short names too that the flags of `run` have, and for those that everybody has."""
    from grokscope.imports.names import usual_fact
    from grokscope.sweeps.grid import spelt_out

    known = {key: key if "." in key else usual_fact(key) or key for key in _pairs(option, texts)}
    pairs = _pairs(option, texts)
    if len(set(known.values())) < len(known):
        twice = next(key for key in known.values() if list(known.values()).count(key) > 1)
        raise typer.BadParameter(f"{twice} is set twice", param_hint=option)
    return spelt_out({known[key]: value for key, value in pairs.items()})


def _say_unknown(facts: Sequence[str]) -> None:
    """Facts that no task knows as a setting are kept; most are misspelt."""
    from difflib import get_close_matches

    from grokscope import registry
    from grokscope.cli.exits import complain
    from grokscope.settings.config import known_keys

    known = sorted({key for task in registry.sound("tasks") for key in known_keys(task)})
    for fact in facts:
        if fact not in known:
            nearest = get_close_matches(fact, known, n=1)
            hint = f" (did you mean {nearest[0]}?)" if nearest else ""
            complain(f"no setting is called {fact!r}{hint}; it is kept under this name")


def _say_imported(done: "Import", runs: Path, json: bool) -> None:
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say, say_json, say_table, say_wrapped
    from grokscope.words.numbers import count, counted
    from grokscope.words.table import Column, Table

    about = [_about(each, runs) for each in done.runs]
    remarks = list(done.remarks)
    if json:
        say_json({"runs": about, "remarks": remarks})
        return
    columns = ("run", "records", "steps", "budget", "grok_step", "regress_step", "signals")
    say_table(
        Table(
            "imported",
            f"{counted(len(about), 'run')} imported",
            (
                Column("run"), Column("records", count), Column("steps", count), Column("budget", count, rank=1),
                Column("grokked", count), Column("lost it", count, rank=2), Column("signals", ", ".join),
            ),
            tuple(tuple(run[name] for name in columns) for run in about),
        )
    )  # fmt: skip
    for sentence in _mappings(done.runs):
        say_wrapped(sentence)
    for remark in remarks[:SAID]:
        complain(remark)
    if len(remarks) > SAID:
        complain(f"{counted(len(remarks) - SAID, 'more remark')}; --json has all")
    places = list(dict.fromkeys(_place(each, runs) for each in done.runs))
    where = " ".join(map(shlex.quote, map(str, places if len(places) <= SAID else [runs])))
    say(f"`grokscope law {where}` scores {'it' if len(about) == 1 else 'them'}")


def _place(written: "ImportedRun", runs: Path) -> Path:
    """What names a run, or the folder of runs that it went into with others."""
    return runs / written.directory.path.relative_to(runs).parts[0]


def _about(written: "ImportedRun", runs: Path) -> dict[str, Any]:
    run = written.run
    return {
        "run": written.directory.path.relative_to(runs).as_posix(),
        "path": str(written.directory.path),
        "records": written.records,
        "steps": int(run.columns["step"][-1]),
        "budget": run.budget,
        "grok_step": written.result["grokked_step"],
        "regress_step": written.result["regressed_step"],
        "signals": [signal for signal in run.columns if signal != "step"],
        "facts": dict(run.facts),
        "columns": dict(run.taken),
        "scale": run.scale,
    }


def _mappings(runs: "Sequence[ImportedRun]") -> Iterator[str]:
    """Which columns were taken for what, each way once, and the scale."""
    ways: dict[str, int] = {}
    for each in runs:
        renamed = [f"{ours} from {theirs}" for ours, theirs in each.run.taken.items() if ours != theirs]
        taken = ", ".join(renamed) if renamed else "columns by our names"
        scale = "; accuracies are out of 100" if each.run.scale == "percent" else ""
        ways[f"{taken}{scale}"] = ways.get(f"{taken}{scale}", 0) + 1
    for way, times in ways.items():
        yield f"{times} runs: {way}" if len(ways) > 1 else way
