"""The subspace that interventions leave alone, or leave over: from where it comes, as four parameters.

The execution subspace is spanned by the principal components of a run's weight trajectory. It may be that of an earlier
run (the published two-phase design), of this run so far, or a random one of the same shape, which is the control.
"""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.interventions import Plan, SwitchedOn
from grokscope.contract.parameters import Layout
from grokscope.contract.streams import generator
from grokscope.gate import Unreadable
from grokscope.geometry.blocks import covered, weight_blocks
from grokscope.geometry.gram import Snapshots
from grokscope.geometry.subspaces import Directions, Projector, Subspace, random_joint, random_like, trajectory_basis
from grokscope.runs.directory import RunDirectory
from grokscope.runs.history import stored_vector
from grokscope.runs.snapshots import snapshot_file, step_files
from grokscope.runs.state import read_state

FEWEST_SNAPSHOTS = 3
_NUMBER_BYTES = 8
NO_RUN = ("own", "random", "random-joint", "none")
"""What `basis` may say beside naming a run"""

_WHERE_FROM = (
    "own: principal components of this run's snapshots so far; RUN (a path, or a name beside this run): of an earlier "
    "run's; random: random directions, as many in the same matrices; random-joint: as many in the whole space"
)


class Parameters(BaseModel):
    """Base of all parameters of interventions."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BasisParameters(Parameters):
    """Which subspace."""

    basis: str = Field("own", description=_WHERE_FROM)
    components: int = Field(2, ge=1, le=100_000, description="directions in each block")
    blocks: Literal["attention", "matrices", "all", "joint"] = Field(
        "matrices",
        description="one basis for each weight matrix: of attention (published for modular), of attention and MLP "
        "(published for Dyck and SCAN), or of all; joint: one for all matrices of attention and MLP together",
    )
    basis_until: int | None = Field(
        None, ge=0, lt=2**63, description="of an earlier run, the snapshots up to this step only"
    )
    basis_draw: int = Field(0, ge=0, lt=2**63, description="number of the random draw: other numbers, other directions")


class OptionalBasisParameters(BasisParameters):
    """Which subspace, or none."""

    basis: str = Field("none", description=f"none: the whole space; {_WHERE_FROM}")


def opened_basis(parameters: BasisParameters, on: SwitchedOn) -> Projector | None:
    """The projector on the subspace; None for `none`. Raises `ValueError` with a sentence."""
    if parameters.basis == "none":
        return None
    return Projector(_subspace(parameters, on), on.session)


def basis_facts(basis: Projector | None) -> dict[str, Any]:
    """What the record of an intervention says of its subspace."""
    if basis is None:
        return {}
    return {"basis_dimension": basis.subspace.dimension, "basis_digest": basis.subspace.digest}


def basis_objection(parameters: BasisParameters, plan: Plan) -> str | None:
    """Why there will be no such subspace, as far as that is known before the run."""
    if parameters.basis == "own":
        if not plan.snapshot_every:
            return "basis=own is made of this run's snapshots: set snapshot.every, or another basis"
        if plan.step is not None and len(range(0, plan.step, plan.snapshot_every)) + 1 < FEWEST_SNAPSHOTS:
            return f"basis=own needs {FEWEST_SNAPSHOTS} snapshots; by step {plan.step} there will be fewer"
    elif parameters.basis not in NO_RUN:
        try:
            earlier = _earlier_run(parameters, plan.run)
            if plan.step == 0 or not _may_grow(parameters, earlier):
                _enough(parameters, earlier)
            files = _snapshot_files(parameters, earlier)
            return _mismatch(parameters, stored_vector(files[0]).layout, plan.layout) if files else None
        except ValueError as problem:
            return str(problem)
    return None


def _subspace(parameters: BasisParameters, on: SwitchedOn) -> Subspace:
    if parameters.basis.startswith("random"):
        return _random(parameters, on)
    try:
        trajectory = _own(on) if parameters.basis == "own" else _earlier(parameters, on)
        return trajectory_basis(trajectory, on.layout, parameters.components, parameters.blocks)
    except Unreadable as problem:
        raise ValueError(str(problem)) from None


def _own(on: SwitchedOn) -> Snapshots:
    """This run's own trajectory: the snapshots that its configuration asks for, and the present."""
    every, folder = on.snapshot_every, RunDirectory(on.run).snapshots
    steps = range(0, on.step, every) if every else range(0)
    if len(steps) + 1 < FEWEST_SNAPSHOTS:
        raise ValueError(
            f"basis=own needs {FEWEST_SNAPSHOTS} snapshots, there are {len(steps)} and the present; "
            "set snapshot.every, switch it on later, or choose another basis"
        )
    return [*(stored_vector(snapshot_file(folder, step)) for step in steps), on.parameters]


def _earlier(parameters: BasisParameters, on: SwitchedOn) -> Snapshots:
    """An earlier run's trajectory."""
    earlier = _earlier_run(parameters, on.run)
    snapshots = [stored_vector(file) for file in _enough(parameters, earlier)]
    for snapshot in snapshots:
        mismatch = _mismatch(parameters, snapshot.layout, on.layout)
        if mismatch is not None:
            raise ValueError(mismatch)
    return snapshots


def _mismatch(parameters: BasisParameters, theirs: Layout, own: Layout) -> str | None:
    """How the model of a snapshot differs from this one."""
    of = f"the snapshots of {parameters.basis} are of a model with {theirs.size} parameters"
    if theirs.size != own.size:
        return f"{of}, this one has {own.size}"
    if not theirs.fits(own):
        return f"{of}, as this one, but not of the same shapes"
    return None


def _earlier_run(parameters: BasisParameters, run: Path) -> RunDirectory:
    """An earlier run, named by a path or as a neighbour of `run`. Raises `ValueError`."""
    name = parameters.basis
    found = next((path for path in (run.parent / name, Path(name)) if os.path.isfile(path / "events.jsonl")), None)
    if found is None:
        name = name if len(name) <= 100 else f"{name[:99]}…"
        raise ValueError(f"basis={name}: there is no run {name}, neither beside {run.name} nor as a path")
    return RunDirectory(found)


def _snapshot_files(parameters: BasisParameters, earlier: RunDirectory) -> list[Path]:
    """The snapshots of an earlier run that count, as far as they are written."""
    until = parameters.basis_until
    return [file for step, file in step_files(earlier.snapshots).items() if until is None or step <= until]


def _enough(parameters: BasisParameters, earlier: RunDirectory) -> list[Path]:
    """The same, where they span a subspace. Raises `ValueError`."""
    files = _snapshot_files(parameters, earlier)
    if len(files) < FEWEST_SNAPSHOTS:
        until = "" if parameters.basis_until is None else f" up to step {parameters.basis_until}"
        raise ValueError(
            f"basis={parameters.basis} needs {FEWEST_SNAPSHOTS} snapshots, {earlier.path} has {len(files)}{until}"
        )
    return files


def _may_grow(parameters: BasisParameters, earlier: RunDirectory) -> bool:
    """Whether an earlier run is still at it, and will have written enough snapshots by its end."""
    state = read_state(earlier)
    if not state.listens:
        return state.condition == "waiting"
    every, last = state.setting("snapshot", "every") or 0, state.setting("train", "steps") or 0
    if parameters.basis_until is not None:
        last = min(last, parameters.basis_until)
    return every > 0 and last // every + 1 >= FEWEST_SNAPSHOTS


def basis_memory(parameters: BasisParameters, plan: Plan) -> int:
    """Bytes that the subspace takes: its rows, in NumPy and in the session, and as much again while they are made."""
    if parameters.basis == "none":
        return 0
    slices = _slices(parameters, plan.layout)
    if parameters.basis == "random-joint":
        rows = parameters.components * len(slices)
        return 4 * _NUMBER_BYTES * rows * plan.layout.size + _NUMBER_BYTES * rows**2
    most = _most_directions(parameters, plan)
    sizes = [sum(stop - start for start, stop in where) for _, where in slices]
    return sum(4 * _NUMBER_BYTES * size * min(parameters.components, size, most) for size in sizes)


def _most_directions(parameters: BasisParameters, plan: Plan) -> int:
    """In a block: a trajectory has one fewer than it has points."""
    if parameters.basis == "own" and plan.snapshot_every and plan.step is not None:
        return plan.step // plan.snapshot_every + 1
    if parameters.basis not in NO_RUN:
        try:
            return len(_snapshot_files(parameters, _earlier_run(parameters, plan.run)))
        except ValueError:
            return 0
    return parameters.components


def _slices(parameters: BasisParameters, layout: Layout) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
    """Names and places of the blocks that have a basis each."""
    if parameters.blocks == "joint":
        return [("joint", covered(weight_blocks(layout)))]
    return [(block.name, ((block.start, block.stop),)) for block in weight_blocks(layout, parameters.blocks)]


def _random(parameters: BasisParameters, on: SwitchedOn) -> Subspace:
    """As many directions as a trajectory's basis would have: in each block, or altogether."""
    slices = _slices(parameters, on.layout)
    random = generator(on.seed, "intervention", 0, parameters.basis_draw)
    if parameters.basis == "random-joint":
        return random_joint(on.layout.size, parameters.components * len(slices), random)
    entries = [sum(stop - start for start, stop in where) for _, where in slices]
    shape = [
        Directions(name, where, np.eye(min(parameters.components, size), size, dtype=np.float32))
        for (name, where), size in zip(slices, entries, strict=True)
    ]
    return random_like(Subspace(on.layout.size, tuple(shape)), random)
