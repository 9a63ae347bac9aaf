"""Scores of a packed split against a plain count, one example after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.contract.arrays import FloatArray
from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.events import Scores
from grokscope.testing import reference
from grokscope.testing.backends import CASES
from grokscope.training.evaluation import PreparedSplit


def plain_scores(model: ModelSpec, theta: FloatArray, examples: Examples) -> Scores:
    """Padded, nothing shared, each copy of an example computed for itself."""
    losses, right, whole = [], [], []
    for row in range(len(examples)):
        one = reference.padded_examples(examples.take(np.array([row])), model)
        said = reference.predictions(model, theta, one)
        hits = said.classes == one.labels
        losses.extend(said.losses)
        right.extend(hits)
        whole.append(hits.all())
    return Scores(loss=float(np.mean(losses)), accuracy=float(np.mean(right)), sequence_accuracy=float(np.mean(whole)))


def answered(case_name: str, theta: FloatArray, share: float) -> Examples:
    """The case's examples, a share of the labels replaced by what the model itself would say: not all is wrong then."""
    case = CASES[case_name]
    labels = case.examples.labels.copy()
    padded = reference.padded_examples(case.examples, case.model)
    said = reference.predictions(case.model, theta, padded).classes
    chosen = np.random.default_rng(0).random(len(padded.reads)) < share
    labels.ravel()[padded.reads[chosen]] = said[chosen]
    examples = case.examples
    return Examples(examples.source, examples.source_lengths, labels, examples.target, examples.target_lengths)


@pytest.mark.parametrize("case_name", CASES)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 30))
def test_scores_equal_a_plain_count(case_name: str, seed: int, size: int) -> None:
    """Rows are drawn with replacement, so that there are duplicates."""
    case = CASES[case_name]
    theta = case.parameters.astype(np.float64)
    every = answered(case_name, theta, share=0.8)
    examples = every.take(np.random.default_rng(seed).integers(0, len(every), size))
    session = reference.SPEC.open(case.model, theta, precision="float64")
    found = PreparedSplit(Packer(examples, case.model), session).scores(session.parameters)
    expected = plain_scores(case.model, theta, examples)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert found.accuracy == pytest.approx(expected.accuracy, rel=1e-12)
    assert found.sequence_accuracy == pytest.approx(expected.sequence_accuracy, rel=1e-12)


def test_everything_right_and_everything_wrong() -> None:
    case = CASES["decoder"]
    theta = case.parameters.astype(np.float64)
    session = reference.SPEC.open(case.model, theta, precision="float64")
    right = answered("decoder", theta, share=1.0)
    scores = PreparedSplit(Packer(right, case.model), session).scores(session.parameters)
    # Equal nodes with different labels cannot be: a model's own answers do not contradict each other.
    assert (scores.accuracy, scores.sequence_accuracy) == (1.0, 1.0)
    labels = np.where(right.labels == IGNORED, IGNORED, (right.labels + 1) % case.model.classes)
    wrong = Examples(right.source, right.source_lengths, labels)
    scores = PreparedSplit(Packer(wrong, case.model), session).scores(session.parameters)
    assert (scores.accuracy, scores.sequence_accuracy) == (0.0, 0.0)
