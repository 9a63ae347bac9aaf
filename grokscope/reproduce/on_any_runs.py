"""The published claims about warning, asked of any runs that somebody has, with the rules that were written for ours.

What differs from the claims that `reproduce` tests is the runs, and which rule is called onset.
"""

from collections.abc import Mapping, Sequence

from grokscope.reproduce.claims import PublishedClaim, all_claims
from grokscope.reproduce.evidence import StudyEvidence
from grokscope.reproduce.judging import Verdict, judged_all
from grokscope.reproduce.tables import verdict_columns, verdict_notes, verdict_row
from grokscope.warning.trajectory import Trajectory
from grokscope.words.table import Column, Table

ABOUT_WARNING: Mapping[str, str] = {
    "alpha-dyck": "the lead grows faster than the grok step",
    "window-dyck": "onset opens a window of 90 to 97 % of the way",
    "leads-dyck": "onset precedes grokking in (nearly) every run",
    "false-alarms-dyck": "onset hardly ever fires where nothing groks",
    "defect-separates": "the defect is larger where grokking comes",
}
"""Claims by identifier, in words that name no task"""


def judged_on(trajectories: Sequence[Trajectory], onset: str) -> list[Verdict]:
    """The verdict on each claim about warning. `onset`: the rule that is held to be the warning."""
    evidence = StudyEvidence("", "the runs that were named", trajectories=tuple(trajectories))
    claims = [_asked(all_claims()[name], sentence, onset) for name, sentence in ABOUT_WARNING.items()]
    return judged_all(claims, {claim.study: evidence for claim in claims})


def warning_claims_table(verdicts: Sequence[Verdict]) -> Table:
    """One line per claim."""
    columns = (Column("claim"), *verdict_columns(), Column("source", detail=True, prose=True))
    rows = tuple((each.claim.sentence, *verdict_row(each), each.claim.source) for each in verdicts)
    return Table("claims", "Published claims about warning, on these runs", columns, rows, verdict_notes())


def _asked(claim: PublishedClaim, sentence: str, onset: str) -> PublishedClaim:
    rule = {"rule": onset} if "rule" in claim.options else {}
    options = {key: value for key, value in claim.options.items() if key != "where"}
    return claim.model_copy(update={"sentence": sentence, "options": {**options, **rule}})
