"""Options that all training commands share, with the same names and the same help."""

from typing import Annotated, Any

import typer

from grokscope.cli.completion import (
    offered_backends,
    offered_devices,
    offered_precisions,
    offered_presets,
    offered_settings,
    offered_signals,
    offered_tasks,
    one_of,
)

WHERE, TRAINING, MEASURING = "Where", "Training", "Measuring"

_TASK_HELP = "scan, dyck, modular, or any plugin (`grokscope tasks`)."
TaskName = Annotated[str, typer.Argument(metavar="TASK", help=_TASK_HELP, autocompletion=offered_tasks)]
OptionalTask = Annotated[str | None, typer.Argument(metavar="[TASK]", help=_TASK_HELP, autocompletion=offered_tasks)]
BackendOption = Annotated[
    str | None,
    typer.Option(help="torch, mlx, any plugin, or auto.", autocompletion=offered_backends, rich_help_panel=WHERE),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda, mps or gpu.",
        autocompletion=offered_devices,
        rich_help_panel=WHERE,
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(help="float32 or float64.", autocompletion=offered_precisions, rich_help_panel=WHERE),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        help="paper (the author's values) or quick (the whole story in minutes); of modular also small, whose grok "
        "step can be forecast.",
        autocompletion=offered_presets,
    ),
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Any setting; repeatable.", autocompletion=offered_settings
    ),
]
LearningRateOption = Annotated[float | None, typer.Option(help="Learning rate.", rich_help_panel=TRAINING)]
WeightDecayOption = Annotated[float | None, typer.Option(help="Weight decay.", rich_help_panel=TRAINING)]
SeedOption = Annotated[int | None, typer.Option(help="Seed of all randomness.", rich_help_panel=TRAINING)]
StepsOption = Annotated[int | None, typer.Option(help="Largest number of optimizer steps.", rich_help_panel=TRAINING)]
BatchSizeOption = Annotated[int | None, typer.Option(help="Examples in a batch.", rich_help_panel=TRAINING)]
EvalEveryOption = Annotated[int | None, typer.Option(help="Steps between evaluations.", rich_help_panel=MEASURING)]
MeasureEveryOption = Annotated[int | None, typer.Option(help="Steps between measurements.", rich_help_panel=MEASURING)]
SamplesOption = Annotated[int | None, typer.Option(help="Pairs of batches per measurement.", rich_help_panel=MEASURING)]
EstimatorOption = Annotated[
    str | None,
    typer.Option(
        help="exact, finite-difference or off.",
        autocompletion=one_of("exact", "finite-difference", "off"),
        rich_help_panel=MEASURING,
    ),
]
SignalsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signal",
        metavar="NAME[:PARAMETER=VALUE,…]",
        help="Record one more signal; repeatable. `grokscope signals` lists all.",
        autocompletion=offered_signals,
        rich_help_panel=MEASURING,
    ),
]


def flag_settings(**given: Any) -> dict[str, Any]:
    """The flags that were given (not None), by the setting that each flag changes."""
    from grokscope.settings.config import FLAGS

    return {FLAGS[flag.replace("_", "-")]: value for flag, value in given.items() if value is not None}
