"""`grokscope import`: turn logs of other tools into run directories, which every other command accepts."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.completion import offered_columns, offered_settings, offered_tasks
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from grokscope.imports.imported import Import
    from grokscope.imports.writing import ImportedRun

MOST_REMARKS = 10
"""Remarks that are printed; the others are counted"""


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|FOLDER", help="CSV, JSON, text or a tracker's files; a folder: all files in it."),
    ],
    *,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the run, or of the folder of several runs; default: the file's name."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SIGNAL=NAME",
            help="The column of a signal, as test_accuracy=val_acc; repeatable.",
            autocompletion=offered_columns,
        ),
    ] = None,
    run_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column that distinguishes several runs.")
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A setting of all runs, as lr=1e-3 or task.operation=add; repeatable.",
            autocompletion=offered_settings,
        ),
    ] = None,
    fact_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=NAME", help="The column of a setting, as lr=NAME; repeatable.", autocompletion=offered_settings
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Task of the runs, as modular; it selects the bank of runs.",
            autocompletion=offered_tasks,
        ),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Test accuracy that counts as grokked.")] = 0.98,
    consecutive: Annotated[int, typer.Option(min=1, help="Number of consecutive records above the threshold.")] = 3,
    percent: Annotated[
        bool | None,
        typer.Option(
            "--percent/--fraction", help="Scale of accuracies, 0-100 or 0-1; default: guessed from the values."
        ),
    ] = None,
    duplicates: Annotated[
        Literal["error", "first", "last"], typer.Option(help="Which value counts if a step has two.")
    ] = "error",
    steps_per_epoch: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Steps in an epoch, for files without steps; without epochs, records are epochs."
        ),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Step budget of the runs; default: the steps of the longest run.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier imports of the same name.")] = False,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Make runs of the logs of other tools.

    All other commands accept these runs.

    The command reads CSV (also with tabs, semicolons or spaces), JSON in its usual shapes, metrics.csv of Lightning,
    trainer_state.json of Hugging Face, histories of Keras, tables of pandas, histories and charts of Weights & Biases,
    event files and CSVs of TensorBoard, what mlflow, trackio and Weights & Biases keep on this machine (mlflow.db,
    mlruns, PROJECT.db, run-ID.wandb), and text that a loop printed, as `step 100 loss 0.5 val_acc 0.2`. A file must
    have a step and a test accuracy. It may have train_accuracy,
    train_loss, test_loss, gradient_norm, weight_norm, defect and the values of other signals. Usual column names are
    known (val_acc, eval_loss, _step, learning_rate); --column names the others, and --steps-per-epoch makes steps of
    epochs. The command prints which column it used for which signal, and what it skipped.

    A file with one run becomes RUNS/NAME; a file or folder with several runs becomes a folder of runs.
    """
    from grokscope.cli.progress import tracked
    from grokscope.gate import FULL_DISK
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
        steps_per_epoch=steps_per_epoch,
        budget=budget,
    )
    try:
        done = import_runs(files, runs, recipe, name=name, replace=force, track=tracked)
    except OSError as problem:
        if problem.errno in FULL_DISK:
            raise
        raise typer.BadParameter(
            f"cannot write to {runs} ({problem.strerror}); choose another folder with --runs", param_hint="--runs"
        ) from None
    _say_unknown([*recipe.facts, *recipe.fact_columns])
    _say_imported(done, runs, json)


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise typer.BadParameter(f"needs two names with = between them, not {text!r}", param_hint=option)
        pairs[key.strip()] = value.strip()
    return pairs


def _settings(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Pairs by dotted key. Short names (flags of `run`) and usual names are replaced by their dotted keys."""
    from grokscope.imports.names import usual_fact
    from grokscope.sweeps.grid import spelt_out

    known = {key: key if "." in key else usual_fact(key) or key for key in _pairs(option, texts)}
    pairs = _pairs(option, texts)
    if len(set(known.values())) < len(known):
        twice = next(key for key in known.values() if list(known.values()).count(key) > 1)
        raise typer.BadParameter(f"{twice} is set twice", param_hint=option)
    return spelt_out({known[key]: value for key, value in pairs.items()})


def _say_unknown(facts: Sequence[str]) -> None:
    """Report facts that are no setting of any task: they are kept, but are probably misspelt."""
    from difflib import get_close_matches

    from grokscope import registry
    from grokscope.cli.exits import complain
    from grokscope.settings.config import known_keys

    known = sorted({key for task in registry.sound("tasks") for key in known_keys(task)})
    for fact in facts:
        if fact not in known:
            nearest = get_close_matches(fact, known, n=1)
            hint = f" (did you mean {nearest[0]}?)" if nearest else ""
            complain(f"no setting is called {fact!r}{hint}; the value is kept under this name")


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
                Column("grokked", count), Column("lost", count, rank=2), Column("signals", ", ".join),
            ),
            tuple(tuple(run[name] for name in columns) for run in about),
        )
    )  # fmt: skip
    for sentence in _mappings(done.runs):
        say_wrapped(sentence)
    for remark in remarks[:MOST_REMARKS]:
        complain(remark)
    if len(remarks) > MOST_REMARKS:
        complain(f"{counted(len(remarks) - MOST_REMARKS, 'more remark')}; --json prints all")
    places = list(dict.fromkeys(_place(each, runs) for each in done.runs))
    where = " ".join(map(shlex.quote, map(str, places if len(places) <= MOST_REMARKS else [runs])))
    say(f"`grokscope law {where}` scores {'it' if len(about) == 1 else 'them'}")


def _place(written: "ImportedRun", runs: Path) -> Path:
    """The path of a run, or of the folder of runs that holds it."""
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
    """Which column was used for which signal, and the scale of accuracies: one sentence per distinct mapping."""
    from grokscope.words.numbers import counted

    mappings: dict[str, int] = {}
    for each in runs:
        renamed = [f"{ours} from {theirs}" for ours, theirs in each.run.taken.items() if ours != theirs]
        columns = ", ".join(renamed) if renamed else "all columns have the names of their signals"
        scale = "; accuracies are percentages" if each.run.scale == "percent" else ""
        mappings[f"{columns}{scale}"] = mappings.get(f"{columns}{scale}", 0) + 1
    for mapping, times in mappings.items():
        yield f"{counted(times, 'run')}: {mapping}" if len(mappings) > 1 else mapping
