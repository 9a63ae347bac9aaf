"""`grokscope reproduce`: test published claims."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.completion import offered_claims
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder, not_stdout

if TYPE_CHECKING:
    from grokscope.reproduce.claims import PublishedClaim, Study
    from grokscope.reproduce.evidence import StudyEvidence
    from grokscope.reproduce.judging import Verdict
    from grokscope.sweeps.engine import Failure


def reproduce(
    claims: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLAIM]...",
            help="Claims by identifier, all with a word in it (dyck), or of a study; default: all. --judge lists them.",
            autocompletion=offered_claims,
        ),
    ] = None,
    *,
    budget: Annotated[
        Literal["small", "paper"], typer.Option(help="small: an evening on two cores. paper: the published settings.")
    ] = "small",
    judge: Annotated[
        bool, typer.Option("--judge", help="Train nothing: judge the runs that are there, else the shipped results.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the studies and their runs that are left to do; run nothing.")
    ] = False,
    timing: Annotated[
        bool,
        typer.Option("--timing/--no-timing", help="For the hours of --dry-run: time a step of each kind of run."),
    ] = True,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: one per core.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", callback=not_stdout, metavar="DIR", help="Folder for a page, tables, and the runs' data."
        ),
    ] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors on stderr.")] = False,
) -> None:
    """Test the claims of papers: `grokscope reproduce grokfast-sooner`.

    The command trains the runs that these claims need and that are missing, and then says of each claim whether it is
    supported, refuted or undecided, with a 95 % interval, the null beside it, the number of runs, and what would decide
    it. A claim's decision rule stands with the claim. The runs of a study stand in RUNS/reproduce-STUDY/, which is a
    sweep or an experiment for all other commands. Claims with the fewest runs come first. Ctrl-C stops the runs, each
    with a checkpoint. If you repeat the command, finished runs stay as they are and the others continue. Many claims
    need no training, because the shipped banks or the published tables decide them.
    """
    from grokscope.reproduce.studies import evidence_of
    from grokscope.sweeps.local import cores

    chosen, studies = _asked(claims or [])
    if output is not None and output.exists() and not output.is_dir():
        raise typer.BadParameter(f"{output} is a file; give a folder", param_hint="-o")
    if dry_run:
        _say_plan(chosen, studies, budget, runs, (jobs or cores()) if timing else None, json)
        return
    failures = [] if judge else _train(studies, budget, runs, jobs, quiet)
    evidence = {study.name: evidence_of(study, budget, runs, complain) for study in studies}
    _say_verdicts(chosen, evidence, budget, output, json)
    for failure in failures:
        complain(f"{failure.cell.slug} failed: {failure.reason}")
    if failures:
        raise typer.Exit(ExitCode.FAULT)


def _asked(wanted: Sequence[str]) -> "tuple[list[PublishedClaim], list[Study]]":
    """The claims that were asked for, and the studies that test them. A study by name brings all its claims and runs.

    Each of `wanted` is a claim, a study, or a word of claims' identifiers, such as a task; without any, everything is
    asked for. Raises `typer.BadParameter`.
    """
    from difflib import get_close_matches

    from grokscope.reproduce.claims import all_claims, all_studies, claims_of

    known, studies = all_claims(), all_studies()
    found: list[str] = []
    for name in wanted:
        of_study = [each.id for each in known.values() if each.study == name]
        matching = [name] if name in known else of_study or [each for each in known if name in each.split("-")]
        found += matching
        if not matching and name not in studies:
            nearest = get_close_matches(name, [*known, *studies], n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "`grokscope reproduce --judge` lists the claims"
            raise typer.BadParameter(f"there is no claim {name!r}; {hint}", param_hint="CLAIM")
    chosen = [known[name] for name in dict.fromkeys(found)] if wanted else list(known.values())
    whole = {*(wanted or studies)}
    return chosen, [
        study if name in whole else study.only_for(own)
        for name, study in studies.items()
        if (own := claims_of(name, chosen)) or name in whole
    ]


def _train(
    studies: "Sequence[Study]", budget: Literal["small", "paper"], runs: Path, jobs: int | None, quiet: bool
) -> "list[Failure]":
    """Train what is left, the studies with the fewest runs first."""
    from grokscope.cli.sweep import stopped_by_signals
    from grokscope.cli.sweep_display import sweep_display
    from grokscope.reproduce.studies import shown, study_cells, train
    from grokscope.sweeps.local import LocalEngine, cores
    from grokscope.sweeps.standing import left_to_do
    from grokscope.words.numbers import counted

    left = {study.name: len(left_to_do(study_cells(study, budget, runs))) for study in studies}
    if any(left.values()) and not quiet:
        runs_left = counted(sum(left.values()), "run")
        complain(f"{runs_left} to train; --dry-run says how long they take, and --judge trains nothing")
    engine, failures = LocalEngine(jobs or cores()), []
    with stopped_by_signals() as received:
        try:
            for study in sorted(studies, key=lambda study: left[study.name]):
                if left[study.name]:
                    with sweep_display(shown(study, budget, runs), quiet=quiet) as show:
                        failures += train(study, budget, runs, engine, show, complain)
            return failures
        except KeyboardInterrupt:
            complain("interrupted; repeat the command to continue; with --judge it judges the runs that are there")
    raise typer.Exit(received[0] if received else ExitCode.INTERRUPTED)


def _say_plan(
    chosen: "Sequence[PublishedClaim]",
    studies: "Sequence[Study]",
    budget: Literal["small", "paper"],
    runs: Path,
    jobs: int | None,
    json: bool,
) -> None:
    """List the studies. Of the runs that are left, list the hours with `jobs` runs at a time; None: no hours."""
    from grokscope.cli.output import say, say_json, say_table, say_wrapped
    from grokscope.reproduce.tables import plan_table, planned_studies
    from grokscope.words.numbers import counted

    planned = planned_studies(chosen, studies, budget, runs)
    basis = None if jobs is None else _time(studies, planned, budget, runs, jobs)
    known = [study["hours"] for study in planned if study["left"] and study["hours"] is not None]
    if json:
        untestable = [{"claim": claim.id, "needs": claim.needs} for claim in chosen if claim.needs]
        say_json({"budget": budget, "studies": planned, "hours_basis": basis, "not_testable": untestable})
        return
    left, whole = (sum(study[key] for study in planned) for key in ("left", "runs"))
    say(f"{counted(len(chosen), 'claim')}, budget {budget}: {left} of {whole} runs are left to do")
    say("")
    say_table(plan_table(planned), titled=False)
    if known:
        say_wrapped(f"at most {sum(known):.1f} hours if the runs go one after the other, {basis}")


def _time(
    studies: "Sequence[Study]",
    planned: "Sequence[dict[str, Any]]",
    budget: Literal["small", "paper"],
    runs: Path,
    jobs: int,
) -> str | None:
    """Write the hours of the runs that are left into the planned studies; None where a run could not be timed.

    Returns how the hours were measured, None if nothing was timed.
    """
    from grokscope.cli.hours import expected_hours
    from grokscope.reproduce.studies import study_cells
    from grokscope.sweeps.standing import left_to_do

    left = [left_to_do(study_cells(study, budget, runs)) for study in studies]
    hours, basis = expected_hours([cell for cells in left for cell in cells], jobs)
    rest = iter(hours)
    for study, cells in zip(planned, left, strict=True):
        of_study = [next(rest) for _ in cells]
        study["hours"] = None if None in of_study else sum(each for each in of_study if each is not None)
    return basis


def _say_verdicts(
    chosen: "Sequence[PublishedClaim]",
    evidence: "Mapping[str, StudyEvidence]",
    budget: str,
    output: Path | None,
    json: bool,
) -> None:  # fmt: skip
    from grokscope.cli.output import say, say_json, say_table, say_wrapped
    from grokscope.reproduce.judging import judged_all
    from grokscope.reproduce.spectrum import levers_table, spectrum_of
    from grokscope.reproduce.tables import verdicts_headline, verdicts_table

    verdicts = judged_all(chosen, evidence)
    if output is not None:
        from grokscope.contract.backends import Unavailable
        from grokscope.report.reproduction import write_reproduction

        try:
            write_reproduction(verdicts, evidence, output, _command(budget))
        except Unavailable as problem:  # without Matplotlib: the tables need no figure
            complain(str(problem))
            write_reproduction(verdicts, evidence, output, _command(budget), formats=())
    if json:
        say_json({"budget": budget, "verdicts": [verdict.to_dict() for verdict in verdicts]})
        return
    if not verdicts:  # a study without claims
        say_table(levers_table(spectrum_of(evidence)))
        return
    say(verdicts_headline(verdicts))
    say("")
    say_table(verdicts_table(verdicts), titled=False)
    if len(verdicts) == 1:
        say("")
        _say_claim(verdicts[0])
    else:
        say_wrapped(
            "`grokscope reproduce CLAIM --judge` says a claim in words, with its source and the rule of its verdict."
        )


def _say_claim(verdict: "Verdict") -> None:
    from grokscope.cli.output import say_labelled

    claim = verdict.claim
    lines = {
        "claim": claim.sentence, "source": claim.source, "setting": claim.setting, "published": claim.published,
        "supported by": claim.decided_by, "refuted by": claim.refuted_by, "null": claim.null,
        "runs from": verdict.basis, "remark": verdict.remark,
    }  # fmt: skip
    say_labelled((label, text) for label, text in lines.items() if text)


def _command(budget: str) -> str:
    return "grokscope reproduce --judge" + ("" if budget == "small" else f" --budget {budget}")
