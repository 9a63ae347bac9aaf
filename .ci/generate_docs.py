"""What the documentation takes from the program and from the shipped runs, so that no number is copied by hand.

A page holds `<!-- begin: NAME -->` and `<!-- end -->`; what stands between them is written by the function NAME below.
`python .ci/generate_docs.py` writes all pages again; tests/test_docs.py fails where one is stale.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import typer

from grokscope import registry
from grokscope.cli.exits import EXIT_CODES_IN_WORDS
from grokscope.cli.main import COMMANDS, app
from grokscope.events import event_schema
from grokscope.settings.config import FLAGS, RunConfig
from grokscope.tui.actions import KEY_ACTIONS, printed
from grokscope.warning.tables import read_table
from grokscope.words.numbers import number

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PART = re.compile(r"(<!-- begin: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
BANKS = "grokscope/warning/bank"
HELD_BACK = "examples/bank/held-back-modular.jsonl.gz"
CLOCK = "examples/bank/modular-clock.jsonl.gz"
SCAN = f"{BANKS}/scan.jsonl.gz"
SEQUENCES = f"{BANKS}/dyck-size.jsonl.gz"
HELP_COLUMNS = 88


def output(*arguments: str) -> str:
    """What a command prints, from the root of the repository."""
    variables = {**os.environ, "COLUMNS": "1000", "NO_COLOR": "1", "GROKSCOPE_RUNS": "runs"}
    command = [sys.executable, "-m", "grokscope", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=variables).stdout


@cache
def said(*arguments: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(output(*arguments, "--json"))


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; `|` in a cell does not end it."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# --- the reference ----------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its help, under the headings of `grokscope --help`."""
    root = typer.main.get_command(app)
    top = _context(root, "grokscope", None)
    parts = []
    for heading, listed in COMMANDS.items():
        parts.append(f"## {heading}")
        for each in listed:
            name = str(each.info.name if isinstance(each, typer.Typer) else each.__name__.removesuffix("_files"))
            parts += _helps(root.commands[name], name, top)  # type: ignore[attr-defined]
    return "\n\n".join(parts)


def _helps(command: Any, name: str, parent: typer.Context) -> list[str]:
    """The help of a command and of those below it; a default command has the help of its group."""
    context = _context(command, name, parent)
    found = [f"### {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```"]
    below = getattr(command, "commands", {}).items()
    return found + [text for name, each in below if name != "run" for text in _helps(each, name, context)]


def _context(command: Any, name: str, parent: typer.Context | None) -> typer.Context:
    return typer.Context(
        command, info_name=name, parent=parent, terminal_width=HELP_COLUMNS, max_content_width=HELP_COLUMNS,
        help_option_names=["-h", "--help"],
    )  # fmt: skip


def exit_codes() -> str:
    return table(("code", "meaning"), ((f"{code.value}", words) for code, words in EXIT_CODES_IN_WORDS.items()))


def settings() -> str:
    """Every setting by section, then those of each task."""
    schema = RunConfig.model_json_schema()
    flags = {key: f"`--{flag}`" for flag, key in FLAGS.items()}
    parts = []
    for section, about in schema["properties"].items():
        if "$ref" in about or "allOf" in about:
            reference = about.get("$ref") or about["allOf"][0]["$ref"]
            fields = schema["$defs"][reference.rpartition("/")[2]]["properties"]
            parts.append(f"## [{section}]\n\n{_settings_table(section, fields, flags)}")
    for task in registry.sound("tasks"):
        fields = task.options.model_json_schema()["properties"]
        parts.append(f"## [task], {task.name}\n\n{_settings_table('task', fields, flags)}")
    return "\n\n".join(parts)


def _settings_table(section: str, fields: Mapping[str, Any], flags: Mapping[str, str]) -> str:
    rows = [
        (f"`{section}.{name}`", _default(about), flags.get(f"{section}.{name}", ""), about.get("description", ""))
        for name, about in fields.items()
    ]
    return table(("setting", "default", "flag", "what it is"), rows)


def _default(about: Mapping[str, Any]) -> str:
    value = about.get("default")
    return "" if value in (None, "", []) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def events() -> str:
    """Every kind of event with its fields."""
    schema = event_schema()
    kinds = schema["discriminator"]["mapping"]
    common = ("v", "run", "seq", "time", "event", "step", "flags", "command")
    started = schema["$defs"]["Started"]["properties"]
    envelope = table(("field", "what it is"), ((f"`{name}`", started[name]["description"]) for name in common))
    parts = [f"## In every event\n\n{envelope}"]
    for kind, reference in kinds.items():
        part = schema["$defs"][reference.rpartition("/")[2]]
        rows = [
            (f"`{name}`", _kind(about), about.get("description", ""))
            for name, about in part["properties"].items()
            if name not in common
        ]
        about = part.get("description", "").split("\n\n")[0].replace("\n", " ")
        parts.append(
            f"## {kind}\n\n{about}\n\n{table(('field', 'kind', 'what it is'), rows)}".replace("\n\n\n\n", "\n\n")
        )
    shared = [name for name in schema["$defs"] if name not in {each.rpartition("/")[2] for each in kinds.values()}]
    for name in sorted(shared):
        fields = schema["$defs"][name]["properties"].items()
        rows = [(f"`{field}`", _kind(about), about.get("description", "")) for field, about in fields]
        parts.append(f"## {name}, a part of events\n\n{table(('field', 'kind', 'what it is'), rows)}")
    return "\n\n".join(parts)


def _kind(about: Mapping[str, Any]) -> str:
    if "$ref" in about:
        return str(about["$ref"]).rpartition("/")[2]
    if "anyOf" in about:
        return " or ".join(_kind(each) for each in about["anyOf"])
    if "enum" in about:
        return ", ".join(map(str, about["enum"]))
    if about.get("type") == "array":
        return f"list of {_kind(about.get('items', {}))}"
    return str(about.get("type", "any"))


def keys() -> str:
    """Keys of the TUI by group; the name in brackets is that of the key map."""
    rows = [
        (f"`{printed(tuple(action.keys.split(',')))}`", action.help, action.where, f"`{action.name}`")
        for action in KEY_ACTIONS
    ]
    return table(("keys", "what they do", "where", "name"), rows)


def signals() -> str:
    specs = registry.sound("signals")
    rows = [(f"`{spec.name}`", spec.summary, spec.source or "", "yes" if spec.default else "") for spec in specs]
    return table(("signal", "what it is", "source", "always recorded"), rows)


def interventions() -> str:
    return table(
        ("intervention", "what it does", "as published"),
        ((f"`{spec.name}`", spec.summary, spec.published or "") for spec in registry.sound("interventions")),
    )


# --- the results ------------------------------------------------------------------------------------------------------


def published() -> str:
    """The published fits beside their nulls."""
    found = [each["law"] for each in said("law", "--published")["published"]]
    fits = [each["published"] for each in found]
    nulls = [each["nulls"]["permuted"] for each in fits]
    constant = [{null["which"]: null["fit"]["exponent"] for null in each["nulls"]["constant"]} for each in fits]
    rows: list[tuple[str, Iterable[str]]] = [
        ("α, recomputed from the printed tables", (f"{each['fit']['exponent']:.3f}" for each in fits)),
        ("onsets dealt to the runs at random: mean α [95 %]", (_interval(each["exponents"], "mean") for each in nulls)),
        ("random onsets with α as large or larger", (f"{each['at_least_observed']:.0%}" for each in nulls)),
        ("one onset for all runs, the median: α", (f"{each['median']:.3f}" for each in constant)),
        (
            "one onset for all runs, twice the cadence: α",
            (f"{each['nulls']['cadence_floor']['exponent']:.3f}" for each in fits),
        ),
        ("without the run of most leverage: α", (f"{each['leave_one_out']['low']:.3f}" for each in fits)),
        ("rank correlation of onset and grok step", (f"{_of(each)['correlation']['rho']:.2f}" for each in found)),
        ("grok step from onset, learning rate left out: off by", (f"{_of(each)['error']:.0%}" for each in found)),
        ("the same without any signal", (f"{_of(each)['naive_error']:.0%}" for each in found)),
    ]
    counts = [f"{task}, {each['fit']['n']} runs" for task, each in zip(("SCAN", "Dyck"), fits, strict=True)]
    return table(("", *counts), ((name, *cells) for name, cells in rows))


def _of(law: Mapping[str, Any]) -> Any:
    return law["prediction"]


def _interval(estimate: Mapping[str, float], middle: str = "value") -> str:
    return f"{estimate[middle]:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"


def scoreboard_modular() -> str:
    return _scoreboard("modular")


def scoreboard_dyck() -> str:
    return _scoreboard("dyck")


def _scoreboard(bank: str) -> str:
    """Every rule as a warning, on a shipped bank."""
    law = said("law", f"{BANKS}/{bank}.jsonl.gz")
    board = law["scoreboard"]
    off = {each["name"]: each for each in board["predictors"]}
    rows = []
    for rule in board["rules"]:
        known, predicted = rule["fraction_of_grok_step"], off.get(rule["rule"], {})
        rows.append(
            (
                f"`{rule['rule']}`",
                f"{rule['in_time']}/{rule['grokking']}",
                f"{rule['early_false_alarms']}/{rule['controls']}",
                f"{known['median']:.0%}" if known else "",
                _off(predicted),
            )
        )
    clock = off.get("lr·wd")
    if clock:
        rows.append(("1 / (lr · wd), without looking at the run", "", "", "0%", _off(clock)))
    heading = ("rule", "warns before grokking", "false alarms on controls", "known at, of the way", "grok step off by")
    headline = f"{board['grokking']} runs grokked, {board['controls']} never did."
    return f"{headline}\n\n{table(heading, rows)}"


def _off(predicted: Mapping[str, Any]) -> str:
    error = predicted.get("median_error")
    return "" if error is None else f"{error:.0%} ({predicted['runs']} runs)"


AUROC_SIGNALS = ("defect", "finite_difference_defect", "elasticity", "test_loss", "train_loss", "weight_norm", "lr·wd")


def aurocs_modular() -> str:
    """How well single signals tell runs that will grok from those that will not."""
    return _aurocs("modular", AUROC_SIGNALS)


def aurocs_fraction() -> str:
    names = ("ildr", "answer_rank", "fourier_growth", "gradient_norm", "train_loss", "test_loss", "elasticity", "pc1")
    return _aurocs("modular-fraction", (*names, "hankel_dmd", "defect", "lr·wd"))


def _aurocs(bank: str, names: Sequence[str]) -> str:
    board = said("law", f"{BANKS}/{bank}.jsonl.gz")["scoreboard"]
    found: dict[str, dict[str, str]] = {}
    for each in board["aurocs"]:
        step, tau = each["horizon"]["step"], each["horizon"]["decay_time"]
        where = f"step {step:,}" if step is not None else f"τ = {tau:g}" if tau is not None else None
        if where and (each["auroc"] or {}).get("value") is not None:
            score = each["auroc"]
            cell = _interval(score)
            found.setdefault(each["signal"], {})[where] = cell
    columns = list(dict.fromkeys(where for cells in found.values() for where in cells))
    words = {name: about["words"] for name, about in board["signals"].items()} | {"lr·wd": "lr · wd (settings alone)"}
    shown = [name for name in names if name in found]
    return table(
        ("AUROC for “will grok”", *columns),
        ((words.get(name, name), *(found[name].get(column, "") for column in columns)) for name in shown),
    )


ESTIMATED, ESTIMATED_AT = "seed42-wd1-lr0.001", (0, 100, 200, 300, 500, 1000, 2000, 3000)
"""A run of the bank of Dyck that recorded both estimators, and the steps shown of it"""


def estimators() -> str:
    """The exact defect, the published finite difference, and its rounding floor, of one run."""
    [run] = [each for each in read_table(ROOT / BANKS / "dyck.jsonl.gz") if each.name == ESTIMATED]
    at = [list(run.columns["step"]).index(step) for step in ESTIMATED_AT]
    shown = {
        "`defect`, exact": "defect",
        "`finite_difference_defect`, as published": "finite_difference_defect",
        "its rounding floor, as recorded with it": "finite_difference_floor",
    }
    rows = ((words, *(number(run.columns[name][index]) for index in at)) for words, name in shown.items())
    return table(("step", *(f"{step:,}" for step in ESTIMATED_AT)), rows)


SPLITS = ("configuration", "operation", "fraction", "lr", "size", "seed")


def backtest() -> str:
    """What forecasts are worth on runs left out, half of the way."""
    rows = []
    for tested in _backtests():
        [chance] = [each for each in tested["chances"] if (each["question"], each["part"]) == ("reaches", 0.5)]
        [date] = [each for each in tested["dates"] if each["part"] == 0.5]
        auroc = chance["auroc"]
        rows.append(
            (
                ", ".join(tested["splits"]),
                _interval(auroc) if auroc else "",
                f"{chance['answered']}/{chance['asked']}",
                "" if chance["brier"] is None else f"{chance['brier']:.3f} ({chance['base_brier']:.3f})",
                "" if date["error"] is None else f"{date['error']:.1%}",
                "" if date["clock_error"] is None else f"{date['clock_error']:.1%}",
                "" if date["better_low"] is None else f"[{date['better_low']:.1%}, {date['better_high']:.1%}]",
                "" if date["covered"] is None else f"{date['covered']:.0%}",
            )
        )
    heading = (
        "left out together", "will it grok: AUROC", "answered", "Brier (base rate)", "when: mean error",
        "of lr · wd alone", "better by, 95 %", "90 % intervals held",
    )  # fmt: skip
    return (
        f"{table(heading, rows)}\n\nThe mean grok step of other seeds of the same configuration is off by "
        f"{tested['seed_error']:.1%} ({tested['seed_runs']} runs): so far apart are runs that differ in chance alone."
    )


def clock() -> str:
    """κ of the runs that ask whether it is a constant."""
    rows = {"operation": "task.operation", "weight decay": "optimizer.wd"}
    return _kappa_table(CLOCK, rows, "optimizer.lr", "lr {}")


def sequences() -> str:
    """κ of the runs on Dyck that differ in weight decay and in the number of training sequences."""
    return _kappa_table(SEQUENCES, {"weight decay": "optimizer.wd"}, "task.train_size", "{} sequences")


def scan() -> str:
    """κ and grok step of the runs on SCAN."""
    return _kappa_table(SCAN, {"weight decay": "optimizer.wd"}, "optimizer.lr", "lr {}", steps=True)


def _kappa_table(bank: str, by: Mapping[str, str], across: str, head: str, *, steps: bool = False) -> str:
    """κ of each run, in the row of its settings `by` (by their names there) and the column of its setting `across`."""
    found: dict[tuple[str, ...], dict[float, list[str]]] = {}
    for run in read_table(ROOT / bank):
        rate = float(run.facts["optimizer.lr"]) * float(run.facts["optimizer.wd"])
        row = tuple(f"`{value}`" if isinstance(value := run.facts[key], str) else number(value) for key in by.values())
        kappas = found.setdefault(row, {}).setdefault(float(run.facts[across]), [])
        step = f" ({run.grok_step:,})" if steps else ""
        kappas.append("never" if run.grok_step is None else f"{run.grok_step * rate:.1f}{step}")
    columns = sorted({column for each in found.values() for column in each})
    rows = ((*row, *(", ".join(found[row].get(column, ())) for column in columns)) for row in sorted(found))
    return table((*by, *(f"κ at {head.format(number(column))}" for column in columns)), rows)


def held_back() -> str:
    """What forecasts are worth on the runs that were held back."""
    tested = _held_back()
    dates = {each["part"]: each for each in tested["dates"]}
    rows = []
    for chance in tested["chances"]:
        date, auroc = dates[chance["part"]], chance["auroc"]
        if chance["question"] != "generalizes" or auroc is None:
            continue
        came = chance["came"]
        rows.append(
            (
                f"{chance['part']}",
                f"{chance['answered']} of {chance['asked']}",
                _interval(auroc),
                f"{chance['brier']:.3f} ({chance['base_brier']:.3f})",
                f"{chance['false_alarms']} of {chance['answered'] - came}",
                f"{chance['misses']} of {came}",
                f"{date['answered']} of {date['asked']}",
                f"{date['error']:.0%}",
                f"{date['clock_error']:.0%}",
                "" if date["better_low"] is None else f"[{date['better_low']:.0%}, {date['better_high']:.0%}]",
            )
        )
    heading = (
        "at, of the usual κ", "will it generalize: answered", "AUROC", "Brier (base rate)", "false alarms", "misses",
        "when: answered", "mean error", "of lr · wd alone", "better by, 95 %",
    )  # fmt: skip
    return table(heading, rows)


@cache
def _held_back() -> Any:
    [tested] = said("forecast", "--backtest", HELD_BACK, "--bank", "shipped")["backtests"]["modular"]
    return tested


def findings() -> str:
    """The answers in one table, for README."""
    fits = [each["law"]["published"]["nulls"]["permuted"] for each in said("law", "--published")["published"]]
    scan, dyck = (f"{each['at_least_observed']:.0%}" for each in fits)
    board = said("law", f"{BANKS}/modular.jsonl.gz")["scoreboard"]
    [onset] = [each for each in board["rules"] if each["rule"] == "onset"]
    scores = {
        (each["signal"], each["horizon"]["step"], each["horizon"]["decay_time"]): each["auroc"]
        for each in board["aurocs"]
    }
    steps = [step for _, step, _ in scores if step is not None]
    early = {name: f"{scores[name, steps[0], None]['value']:.2f}" for name in ("defect", "lr·wd")}
    chances, dates = _held_back()["chances"], _held_back()["dates"]
    [chance] = [each for each in chances if (each["question"], each["part"]) == ("generalizes", 0.4)]
    [date] = [each for each in dates if each["part"] == 0.4]
    rows = [
        (
            "Does a lead that grows with the grok step (α > 1) mean a warning?",
            f"No. Onsets dealt to the runs at random give α as large or larger in {scan} (SCAN) and {dyck} (Dyck) of "
            "draws.",
            "`law --published`",
        ),
        (
            "Does the exact defect warn of grokking?",
            f"On modular arithmetic before {onset['in_time']} of {onset['grokking']} runs that grok. But as early on "
            f"{onset['early_false_alarms']} of {onset['controls']} that never do.",
            f"`law {BANKS}/modular.jsonl.gz`",
        ),
        (
            "Does it say which run will grok?",
            f"Not at equal decay time: AUROC {scores['defect', None, 1.0]['value']:.2f}. At step {steps[0]:,} it has "
            f"{early['defect']}, but lr · wd has {early['lr·wd']} before the first step.",
            "the same",
        ),
        (
            "Is the published defect a measurement?",
            "In float32 it is mostly the rounding of its own subtraction. The exact one is computed here.",
            "[results](docs/results.md#why-not-just-subtract-two-parameter-vectors)",
        ),
        (
            "Can grokking be forecast?",
            f"On modular arithmetic in part. At 0.4 of the usual κ, {chance['answered']} of {chance['asked']} runs of "
            f"configurations that were held back are answered: AUROC {_interval(chance['auroc'])}, "
            f"{chance['false_alarms']} false alarms, "
            f"{chance['misses']} misses. The grok step is off by {date['error']:.0%}, that of lr · wd alone by "
            f"{date['clock_error']:.0%}.",
            "[results](docs/results.md#what-a-forecast-is-worth)",
        ),
        (
            "Is the execution subspace a cause?",
            "Projection delays grokking on modular arithmetic, and a random subspace does not. Kick and noise do "
            "nothing that could be seen.",
            "[results](docs/results.md#is-the-subspace-a-cause)",
        ),
    ]
    return table(("question", "answer", "where from"), rows)


def _backtests() -> Any:
    asked = [part for split in SPLITS for part in ("--leave-out", split)]
    return said("forecast", "--backtest", *asked)["backtests"]["modular"]


def effects() -> str:
    """The causal experiment on three tasks, as examples/results has it."""
    return (ROOT / "examples/results/spectrum.md").read_text(encoding="utf-8").rstrip()


SLOW = (
    "published",
    "scoreboard-modular",
    "scoreboard-dyck",
    "aurocs-modular",
    "aurocs-fraction",
    "backtest",
    "held-back",
    "findings",
    "estimators",
)
"""Parts that take seconds, because they are computed from shipped runs"""
PARTS: Mapping[str, Callable[[], str]] = {
    part.__name__.replace("_", "-"): part
    for part in (
        commands, exit_codes, settings, events, keys, signals, interventions,
        published, scoreboard_modular, scoreboard_dyck, aurocs_modular, aurocs_fraction, backtest, held_back, findings,
        effects, estimators, clock, sequences, scan,
    )
}  # fmt: skip


def parts_of(page: str) -> list[str]:
    """The names of the generated parts of a page's text."""
    return [found[2] for found in PART.finditer(page)]


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The text of a page with these parts in their places; what is not among them stays."""

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}\n{parts[found[2]]}\n\n{found[3]}" if found[2] in parts else found[0]

    return PART.sub(part, page)


def main() -> None:
    pages = {page: page.read_text(encoding="utf-8") for page in PAGES}
    wanted = dict.fromkeys(name for text in pages.values() for name in parts_of(text))
    parts = {name: PARTS[name]() for name in wanted if not sys.argv[1:] or name in sys.argv[1:]}
    for page, text in pages.items():
        new = filled(text, parts)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
