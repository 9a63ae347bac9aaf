"""`grokscope bench`: time a training step, an evaluation and a measurement on this machine."""

from typing import Annotated

import typer

from grokscope.cli.completion import (
    offered_backends,
    offered_devices,
    offered_precisions,
    offered_settings,
    offered_tasks,
)
from grokscope.cli.shared import AsJson
from grokscope.cli.training import PresetOption, flag_settings


def bench(
    task: Annotated[
        str, typer.Argument(help="scan, dyck, modular, or any plugin.", autocompletion=offered_tasks)
    ] = "dyck",
    *,
    preset: PresetOption = None,
    backend: Annotated[
        str | None, typer.Option(help="torch, mlx, any plugin, or auto (the default).", autocompletion=offered_backends)
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="auto (the default), cpu, cuda, mps or gpu.",
            autocompletion=offered_devices,
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 (the default) or float64.", autocompletion=offered_precisions)
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads; default: the backend's choice.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SECTION.KEY=VALUE", help="Any setting; repeatable.", autocompletion=offered_settings
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Approximate time to spend; at least four rounds.")] = 20.0,
    grow: Annotated[
        bool, typer.Option("--grow", help="Vary width, length, layers and training set; fit an exponent to each.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Time steps, evaluations and signals on this machine.

    A signal is timed on one pair of batches, with the predictions already computed. Times are given in milliseconds, in
    units of one gradient, and as a fraction of a plain implementation: padded modules of the framework, eager AdamW,
    evaluation of every test sequence.

    With --grow a step, an evaluation of the training set and an exact sample are timed at several sizes. Each exponent
    is a least-squares slope of log time against log size with its 95 % interval, beside what the arithmetic has.
    """
    from grokscope import registry
    from grokscope.cli.output import say, say_json, say_table
    from grokscope.machine.bench import time_operations as timed
    from grokscope.settings.config import read_assignments, read_environment, resolve
    from grokscope.words.numbers import count

    spec = registry.get("tasks", task)
    flags = flag_settings(backend=backend, device=device, precision=precision)
    flags |= {} if threads is None else {"backend.threads": threads}
    environment = read_environment(spec)
    chosen = preset or environment.pop("preset", "paper")
    config, options = resolve(spec, environment, read_assignments(setting or []), flags, preset=chosen)
    if grow:
        from grokscope.machine.growth import growth, growth_table

        found = growth(config, spec, options, seconds=seconds)
        if json:
            say_json([vars(each) for each in found])
        else:
            say_table(growth_table(found), titled=False)
        return
    result = timed(config, spec, options, seconds=seconds)
    if json:
        say_json(result.to_dict())
        return
    about = ", ".join(f"{name} {value}" for name, value in result.details.items())
    say(
        f"{task} {chosen}, {count(result.parameters)} parameters, on {result.backend} {result.device} "
        f"{config.backend.precision} ({about})"
    )
    say_table(result.table(), titled=False)
