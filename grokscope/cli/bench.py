"""`grokscope bench`: what a step, an evaluation and a measurement cost on this machine."""

from typing import Annotated

import typer

from grokscope.cli.shared import AsJson


def bench(
    task: Annotated[str, typer.Argument(help="scan, dyck, modular, or any plugin.")] = "dyck",
    *,
    preset: Annotated[str, typer.Option(help="paper or quick.")] = "paper",
    backend: Annotated[str, typer.Option(help="torch, mlx, any plugin, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps or gpu.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads; default: the backend's choice.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Any setting; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Time to spend, about; at least four rounds.")] = 20.0,
    json: AsJson = False,
) -> None:
    """Time a step, a full evaluation, and a look at each signal: at one pair of batches, at predictions that are there.

    In milliseconds, in units of one gradient, and as a fraction of the plain way: padded modules of the framework,
    eager AdamW, every test sequence evaluated.
    """
    from grokscope import registry
    from grokscope.cli.output import say, say_json, say_table
    from grokscope.machine.bench import time_operations as timed
    from grokscope.settings.config import read_assignments, resolve

    spec = registry.get("tasks", task)
    places = {"backend.name": backend, "backend.device": device, "backend.precision": precision}
    if threads is not None:
        places["backend.threads"] = str(threads)
    config, options = resolve(spec, read_assignments(setting or []), places, preset=preset)
    result = timed(config, spec, options, seconds=seconds)
    if json:
        say_json(result.to_dict())
        return
    about = ", ".join(f"{name} {value}" for name, value in result.details.items())
    say(f"{task} {preset}, {result.parameters:,} parameters, on {result.backend} {result.device} {precision} ({about})")
    say_table(result.table(), titled=False)
