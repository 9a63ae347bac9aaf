"""What would decide an undecided claim: which runs are missing, how many, and how long they take."""

from grokscope.experiment.claims import Claim
from grokscope.reproduce.claims import PublishedClaim, Study, all_studies
from grokscope.reproduce.evidence import StudyEvidence
from grokscope.reproduce.verdict import MOST_CLUSTERS, DecisionRule, Estimate, clusters_needed
from grokscope.words.numbers import counted, number


def not_run(claim: PublishedClaim) -> str:
    """The command that trains the runs of a claim, the number of runs, and their core hours."""
    study = all_studies()[claim.study].only_for([claim])
    option = "" if study.small is not None else " --budget paper"
    return f"not run yet: grokscope reproduce {claim.id}{option} trains {_size(study)}"


def without_ratio(claim: PublishedClaim, evidence: StudyEvidence) -> str:
    """Why the runs give no number."""
    arms = _arms(claim)
    if claim.statistic != "grok-ratio" or len(arms) < 2:
        return "the runs lack the numbers that this claim needs"
    return (
        f"{_grokked(evidence, arms)}: no pair of runs gives a ratio; longer runs would decide, "
        f"grokscope reproduce {claim.id} --budget paper"
    )


def what_decides(rule: DecisionRule, estimate: Estimate, claim: PublishedClaim, evidence: StudyEvidence) -> str:
    """How many clusters would decide, or why no number of them is known."""
    arms = _arms(claim)
    if estimate.low is None or estimate.high is None:
        grokked = f"{_grokked(evidence, arms)}: " if len(arms) == 2 else ""
        return f"{grokked}a run that did not grok leaves the interval open; longer runs (--budget paper) or more seeds"
    study = all_studies().get(evidence.study)
    noun = "seed" if study is not None and study.seeds else "configuration"
    needed = clusters_needed(rule, estimate)
    if needed is None:
        return (
            f"the estimate is so near the bound that more than {MOST_CLUSTERS:,} {noun}s would be needed; "
            f"here {_are(estimate.clusters, noun)}"
        )
    more = needed - estimate.clusters
    return f"about {needed} {noun}s would decide, here {_are(estimate.clusters, noun)}{_where(study, more, noun)}"


def seeds_decide(about: Claim) -> str:
    """Of an intervention whose claim no ratio decides."""
    if about.dose is None:
        return "no trend with dose was found: more seeds, or more doses, would decide"
    return "some treated runs grokked and some did not: more seeds would decide"


def _where(study: Study | None, more: int, noun: str) -> str:
    """Where more clusters come from, and how long they take."""
    if study is None:
        return ""
    if study.table:
        return "; the printed table has no more rows, so that only new runs at other learning rates can decide"
    if study.banks:
        return f"; {counted(more, noun)} more must be trained than the shipped banks have"
    hours = _hours(study)
    if hours is None:
        return ""
    return f"; {counted(more, noun)} more take about {number(hours * more / len(study.seeds), 2)} core hours"


def _size(study: Study) -> str:
    hours = _hours(study)
    return counted(study.size, "run") + ("" if hours is None else f", about {number(hours, 2)} core hours")


def _hours(study: Study) -> float | None:
    """Core hours of all its runs, at the cheaper budget that it has."""
    at = study.small or study.paper
    return None if at is None else at.hours


def _arms(claim: PublishedClaim) -> list[str]:
    """The arm that a claim is about, and the one that it stands against; fewer where a claim names none."""
    return [name for key in ("arm", "against") if (name := claim.options.get(key))]


def _grokked(evidence: StudyEvidence, arms: list[str]) -> str:
    """`orthograd grokked in 2 of 3 runs, baseline in 3 of 3`."""
    counts = [(name, evidence.arm(name)) for name in arms]
    first, *others = [f"{sum(each.grokked for each in runs)} of {len(runs)}" for _, runs in counts]
    return f"{arms[0]} grokked in {first} runs" + "".join(
        f", {name} in {words}" for name, words in zip(arms[1:], others, strict=True)
    )


def _are(n: int, noun: str) -> str:
    return f"{'is' if n == 1 else 'are'} {n}"
