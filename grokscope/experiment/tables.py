"""An experiment's results as files: one CSV a question, and one Markdown page with all of them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.experiment.analysis import Analysis, ArmResult
from grokscope.experiment.claims import Judged, said
from grokscope.experiment.conditions import CONDITIONS
from grokscope.experiment.design import Design
from grokscope.experiment.effects import Effect

Rows = Sequence[Mapping[str, Any]]


def write_tables(design: Design, analysis: Analysis, claims: Sequence[Judged], folder: Path) -> list[Path]:
    """`runs.csv`, `effects.csv`, `contrasts.csv`, `dose-response.csv`, `claims.csv` and `results.md` in `folder`.

    Returns their paths. Raises `OSError`.
    """
    tables: dict[str, Rows] = {
        "runs": [outcome.to_dict() for result in analysis.arms for outcome in result.outcomes],
        "effects": [_arm_row(result) for result in analysis.arms],
        "contrasts": [
            {
                "condition": each.arm.condition, "control": each.control.condition, "dose": each.arm.dose,
                **_effect_row(each.effect), "p_holm": each.p, "verdict": each.verdict,
            }
            for each in analysis.contrasts
        ],
        "dose-response": [
            {
                "condition": each.condition,
                "slope": each.slope and each.slope.slope,
                "low": each.slope and each.slope.low,
                "high": each.slope and each.slope.high,
                "trend_z": each.trend,
                "trend_p": each.trend_p,
                "verdict": each.verdict,
            }
            for each in analysis.responses
        ],
        "claims": [claim.to_dict() for claim in claims],
    }  # fmt: skip
    written = []
    for name, rows in tables.items():
        if rows:
            written.append(folder / f"{name}.csv")
            _write_csv(written[-1], rows)
    page = folder / "results.md"
    page.write_text(markdown(design, analysis, claims), encoding="utf-8")
    return [*written, page]


def markdown(design: Design, analysis: Analysis, claims: Sequence[Judged]) -> str:
    """The tables that a person reads, with what they need to know to read them."""
    runs = [outcome for result in analysis.arms for outcome in result.outcomes]
    parts = [
        f"# {design.name}",
        f"Task {design.task}, preset {design.preset}, seeds {', '.join(map(str, design.seeds))}; "
        f"{sum(outcome.over for outcome in runs)} of {len(runs)} runs over. Treated from step: {design.start}. "
        f"Settings beside the preset: {_settings(design)}.",
        f"Noise between runs of one seed: {analysis.noise.text}. Ratios are of grok steps on the "
        "same seed, with 95 % intervals from that noise; over seeds: the interval from the spread of the seeds alone; "
        "p values are Holm's; a run that did not grok gives a bound. Relative norm: of what was added to gradient, "
        "update or weights, over that of the latter, at each act.",
        markdown_table(
            ["condition", "relative norm", "grok", "grok steps", "ratio to baseline", "over seeds", "p", "verdict"],
            [
                [
                    result.arm.label, "" if result.strength is None else f"{result.strength:.2g}",
                    f"{result.grokked}/{len(result.known)}", _steps(result),
                    "" if result.effect is None else said(result.effect), _over_seeds(result.effect), _p(result.p),
                    "" if result.arm.is_baseline else result.verdict,
                ]
                for result in analysis.arms
            ],
        ),
    ]  # fmt: skip
    named = dict.fromkeys(result.arm.condition for result in analysis.arms if not result.arm.is_baseline)
    parts.append("\n".join(f"- {name}: {CONDITIONS[name].summary}" for name in named))
    if analysis.contrasts:
        rows = [[e.arm.label, e.control.condition, said(e.effect), _p(e.p), e.verdict] for e in analysis.contrasts]
        parts += ["## Against the controls", markdown_table(["condition", "control", "ratio", "p", "verdict"], rows)]
    if claims:
        rows = [
            [e.claim.condition, _dose(e.claim.dose), e.claim.text, e.claim.evidence, e.numbers, e.finding]
            for e in claims
        ]
        head = ["condition", "dose", "claim", "the author's own figures", "our runs", "finding"]
        parts += ["## Published claims", markdown_table(head, rows)]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; bars in cells are escaped."""
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in (head, *rows)]
    lines = [escaped[0], ["---"] * len(head), *escaped[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spectrum(experiments: Mapping[str, Analysis]) -> tuple[list[str], list[list[str]]]:
    """Effects of several experiments side by side: head and rows, an arm a row, an experiment a column."""
    arms = list(dict.fromkeys(result.arm for each in experiments.values() for result in each.arms))
    rows = [[arm.label, *(_cell(each.result(arm)) for each in experiments.values())] for arm in arms]
    return ["condition", *experiments], rows


def _cell(result: ArmResult | None) -> str:
    if result is None or not result.known:
        return "-"
    if result.arm.is_baseline:
        return f"{result.restricted_mean:,.0f} ({result.grokked}/{len(result.known)})"
    if result.never:
        return f"never ({result.grokked}/{len(result.known)})"
    return "-" if result.effect is None else said(result.effect)


def _arm_row(result: ArmResult) -> dict[str, Any]:
    test = result.log_rank
    return {
        "condition": result.arm.condition,
        "dose": result.arm.dose,
        "runs": len(result.known),
        "grokked": result.grokked,
        "restricted_mean": result.restricted_mean,
        "relative_norm": result.strength,
        **_effect_row(result.effect),
        "p_holm": result.p,
        "log_rank_p": test and test.p,
        "log_rank_p_holm": result.log_rank_p,
        "verdict": "" if result.arm.is_baseline else result.verdict,
    }


def _effect_row(effect: Effect | None) -> dict[str, Any]:
    keys = ("kind", "ratio", "low", "high", "p", "detectable")
    if effect is None:
        return dict.fromkeys((*keys, "low_over_seeds", "high_over_seeds"))
    whole = effect.to_dict()
    low, high = effect.over_seeds or (None, None)
    return {key: whole[key] for key in keys} | {"low_over_seeds": low, "high_over_seeds": high}


def _write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _steps(result: ArmResult) -> str:
    return ", ".join(
        f"{each.grok_step:,}" if each.grok_step is not None else f"> {each.budget:,}" for each in result.known
    )


def _over_seeds(effect: Effect | None) -> str:
    return "" if effect is None or effect.over_seeds is None else "[{:.2f}, {:.2f}]".format(*effect.over_seeds)


def _settings(design: Design) -> str:
    return ", ".join(f"{key}={value}" for key, value in design.base.items()) or "none"


def _dose(dose: float | None) -> str:
    return "" if dose is None else f"{dose:g}"


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.2g}"
