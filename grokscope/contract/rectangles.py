"""Batches as plain rectangles: each example stands whole, and padded to one length, so all batches have one shape.

A packed batch (`grokscope.contract.examples`) needs less arithmetic, but its shape depends on its examples. The batches
of many runs form one array only if they have one shape. Then the products of many small models are one large product.
The loss of a rectangle is the loss of the packed batch, up to rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from grokscope.contract.examples import IGNORED, Examples, Ints
from grokscope.contract.models import ModelSpec
from grokscope.contract.plans import Attention, ForwardPlan, Stack, graph_numbers


class Rectangles(NamedTuple):
    """One batch of each run, [runs, …]; without the first axis, the batch of one run. NumPy arrays, or a backend's."""

    source: Any
    """Tokens, 0 beyond the end, [runs, rows, source length]"""
    source_lengths: Any
    """[runs, rows]"""
    labels: Any
    """Classes at the columns that are read, 0 where there is no label, [runs, rows * columns]"""
    weights: Any
    """0 where there is no label; sum 1 for each run, [runs, rows * columns]"""
    target: Any = None
    """[runs, rows, target length]; None without a target"""


@dataclass(frozen=True)
class Rectangle:
    """The shape of every batch of some sets of examples. Makes the batches, and says how a backend computes them."""

    model: ModelSpec
    rows: int
    """Examples of a batch"""
    source: int
    """Length of every source, padding included"""
    target: int
    """Length of every target; 0 without targets"""
    columns: tuple[int, ...]
    """Positions of the stream that is read out which have a label in some example"""
    full: bool
    """Whether no source has padding"""

    @classmethod
    def of(cls, model: ModelSpec, rows: int, sets: Sequence[Examples]) -> "Rectangle":
        """The smallest shape that holds batches of `rows` examples from each of the sets."""
        shortest = min(int(each.source_lengths.min()) for each in sets)
        longest = max(int(each.source_lengths.max()) for each in sets)
        source = model.context if model.source_padding_attended else longest
        target = max(0 if each.target_lengths is None else int(each.target_lengths.max()) for each in sets)
        read = {int(column) for each in sets for column in np.flatnonzero((each.labels != IGNORED).any(axis=0))}
        return cls(model, rows, source, target, tuple(sorted(read)), shortest == source)

    def filled(self, batches: Sequence[Examples]) -> Rectangles:
        """The batches [runs] of `rows` examples each, as arrays."""
        lengths = np.stack([batch.source_lengths for batch in batches])
        source = _padded([batch.source for batch in batches], self.source, 0)
        labels = _padded([batch.labels for batch in batches], self.target or self.source, IGNORED)
        labels = labels[:, :, self.columns].reshape(len(batches), -1)
        labelled = labels != IGNORED
        return Rectangles(
            np.where(np.arange(self.source) < lengths[:, :, None], source, 0),
            lengths,
            np.where(labelled, labels, 0),
            labelled / labelled.sum(axis=1, keepdims=True),
            _padded([batch.target for batch in batches if batch.target is not None], self.target, 0)
            if self.target
            else None,
        )

    def graph_numbers(self, batch: Examples) -> int:
        """Of the gradient of one run's batch. See `grokscope.contract.plans.graph_numbers`."""
        filled = (None if each is None else each[0] for each in self.filled([batch]))
        return graph_numbers(self._plan(Rectangles(*filled), self._constants), self.model)

    def planner(self, place: Callable[[Any], Any]) -> Callable[[Rectangles], ForwardPlan]:
        """What makes the forward pass of one run's batch from arrays of a backend. `place` moves a NumPy array to the
        backend's device."""
        constants = _Constants(*(None if each is None else place(each) for each in self._constants))
        return lambda batch: self._plan(batch, constants)

    @cached_property
    def _constants(self) -> "_Constants":
        length = self.target or self.source
        columns = np.array(self.columns)
        whole = len(columns) == length
        query, key = np.arange(length)[:, None], np.arange(length)
        return _Constants(
            columns=np.arange(self.source),
            source_positions=np.tile(np.arange(self.source), self.rows),
            target_positions=np.tile(np.arange(self.target), self.rows) if self.target else None,
            read_rows=None if whole else (np.arange(self.rows)[:, None] * length + columns).ravel(),
            later=(query < key)[None, None] if self.model.causal else None,
            later_than_read=(query < key)[None, None, columns] if self.model.causal else None,
            reads=np.arange(self.rows * len(columns)),
            classes=np.arange(self.model.classes),
        )

    def _plan(self, batch: Rectangles, constants: "_Constants") -> ForwardPlan:
        beyond = None if self.full else (batch.source_lengths[:, None] <= constants.columns)[:, None, None]
        if batch.target is None:
            hidden, hidden_at_end = constants.later, constants.later_than_read
            if not self.model.causal:
                hidden = hidden_at_end = beyond
            layers = self._layers(hidden, hidden_at_end, constants.read_rows)
            source, target = Stack(batch.source.reshape(-1), constants.source_positions, layers, ()), None
        else:
            inner = Attention(None, self.rows, None, beyond)
            layers = (inner,) * self.model.layers
            source = Stack(batch.source.reshape(-1), constants.source_positions, layers, ())
            cross = inner._replace(hidden=None) if self.model.source_padding_attended else inner
            layers = self._layers(constants.later, constants.later_than_read, constants.read_rows)
            tokens = batch.target.reshape(-1)
            target = Stack(tokens, constants.target_positions, layers, (cross,) * self.model.layers)
        is_label = batch.labels[:, None] == constants.classes
        return ForwardPlan(source, target, constants.reads, batch.labels, is_label, batch.weights)

    def _layers(self, hidden: Any, hidden_at_end: Any, read_rows: Any) -> tuple[Attention, ...]:
        """Of the stream that is read out: the last layer answers for the columns that are read."""
        before = Attention(None, self.rows, None, hidden)
        last = Attention(read_rows, self.rows, None, hidden_at_end)
        return *(before,) * (self.model.layers - 1), last


class _Constants(NamedTuple):
    """What all batches have in common."""

    columns: Any
    """0, 1, …, [source length]"""
    source_positions: Any
    """[rows * source length]"""
    target_positions: Any
    read_rows: Any
    """Rows of the last stream that are read, [rows * columns]; None where all are"""
    later: Any
    """True where a key stands behind a query, [1, 1, length, length]; None where all see each other"""
    later_than_read: Any
    """The same for the queries that are read, [1, 1, columns, length]"""
    reads: Any
    """0, 1, …, [rows * columns]"""
    classes: Any
    """0, 1, …, [classes]"""


def _padded(tables: Sequence[Ints], width: int, filling: int) -> Ints:
    """[runs] of [rows, any length] -> [runs, rows, width]"""
    whole = np.full((len(tables), len(tables[0]), width), filling, dtype=np.int64)
    for run, table in enumerate(tables):
        shared = min(width, table.shape[1])
        whole[run, :, :shared] = table[:, :shared]
    return whole
