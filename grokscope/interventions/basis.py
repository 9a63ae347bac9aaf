"""The subspace of an intervention, and the parameters that choose it.

The execution subspace is spanned by the principal components of a run's weight trajectory. The run is an earlier one
(the published design with two phases) or this run so far. A random subspace of the same shape is the control.
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
"""Values of `basis` that do not name a run"""

_WHERE_FROM = (
    "own: principal components of this run's snapshots so far; RUN (a path, or the name of a run in the same folder): "
    "those of an earlier run; random: as many random directions in the same matrices; random-joint: as many random "
    "directions in the whole space"
)


class Parameters(BaseModel):
    """Base of all parameters of interventions."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BasisParameters(Parameters):
    """The parameters that choose a subspace."""

    basis: str = Field("own", description=_WHERE_FROM)
    components: int = Field(2, ge=1, le=100_000, description="directions in each block")
    blocks: Literal["attention", "matrices", "all", "joint"] = Field(
        "matrices",
        description="one basis for each weight matrix: of attention (published for modular), of attention and MLP "
        "(published for Dyck and SCAN), or of all; joint: one for all matrices of attention and MLP together",
    )
    basis_until: int | None = Field(
        None, ge=0, lt=2**63, description="for an earlier run: use only its snapshots up to this step"
    )
    basis_draw: int = Field(
        0, ge=0, lt=2**63, description="number of the random draw; each number gives other directions"
    )


class OptionalBasisParameters(BasisParameters):
    """The parameters that choose a subspace, or none."""

    basis: str = Field("none", description=f"none: the whole space; {_WHERE_FROM}")


def opened_basis(parameters: BasisParameters, on: SwitchedOn) -> Projector | None:
    """The projector on the subspace; None for `none`. Raises `ValueError` with one sentence."""
    if parameters.basis == "none":
        return None
    return Projector(_subspace(parameters, on), on.session)


def basis_facts(basis: Projector | None) -> dict[str, Any]:
    """The fields of an `intervened` event about the subspace."""
    if basis is None:
        return {}
    return {"basis_dimension": basis.subspace.dimension, "basis_digest": basis.subspace.digest}


def basis_objection(parameters: BasisParameters, plan: Plan) -> str | None:
    """Why the subspace will be missing, as far as it is known before the run; None without a problem."""
    if parameters.basis == "own":
        if not plan.snapshot_every:
            return "basis=own needs snapshots of this run; set snapshot.every, or choose another basis"
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
    """The trajectory of this run: its snapshots on schedule, and the present parameters."""
    every, folder = on.snapshot_every, RunDirectory(on.run).snapshots
    steps = range(0, on.step, every) if every else range(0)
    if len(steps) + 1 < FEWEST_SNAPSHOTS:
        raise ValueError(
            f"basis=own needs {FEWEST_SNAPSHOTS} snapshots, but there are {len(steps)} and the present parameters; "
            "set snapshot.every, switch it on later, or choose another basis"
        )
    return [*(stored_vector(snapshot_file(folder, step)) for step in steps), on.parameters]


def _earlier(parameters: BasisParameters, on: SwitchedOn) -> Snapshots:
    """The trajectory of an earlier run."""
    earlier = _earlier_run(parameters, on.run)
    snapshots = [stored_vector(file) for file in _enough(parameters, earlier)]
    for snapshot in snapshots:
        mismatch = _mismatch(parameters, snapshot.layout, on.layout)
        if mismatch is not None:
            raise ValueError(mismatch)
    return snapshots


def _mismatch(parameters: BasisParameters, theirs: Layout, own: Layout) -> str | None:
    """How the model of a snapshot differs from the present model; None if it fits."""
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
        raise ValueError(f"basis={name}: there is no run {name} in the folder of {run.name}, and no such path")
    return RunDirectory(found)


def _snapshot_files(parameters: BasisParameters, earlier: RunDirectory) -> list[Path]:
    """The snapshots of an earlier run up to `basis_until`, as far as they are written."""
    until = parameters.basis_until
    return [file for step, file in step_files(earlier.snapshots).items() if until is None or step <= until]


def _enough(parameters: BasisParameters, earlier: RunDirectory) -> list[Path]:
    """The snapshots of an earlier run. Raises `ValueError` if they are too few for a subspace."""
    files = _snapshot_files(parameters, earlier)
    if len(files) < FEWEST_SNAPSHOTS:
        until = "" if parameters.basis_until is None else f" up to step {parameters.basis_until}"
        raise ValueError(
            f"basis={parameters.basis} needs {FEWEST_SNAPSHOTS} snapshots, but {earlier.path} has {len(files)}{until}"
        )
    return files


def _may_grow(parameters: BasisParameters, earlier: RunDirectory) -> bool:
    """Whether an earlier run is still training, and will have enough snapshots at its end."""
    state = read_state(earlier)
    if not state.listens:
        return state.condition == "waiting"
    every, last = state.setting("snapshot", "every") or 0, state.setting("train", "steps") or 0
    if parameters.basis_until is not None:
        last = min(last, parameters.basis_until)
    return every > 0 and last // every + 1 >= FEWEST_SNAPSHOTS


def basis_memory(parameters: BasisParameters, plan: Plan) -> int:
    """Bytes for the subspace: its rows in NumPy and in the session, and as much again while it is computed."""
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
    """Largest number of directions in a block: one fewer than the points of the trajectory."""
    if parameters.basis == "own" and plan.snapshot_every and plan.step is not None:
        return plan.step // plan.snapshot_every + 1
    if parameters.basis not in NO_RUN:
        try:
            return len(_snapshot_files(parameters, _earlier_run(parameters, plan.run)))
        except ValueError:
            return 0
    return parameters.components


def _slices(parameters: BasisParameters, layout: Layout) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
    """Names and slices of the blocks; each block has its own basis."""
    if parameters.blocks == "joint":
        return [("joint", covered(weight_blocks(layout)))]
    return [(block.name, ((block.start, block.stop),)) for block in weight_blocks(layout, parameters.blocks)]


def _random(parameters: BasisParameters, on: SwitchedOn) -> Subspace:
    """As many random directions as the basis of a trajectory has: in each block, or in the whole space."""
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
