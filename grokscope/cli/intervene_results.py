"""How the results of an experiment read: tables within 80 columns."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grokscope.cli.output import say, say_table
from grokscope.words.durations import duration

if TYPE_CHECKING:
    from grokscope.experiment.analysis import Analysis, ArmResult
    from grokscope.experiment.claims import Judged
    from grokscope.experiment.design import Design


def say_results(design: "Design", analysis: "Analysis", claims: "Sequence[Judged]") -> None:
    """Everything, the answer first."""
    outcomes = [outcome for result in analysis.arms for outcome in result.outcomes]
    known = sum(outcome.over for outcome in outcomes)
    say(
        f"{design.name}: {design.task}, preset {design.preset}, seeds {', '.join(map(str, design.seeds))}; "
        f"{known} of {len(outcomes)} runs over, {duration(sum(outcome.seconds for outcome in outcomes))}"
    )
    say(_noise(analysis))
    say("")
    _say_arms(analysis)
    _say_contrasts(analysis)
    _say_responses(analysis)
    _say_claims(claims)


def _noise(analysis: "Analysis") -> str:
    noise = analysis.noise
    whose = "baselines of one seed, batches in another order" if noise.source == "replicates" else "the published runs"
    more = f"; {noise.censored} baselines did not grok and are left out" if noise.censored else ""
    if not noise.known:
        return f"noise: {noise.text}"
    return f"noise: {100 * noise.sigma:.1f} % between {whose} ({noise.degrees} degrees of freedom){more}"


def _say_arms(analysis: "Analysis") -> None:
    columns = ["condition", "grok", "step", "ratio to baseline", "verdict"]
    rows = [
        [
            result.arm.label,
            f"{result.grokked}/{len(result.known)}" if result.known else "-",
            _step(result),
            _ratio(result),
            "" if result.arm.is_baseline else said_of(result),
        ]
        for result in analysis.arms
    ]
    say_table(columns, rows, numeric=["grok", "step"])
    say("step: mean, runs that did not grok with their budget; ratio: of grok steps on the same seed, 95 % interval;")
    say("no effect (sees x %): none beyond the noise, where one of x % shows 4 times in 5; ?: not after Holm")
    untreated = [outcome.name for result in analysis.arms for outcome in result.untreated]
    if untreated:
        more = f" and {len(untreated) - 3} more" if len(untreated) > 3 else ""
        say(f"never treated, for no intervention acted before the run was over: {', '.join(untreated[:3])}{more}")
    if analysis.log_rank is not None:
        test = analysis.log_rank
        say(f"log-rank across all, within seeds: chi-squared {test.statistic:.1f}, {test.degrees} df, p {test.p:.2g}")


def said_of(result: "ArmResult") -> str:
    """The verdict, with the smallest effect that would have been seen where there was none."""
    if result.effect is None or result.verdict != "no effect seen":
        return result.verdict
    return f"no effect (sees {100 * (math.exp(result.effect.detectable_log) - 1):.0f} %)"


def _step(result: "ArmResult") -> str:
    if result.restricted_mean is None:
        return "-"
    return ("" if result.grokked == len(result.known) else "> ") + f"{result.restricted_mean:,.0f}"


def _ratio(result: "ArmResult") -> str:
    from grokscope.experiment.claims import said

    return "" if result.effect is None else said(result.effect)


def _say_contrasts(analysis: "Analysis") -> None:
    from grokscope.experiment.claims import said

    if not analysis.contrasts:
        return
    say("")
    rows = [
        [contrast.arm.label, contrast.control.condition, said(contrast.effect), contrast.verdict]
        for contrast in analysis.contrasts
    ]
    say_table(["against its control", "", "ratio", "verdict"], rows)


def _say_responses(analysis: "Analysis") -> None:
    if not analysis.responses:
        return
    say("")
    rows = []
    for response in analysis.responses:
        slope, line = response.slope, "-"
        if slope is not None:
            largest = max(slope.doses)
            ends = (math.exp(each * largest) for each in (slope.slope, slope.low, slope.high))
            line = "{:.2f} [{:.2f}, {:.2f}] at {:g}".format(*ends, largest)
        trend = "-" if response.trend is None else f"{response.trend:+.1f}"
        rows.append([response.condition, line, trend, response.verdict])
    say_table(["dose-response", "line", "trend z", "verdict"], rows, numeric=["trend z"])


def _say_claims(claims: "Sequence[Judged]") -> None:
    if not claims:
        return
    say("")
    rows = [
        [
            each.claim.condition + ("" if each.claim.dose is None else f" {each.claim.dose:g}"),
            each.finding,
            each.claim.text,
            each.numbers,
            each.claim.evidence,
        ]
        for each in claims
    ]
    say_table(["published claim", "ours", "claim", "our ratio", "its own figures"], rows)
