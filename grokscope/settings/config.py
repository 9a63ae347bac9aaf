"""RunConfig: every number a run depends on. TOML in, TOML out; running the resolved file again repeats the run.

Settings come in layers, the later ones winning: defaults < preset < file < `GROKSCOPE_*` variables < flags. A layer is
a mapping of dotted keys (`optimizer.lr`) to values.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tomli_w
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from grokscope import registry
from grokscope.contract.arrays import Floats, Precision
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Decaying, Optimizer, OptimizerName
from grokscope.contract.tasks import TaskSpec
from grokscope.gate import Unreadable, read_toml
from grokscope.settings.decay_time import in_steps
from grokscope.settings.learning_rate import learning_rates
from grokscope.settings.schedule import BadSchedule, checked
from grokscope.settings.signals import BadSignal, asked_signals
from grokscope.settings.values import dotted, objection_to, odd_value, problem_in_words, read_value

_PREFIX = "GROKSCOPE_"
OWN_VARIABLES = ("GROKSCOPE_RUNS", "GROKSCOPE_DEBUG")
"""Variables that are options of the command line, not settings"""


class ConfigError(ValueError):
    """A setting is unknown or has an invalid value. The message is one sentence."""


class ConfigSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class ModelSection(ConfigSection):
    """What replaces sizes and options of the task's model; None keeps them."""

    width: int | None = Field(None, ge=1, description="width of the residual stream")
    layers: int | None = Field(None, ge=1, description="layers of each stack")
    heads: int | None = Field(None, ge=1, description="attention heads; the width is a multiple of them")
    feed_forward: int | None = Field(None, ge=1, description="width of the hidden layer between attentions")
    identical_layers: bool | None = Field(None, description="whether all layers start from the same weights")
    source_padding_attended: bool | None = Field(
        None, description="whether a decoder attends to the padding of its source, as in the paper's SCAN model"
    )
    residual: Literal["plain", "spherical"] | None = Field(
        None, description="spherical: unit vectors all through, and logits by cosine"
    )
    cosine_scale: float | None = Field(None, gt=0, description="largest logit of a spherical model; absent: 10")
    attention: Literal["softmax", "uniform"] | None = Field(None, description="uniform: the mean of what is seen")
    loss: Literal["cross-entropy", "stablemax"] | None = Field(
        None, description="what is minimized; stablemax: cross-entropy with a softmax that does not saturate"
    )


class OptimizerSection(ConfigSection):
    """The formulas stand in `grokscope.contract.optimizers`."""

    name: OptimizerName = Field(
        "adamw", description="adamw, sgd with momentum, or muon: hidden matrices orthogonalized, the others by adamw"
    )
    lr: float = Field(1e-3, gt=0, description="learning rate")
    wd: float = Field(1.0, ge=0, description="decoupled weight decay")
    beta1: float = Field(0.9, ge=0, lt=1, description="of the mean of gradients")
    beta2: float = Field(0.98, ge=0, lt=1, description="of the mean of squared gradients")
    epsilon: float = Field(1e-8, gt=0, description="beside the root of the mean square")
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0 turns clipping off")
    momentum: float = Field(0.95, ge=0, lt=1, description="of sgd, and of the matrices of muon")
    decay: Decaying = Field(
        "all", description="what decays: all parameters, or matrices only (embeddings and read-out are among them)"
    )
    warmup: int = Field(0, ge=0, description="steps in which lr rises from 0 to its value")
    schedule: Literal["constant", "cosine"] = Field("constant", description="cosine: lr falls to 0 at train.steps")


class TrainSection(ConfigSection):
    seed: int = Field(
        42, ge=0, description="seed of initialization, batches and probes, and of the split for some tasks"
    )
    steps: int = Field(20_000, ge=0, description="largest number of optimizer steps")
    batch_size: int = Field(512, ge=1, description="examples drawn with replacement")
    stop_after_grok: int = Field(1000, ge=-1, description="steps to train after grokking; -1: to the end of the budget")
    replicate: int = Field(0, ge=0, description="number of the order of batches; replicates show the noise of one seed")


class EvaluateSection(ConfigSection):
    every: int = Field(100, ge=1, description="steps")


class MeasureSection(ConfigSection):
    every: int = Field(100, ge=1, description="steps")
    samples: int = Field(5, ge=1, le=10_000, description="pairs of batches (K)")
    estimator: Literal["exact", "finite-difference", "off"] = Field(
        "exact", description="how the commutator is computed; off: not at all"
    )
    precision: Literal["run", "float32", "float64"] = Field(
        "run", description="precision of measurements; run: that of the training"
    )
    eta: float = Field(1e-3, gt=0, description="step of the finite difference, before adaptation")
    baseline_samples: int = Field(
        15, ge=1, le=10_000, description="pairs of batches at step 0, against which onset is judged"
    )
    blocks: bool = Field(False, description="shares by block and layer too")


class ObserveSection(ConfigSection):
    """Signals to record beside the signals of every run."""

    signals: tuple[str, ...] = Field((), description="signals, each as NAME[:parameter=value,…]")

    @field_validator("signals", mode="before")
    @classmethod
    def _one_alone(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class InterventionsSection(ConfigSection):
    schedule: tuple[str, ...] = Field(
        (), description="what is done to the run and when, each as KIND[@WHEN[..UNTIL]][:parameter=value,…]"
    )

    @field_validator("schedule", mode="before")
    @classmethod
    def _one_alone(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class LogSection(ConfigSection):
    every: int = Field(20, ge=1, description="steps between `trained` events")


class DetectSection(ConfigSection):
    memorization: float = Field(0.99, gt=0, le=1, description="training accuracy that counts as memorized")
    onset: Literal["persistent", "paper", "paper-slow"] = Field(
        "persistent", description="the rule that dates the onset of the defect"
    )
    grokking: str = Field("", description="name of one of the task's criteria; empty: its default")


class ForecastSection(ConfigSection):
    enabled: bool = Field(True, description="whether the run forecasts its grok step while it trains")
    bank: str = Field("", description="bank of runs for forecasts; empty: the bank that ships for the task")


class SnapshotSection(ConfigSection):
    every: int = Field(0, ge=0, description="steps; 0: only snapshots on request")


class CheckpointSection(ConfigSection):
    every: int = Field(500, ge=1, description="steps")


class BackendSection(ConfigSection):
    name: str = Field("auto", description="torch, mlx, any plugin, or auto: the most suitable one of this machine")
    device: str = Field("auto", description="cpu, cuda, mps, gpu, or auto: the fastest one of the backend")
    precision: Precision = Field("float32", description="precision of training")
    threads: int | None = Field(
        None, ge=1, le=1024, description="threads; absent: the backend's choice. The bits of a run depend on it"
    )


class RunConfig(ConfigSection):
    """The whole configuration of a run. `task.name` names the plugin, which defines all other keys of `[task]`."""

    task: dict[str, Any]
    preset: str = "paper"
    model: ModelSection = ModelSection()
    optimizer: OptimizerSection = OptimizerSection()
    train: TrainSection = TrainSection()
    evaluate: EvaluateSection = EvaluateSection()
    measure: MeasureSection = MeasureSection()
    observe: ObserveSection = ObserveSection()
    interventions: InterventionsSection = InterventionsSection()
    log: LogSection = LogSection()
    detect: DetectSection = DetectSection()
    forecast: ForecastSection = ForecastSection()
    snapshot: SnapshotSection = SnapshotSection()
    checkpoint: CheckpointSection = CheckpointSection()
    backend: BackendSection = BackendSection()

    def optimizer_at(self, step: int) -> Optimizer:
        """The optimizer of the step after `step` steps."""
        it = self.optimizer
        lr = float(self._learning_rates(step)) if self.has_schedule else it.lr
        return Optimizer(
            lr, it.wd, it.beta1, it.beta2, it.epsilon, it.clip or None, it.name, it.momentum, it.decay
        )  # fmt: skip

    @property
    def has_schedule(self) -> bool:
        """Whether the learning rate changes during the run."""
        return self.optimizer.warmup > 0 or self.optimizer.schedule != "constant"

    def decay_time(self, step: int) -> float:
        """τ = Σ lr · wd over the first `step` steps."""
        it = self.optimizer
        return float(self._learning_rates(np.arange(step)).sum()) * it.wd if self.has_schedule else step * it.lr * it.wd

    def _learning_rates(self, steps: ArrayLike) -> Floats:
        it = self.optimizer
        return learning_rates(
            steps, peak=it.lr, warmup=it.warmup, cosine=it.schedule == "cosine", budget=self.train.steps
        )

    def model_of(self, model: ModelSpec) -> ModelSpec:
        """The task's model with the sizes of this configuration. Raises `ConfigError`."""
        changes = {name: value for name, value in self.model.model_dump().items() if value is not None}
        try:
            return replace(model, **changes)
        except ValueError as problem:
            raise ConfigError(f"[model]: {problem}") from None

    def to_toml(self) -> str:
        return tomli_w.dumps(_without_none(self.model_dump()))


_SECTIONS: Mapping[str, type[ConfigSection]] = {
    name: info.annotation
    for name, info in RunConfig.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, ConfigSection)
}


def resolve(task: TaskSpec, *layers: Mapping[str, Any], preset: str = "paper") -> tuple[RunConfig, BaseModel]:
    """The configuration and the task's options from a preset and `layers` of dotted keys; later layers win.

    Raises `ConfigError`. For an unknown key, the message names the nearest known key.
    """
    nested = _nested(_layered(task, layers, preset))
    for section, model in {**_SECTIONS, "task": task.options}.items():
        if objection := objection_to(model, nested.get(section, {}), f"{section}."):
            raise ConfigError(objection)
    try:
        options = task.options.model_validate({k: v for k, v in nested["task"].items() if k != "name"})
    except ValidationError as problem:
        raise ConfigError(problem_in_words(problem, "task.")) from None
    try:
        nested["task"] = {"name": task.name, **options.model_dump(mode="json")}
        config = RunConfig.model_validate(nested)
    except ValidationError as problem:
        raise ConfigError(problem_in_words(problem)) from None
    for section, values in (("task", options), *((name, getattr(config, name)) for name in _SECTIONS)):
        if objection := objection_to(type(values), values.model_dump(), f"{section}."):
            raise ConfigError(objection)
    try:
        for text in config.interventions.schedule:
            checked(text)
        asked_signals(config.observe.signals, config.snapshot.every)
    except (BadSchedule, BadSignal) as problem:
        raise ConfigError(str(problem)) from None
    if config.detect.grokking and config.detect.grokking not in task.criteria:
        raise ConfigError(f"detect.grokking must be one of {', '.join(task.criteria)}, not {config.detect.grokking!r}")
    return config, options


def _layered(task: TaskSpec, layers: Iterable[Mapping[str, Any]], preset: str) -> dict[str, Any]:
    """The settings of a preset and `layers` as one layer, with all counts in steps. Raises `ConfigError`."""
    if preset not in task.presets:
        raise ConfigError(f"{task.name} has no preset {preset!r}; it has: {', '.join(task.presets)}")
    known = known_keys(task)
    settings: dict[str, Any] = {"preset": preset, "task.name": task.name}
    for layer in (task.presets[preset], *layers):
        for key, value in layer.items():
            settings[_checked(key, known)] = value
            if why := odd_value(value):
                raise ConfigError(f"{key} {why}")
    if settings["task.name"] != task.name:
        raise ConfigError(f"the configuration is for {settings['task.name']}, not for {task.name}")
    try:
        return in_steps(settings, OptimizerSection().lr, OptimizerSection().wd)
    except ValueError as problem:
        raise ConfigError(str(problem)) from None


def read_settings_file(file: Path) -> dict[str, Any]:
    """A TOML file as a layer of dotted keys. Raises `ConfigError`."""
    try:
        return dotted(read_toml(file))
    except Unreadable as problem:
        raise ConfigError(str(problem)) from None


def read_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`section.key=value` texts as a layer; values are read by `read_value`. Raises `ConfigError`."""
    layer = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set needs section.key=value, not {assignment!r}")
        layer[key.strip()] = read_value(text.strip())
    return layer


def read_environment(task: TaskSpec, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """`GROKSCOPE_<SECTION>_<KEY>` and the short names of flags (`GROKSCOPE_LR`, `GROKSCOPE_BACKEND`, …) as a layer.

    Raises `ConfigError` for a variable that begins so and is a setting of no task, naming the nearest: a misspelt one
    would go by in silence. The name of a preset stays a text, whatever it looks like.
    """
    variables = variables_of(task)
    for name in sorted(environment):
        if name.startswith(_PREFIX) and name not in variables and name not in OWN_VARIABLES:
            _check_of_another_task(name, variables)
    given = {key: environment[name] for name, key in variables.items() if environment.get(name)}
    return {key: text if key == "preset" else read_value(text) for key, text in given.items()}


def _check_of_another_task(variable: str, variables: Mapping[str, str]) -> None:
    if any(variable in variables_of(other) for other in registry.sound("tasks")):
        return
    nearest = get_close_matches(variable, [*variables, *OWN_VARIABLES], n=1, cutoff=0.4)
    hint = f"; the nearest is {nearest[0]}" if nearest else ""
    raise ConfigError(f"there is no setting {variable}{hint}")


def variables_of(task: TaskSpec) -> dict[str, str]:
    """The environment variables that are settings, and the keys they set."""
    variables = {f"{_PREFIX}{key.replace('.', '_').upper()}": key for key in known_keys(task)}
    return variables | {f"{_PREFIX}{flag.replace('-', '_').upper()}": key for flag, key in FLAGS.items()}


FLAGS: Mapping[str, str] = {
    "backend": "backend.name",
    "device": "backend.device",
    "precision": "backend.precision",
    "lr": "optimizer.lr",
    "wd": "optimizer.wd",
    "seed": "train.seed",
    "steps": "train.steps",
    "batch-size": "train.batch_size",
    "eval-every": "evaluate.every",
    "measure-every": "measure.every",
    "samples": "measure.samples",
    "estimator": "measure.estimator",
    "signal": "observe.signals",
    "intervene": "interventions.schedule",
}
"""The flags of training commands, and the settings that they change"""


_OTHER_WORDS: Mapping[str, str] = {
    "batchsize": "batch_size",
    "d_ff": "feed_forward",
    "d_model": "width",
    "epochs": "steps",
    "frac_train": "train_fraction",
    "learning_rate": "lr",
    "max_steps": "steps",
    "mod": "modulus",
    "n_heads": "heads",
    "n_layers": "layers",
    "num_heads": "heads",
    "num_layers": "layers",
    "p": "modulus",
    "random_seed": "seed",
    "weight_decay": "wd",
}
"""Words of other programs for settings, and ours"""


def known_keys(task: TaskSpec) -> list[str]:
    """Every dotted key a configuration of `task` may hold."""
    keys = ["preset", "task.name", *(f"task.{name}" for name in task.options.model_fields)]
    return keys + [f"{section}.{name}" for section, model in _SECTIONS.items() for name in model.model_fields]


def _checked(key: str, known: list[str]) -> str:
    if key not in known:
        nearest = _of_that_name(key, known) or get_close_matches(key, known, n=1, cutoff=0.4)
        hint = f"; the nearest is {' or '.join(nearest)}" if nearest else ""
        raise ConfigError(f"there is no setting {key!r}{hint}")
    return key


def _of_that_name(key: str, known: Iterable[str]) -> list[str]:
    """Known keys that end as `key` does, or in our word for its end."""
    end = key.rpartition(".")[2].replace("-", "_").lower()
    return [other for other in known if other.rpartition(".")[2] == _OTHER_WORDS.get(end, end)]


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        section, _, name = key.rpartition(".")
        if section:
            nested.setdefault(section, {})[name] = value
        else:
            nested[name] = value
    return nested


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }
