"""The origin of the runs of a report, the methods of measurement, and the cited papers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grokscope import __version__
from grokscope.report.experiments import experiment_command
from grokscope.report.parts import Listing, Section
from grokscope.report.sources import OUTCOMES, ReportSource, Run
from grokscope.warning.law import treated_remark
from grokscope.words.durations import duration
from grokscope.words.numbers import counted, listed
from grokscope.words.table import Column, Table


@dataclass(frozen=True)
class Citation:
    """One paper."""

    key: str
    text: str
    url: str
    used_for: str


CITATIONS = (
    Citation(
        "2602.16967",
        "Y. Xu. Early-Warning Signals of Grokking via Loss-Landscape Geometry. arXiv:2602.16967, 2026.",
        "https://arxiv.org/abs/2602.16967",
        "the commutator defect, its onset rule, the lead-time law and the four interventions",
    ),
    Citation(
        "2603.13331",
        "X. K. Truong, Q. H. Truong, D. T. Luu, T. D. Phan. The Norm-Separation Delay Law of Grokking: A "
        "First-Principles Theory of Delayed Generalization. arXiv:2603.13331, 2026.",
        "https://arxiv.org/abs/2603.13331",
        "the delay after memorization in proportion to log of a ratio of norms over lr · wd",
    ),
    Citation(
        "2605.18845",
        "X. K. Truong, Q. H. Truong, D. T. Luu, T. D. Phan. First-Passage Prediction of Grokking Delay: A Calibrated "
        "Law under AdamW with Causal Validation. arXiv:2605.18845, 2026.",
        "https://arxiv.org/abs/2605.18845",
        "the first passage of the squared norm through a calibrated threshold",
    ),
    Citation(
        "grokscope",
        f"The grokscope authors. grokscope: watch a small transformer grok. Version {__version__}.",
        "",
        "the runs, the exact defect, every figure and table here",
    ),
)

SIGNALS = (
    "The commutator defect is D = ‖H_B g_A − H_A g_B‖ / (‖g_A‖ ‖g_B‖) for two mini-batches A and B, gradients g and "
    "Hessians H of the training loss: how much the result of two gradient steps depends on their order, in the limit "
    "of small steps. “Exact” computes it by Hessian-vector products; “finite difference” subtracts two parameter "
    "vectors after two steps of size η in each order, as published, and has a rounding floor of its own. Medians and "
    "quartiles are over the samples of one measurement.",
    "Onset, by the default rule: the first of three records in a row with D above 20 and above 10 times its value at "
    "initialization, none of them below its rounding floor. “Paper” rules take the median of the first three records "
    "as their baseline and need one crossing, so they cannot fire before twice the cadence. Memorized: training "
    "accuracy of 0.99. Test-loss turn: test loss has climbed above its first value and fallen 10 % below its peak. "
    "Grokked: by the criterion of the task, as the log has it. A detection has a step and a later step of "
    "confirmation; warnings are scored from the confirmation on.",
    "A run that has not grokked within its recorded steps is censored: it is kept, counted, and drawn at its last "
    "step. It is a control for false alarms only if it was recorded to the end of its budget. A configuration is all "
    "settings except seeds; every prediction is for configurations that were not used to fit it.",
)


def origin(sources: Sequence[ReportSource]) -> Section:
    """The section about the origin of the runs: dates, machines, versions, and the commands that repeat the runs."""
    runs = [run for source in sources for run in source.runs]
    tally = Counter(run.outcome for run in runs)
    outcomes = listed([f"{tally[outcome]} {outcome}" for outcome in OUTCOMES if tally[outcome]])
    censored = sum(run.censored for run in runs)
    paragraphs = [
        f"{counted(len(runs), 'run')}: {outcomes}. {counted(censored, 'run')} "
        f"{'is' if censored == 1 else 'are'} censored (not grokked by the last recorded step).",
    ]
    if treated := sum(run.treated for run in runs):
        paragraphs.append(treated_remark(treated, "the law, the phase diagram, the scoreboard and the forecast"))
    paragraphs += _when(runs)
    return Section(
        "origin",
        "Where these runs come from",
        tuple(paragraphs),
        (_machines(sources), *_manifests(sources), _commands(sources)),
    )


def _when(runs: Sequence[Run]) -> list[str]:
    known = [run.provenance for run in runs if run.provenance is not None]
    if not known:
        return ["All runs come from trajectory tables, which have no dates, versions and machines."]
    began, ended = min(each.began for each in known), max(each.ended for each in known)
    spent = duration(sum(each.seconds for each in known))
    rest = len(runs) - len(known)
    tables = f" {counted(rest, 'run')} from tables know no dates." if rest else ""

    dates = f"First event {_day(began)}, last event {_day(ended)} (UTC)"
    return [f"{dates}; {spent} of wall time, all runs together.{tables}"]


def _day(time: str) -> str:
    return f"{time[:10]} {time[11:16]}"


def _machines(sources: Sequence[ReportSource]) -> Table:
    """One row for each combination of machine, backend and versions."""
    kinds = Counter(
        (
            source.name, source.kind, run.trajectory.task,
            *(
                ("–", "–", "–", "–", "–")
                if (made := run.provenance) is None
                else (made.backend, made.device, made.precision, made.estimator, _versions(made.versions))
            ),
        )
        for source in sources
        for run in source.runs
    )  # fmt: skip
    names = ("source", "kind", "task", "backend", "device", "precision", "estimator", "versions", "runs")
    return Table(
        "origin", "Sources", tuple(map(Column, names)), tuple((*key, count) for key, count in sorted(kinds.items()))
    )


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def _commands(sources: Sequence[ReportSource]) -> Table:
    rows = tuple(
        (run.name, "(from a table)" if run.provenance is None else run.provenance.command)
        for source in sources
        for run in source.runs
    )
    return Table(
        "commands",
        "Commands that make the runs again",
        (Column("run"), Column("command", code=True)),
        rows,
        notes=("A command names only settings that differ from the preset. A sweep's manifest repeats all its cells.",),
        folded=True,
    )


def _manifests(sources: Sequence[ReportSource]) -> list[Listing]:
    """The manifests that repeat all runs of a sweep or an experiment."""
    found = []
    for source in sources:
        if source.manifest is not None:
            file = f"{source.name.replace('/', '-')}.toml"
            command = (
                f"grokscope sweep run --config {file}" if source.kind == "sweep" else experiment_command(source.path)
            )
            found.append(Listing(file, f"{source.name}, as it was planned", command, source.manifest))
    return found
