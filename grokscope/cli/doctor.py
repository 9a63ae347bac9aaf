"""`grokscope doctor`: check whether grokscope works on this machine, and whether its arithmetic is exact enough."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grokscope.cli.completion import offered_backends, offered_devices
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder


def doctor(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Golden points for --verify; default: the packaged points.")
    ] = None,
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Check the arithmetic against golden points.")] = False,
    backend: Annotated[
        str, typer.Option(help="For --verify: torch, mlx, any plugin, or auto.", autocompletion=offered_backends)
    ] = "auto",
    device: Annotated[
        str,
        typer.Option(
            help="For --verify: auto, cpu, cuda, mps or gpu.",
            autocompletion=offered_devices,
        ),
    ] = "auto",
    precision: Annotated[
        Literal["float32", "float64"] | None, typer.Option(help="For --verify; default: all precisions of the device.")
    ] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Check this machine: devices, backends, arithmetic.

    --verify computes loss, gradients and commutator at golden points. The exit code is 1 if a relative error is above
    1e-6 in float64 or 1e-3 in float32.
    """
    if verify:
        _verify(folder, backend, device, precision, json)
    elif folder is not None:
        raise typer.BadParameter("a folder of golden points needs --verify", param_hint="DIR")
    else:
        _examine(runs, json)


def _examine(runs: Path, json: bool) -> None:
    from grokscope.cli.output import say, say_json
    from grokscope.cli.plugins import say_backends
    from grokscope.machine.doctor import about_this_machine, automatic_backend, surveyed_backends, unwritable
    from grokscope.words.clean import clean

    problem = unwritable(runs)
    about, surveys, chosen = about_this_machine(runs, problem), surveyed_backends(), automatic_backend()
    if json:
        say_json({**about, "backends": [survey.to_dict() for survey in surveys], "auto": chosen})
    else:
        terminal, folder = about["terminal"], about["runs"]
        say(f"grokscope {about['grokscope']}, Python {about['python']}, {about['platform']}")
        say(f"processors {about['processors']}")
        kind = f"{terminal['kind'] or 'no TERM'}, {terminal['encoding']}"
        say(f"terminal   {terminal['columns']} x {terminal['lines']}, {clean(kind)}")
        free = f"{folder['free_bytes'] / 1e9:.1f} GB free"
        say(f"runs       {clean(folder['path'])}: {clean(folder['problem'] or 'writable')}, {free}")
        say_backends(surveys, chosen)
    if chosen is None:
        complain("`--backend auto` finds no backend that works here; install one of those listed as missing above")
        raise typer.Exit(ExitCode.UNAVAILABLE)
    if problem is not None:
        raise OSError(problem.errno, f"{problem.strerror}; choose another folder with --runs")


def _verify(
    folder: Path | None, backend: str, device: str, precision: Literal["float32", "float64"] | None, json: bool
) -> None:
    from grokscope.cli.output import say, say_json, say_table
    from grokscope.machine.doctor import verified_points, verified_table
    from grokscope.machine.verify import PACKAGED

    try:
        verified = list(verified_points(folder or PACKAGED, backend, device, precision))
    except (FileNotFoundError, ValueError) as problem:
        raise typer.BadParameter(str(problem), param_hint="DIR") from None
    if json:
        say_json([point.to_dict() for point in verified])
    else:
        first = verified[0]
        say(f"{first.backend} on {first.device}, {len({point.point for point in verified})} golden points")
        say_table(verified_table(verified), titled=False)
    past = [point for point in verified if not point.within]
    if past:
        point = past[0]
        complain(
            f"{len(past)} of {len(verified)} checks are above the tolerance, first {point.worst.quantity} of "
            f"{point.point} in {point.precision}: do not trust this backend's commutator on this machine"
        )
        raise typer.Exit(ExitCode.FAULT)
