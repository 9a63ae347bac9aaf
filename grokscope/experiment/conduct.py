"""Runs an experiment: first the baselines, then the treatments. A repeated call leaves ended runs as they are."""

from collections.abc import Callable
from pathlib import Path

from grokscope.experiment.design import Design, Planned, Start, baselines, never_treated, start_of, sweep_of, treated
from grokscope.experiment.outcomes import Outcome, read_outcomes
from grokscope.sweeps.engine import Engine, Failure
from grokscope.sweeps.grid import Sweep
from grokscope.sweeps.manifest import check, record_sweep
from grokscope.sweeps.standing import OnChange, left_to_do

OnWarning = Callable[[str], None]


def all_planned(design: Design, runs: Path) -> list[Planned]:
    """Every run of the experiment. If a baseline has not ended yet, its treatments have an assumed start."""
    return [*baselines(design, runs), *treated(design, runs, assumed_starts(design, runs))]


def assumed_starts(design: Design, runs: Path) -> dict[int, Start]:
    """The first treated step of each seed, as far as it is known now."""
    return {seed: start_of(design, seed, None) for seed in design.seeds} | starts(design, runs)


def all_outcomes(design: Design, runs: Path) -> list[Outcome]:
    """The present outcome of every run."""
    return read_outcomes(all_planned(design, runs))


def starts(design: Design, runs: Path) -> dict[int, Start]:
    """The first treated step of each seed whose baseline has ended."""
    own = [outcome for outcome in read_outcomes(baselines(design, runs)) if outcome.replicate == 0]
    return {each.seed: start_of(design, each.seed, each.grok_step) for each in own if _may_follow(each)}


def conduct(design: Design, runs: Path, engine: Engine, on_change: OnChange, on_warning: OnWarning) -> list[Failure]:
    """Run all runs that are left to do. Returns the failed runs. Raises `ConfigError`."""
    first = baselines(design, runs)
    record_sweep(_known(design, runs, first))
    failures = engine.run(left_to_do([each.cell for each in first]), on_change)
    found = starts(design, runs)
    for seed in design.seeds:
        warning = (
            found[seed].warning
            if seed in found
            else f"seed {seed} is not treated, because its baseline did not end with finite weights"
        )
        late = never_treated(design, seed, found[seed]) if seed in found else None
        for reason in filter(None, (warning, late)):
            on_warning(reason)
    record_sweep(_known(design, runs, first))
    second = treated(design, runs, found)
    return failures + engine.run(left_to_do([each.cell for each in second]), on_change)


def sweep_to_show(design: Design, runs: Path) -> Sweep:
    """All runs as one sweep, for the progress display."""
    return sweep_of(design, runs, all_planned(design, runs))


def check_design(design: Design, runs: Path) -> None:
    """Raises `ConfigError` if `conduct` would raise it before its first run."""
    check(_known(design, runs, baselines(design, runs)))


def _known(design: Design, runs: Path, first: list[Planned]) -> Sweep:
    return sweep_of(design, runs, [*first, *treated(design, runs, starts(design, runs))])


def _may_follow(baseline: Outcome) -> bool:
    """Whether this baseline allows treatments: it has ended, with finite weights."""
    return baseline.fate not in {"pending", "diverged"} and baseline.accuracy is not None
