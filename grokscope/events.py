"""The events a run is made of, and their JSON: one schema for `--json`, for the file and for every reader.

An event says what happened, past tense; `grokscope.runs.log` adds its envelope (`v`, `run`, `seq`, `time`). An event is
made as one of the classes below, and is from then on the dictionary that its line of JSON holds: whoever follows a run
gets that, live or afterwards.
Changing a field is a breaking change and takes a new `SCHEMA_VERSION`; adding one is not.
`grokscope.runs.upgrade` reads the versions before.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from grokscope.contract.signals import Number

SCHEMA_VERSION = 2

HEAD = ("v", "run", "seq", "time", "event", "step")
"""The fields that a line begins with."""
RECURRING = ("trained", "evaluated", "measured", "observed")
"""Kinds that come again and again: most lines of a log."""


class EventPart(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class Event(EventPart):
    """What every event has. `seq` and `time` are set by the log that records it."""

    v: int = Field(SCHEMA_VERSION, description="version of this schema")
    run: str = Field("", description="name of the run")
    seq: int = Field(-1, description="position in the run's log, gap-free from 0")
    time: str = Field("", description="RFC 3339, UTC")
    step: int | None = Field(None, description="optimizer steps taken")
    flags: dict[str, str] | None = Field(None, description="fields that were not finite: nan, inf or -inf")
    command: str | None = Field(None, description="file name of the command that this answers; absent where none asked")


class Scores(EventPart):
    """One split, scored whole."""

    loss: Number = Field(None, description="mean cross-entropy over labels, nats")
    accuracy: float | None = Field(
        None, description="fraction of labels predicted (tokens, teacher-forced); null where nobody says"
    )
    sequence_accuracy: float | None = Field(
        None,
        description="fraction of examples with every label predicted, with teacher forcing and, since the first wrong "
        "token makes a sequence wrong, in greedy decoding too; null where nobody says",
    )


class Spread(EventPart):
    """Median and quartiles over the samples of one measurement."""

    median: Number = Field(description="median of the samples")
    p25: Number = Field(description="lower quartile")
    p75: Number = Field(description="upper quartile")
    samples: list[Number] = Field(description="one value for each pair of batches")


class Rule(EventPart):
    """A rule by name; its parameters stand beside the name."""

    name: str = Field(description="name of the rule")


class Criterion(EventPart):
    """What counts as having grokked: see `grokscope.contract.tasks.GrokCriterion`."""

    metric: str = Field(description="score of the test split that is judged")
    threshold: float = Field(description="value that the score has to reach")
    consecutive: int = Field(1, description="evaluations in a row that have to reach it")
    report: Literal["first", "last"] = Field("first", description="which of these evaluations dates the grok step")


Origin = Literal["grokscope", "own loop", "import"]


class ImportedFile(EventPart):
    """A file as it was when it was imported."""

    name: str = Field(description="name of the file")
    bytes: int = Field(description="its size")
    sha256: str = Field(description="its SHA-256")


class Imported(EventPart):
    """Where the record of somebody else's run was, and how it was read."""

    files: list[ImportedFile] = Field(description="the files that were read")
    columns: dict[str, str] = Field(description="signals and settings by our names, and the columns they stood in")
    scale: Literal["fraction", "percent"] = Field(description="of accuracies in these files")


class Started(Event):
    """First, and again where a run is resumed. It says all that a reader must know of the run: no reader needs the
    task's plugin."""

    event: Literal["started"] = "started"
    config: dict[str, Any] = Field(description="the settings of the run, by section; null is left to the task")
    task: str = Field(description="name of the task")
    origin: Origin = Field(
        "grokscope", description="whose loop trained it: ours or somebody's; import: known by its record"
    )
    metric: str = Field("accuracy", description="the headline metric: which of the scores of a split")
    criteria: dict[str, Criterion] = Field(default_factory=dict, description="what may count as grokking, by name")
    rules: dict[str, Rule] = Field(
        default_factory=dict,
        description="the rules that this run acts on, by what they find: memorized, onset, grokked (one of `criteria`)",
    )
    backend: str = Field(description="name of the backend")
    device: str = Field(description="device, as the backend names it")
    precision: str = Field(description="float32 or float64")
    parameters: int = Field(description="parameter count")
    model: dict[str, int] = Field(
        default_factory=dict,
        description="sizes of the model as trained, also where the configuration leaves them to the task: "
        "width, layers, heads, feed_forward",
    )
    versions: dict[str, str] = Field(description="versions of grokscope, Python, NumPy and the backend")
    host: str = Field(description="name of the machine")
    process: int = Field(description="process id of the trainer")
    facts: dict[str, int | float | str] = Field(description="what the task says of its data")
    signals: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="what is looked at: words, unit, source, cost, rules, log axis, by name"
    )
    interventions: list[str] = Field(default_factory=list, description="kinds this trainer offers")
    intervention_parameters: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="parameters of each of these kinds, with their defaults"
    )
    resumed_from: int | None = Field(None, description="step of the checkpoint; None for a fresh run")
    imported: Imported | None = Field(None, description="of an imported run: the files, and how they were read")


class Trained(Event):
    """Of an imported run what its record has; the rest is null."""

    event: Literal["trained"] = "trained"
    loss: Number = Field(description="of the last batch, nats")
    lr: Number = Field(description="learning rate of the last step")
    gradient_norm: Number = Field(description="of the last batch, before clipping")
    clipped: bool = Field(description="whether the gradient of the last step was clipped")
    steps_per_second: Number = Field(description="training steps alone, since the last such event")
    tokens_per_second: Number = Field(description="tokens of the batch as the task has them, before any sharing")
    seconds_left: Number = Field(None, description="to the last step at this pace; less if the run groks and stops")


class Evaluated(Event):
    """Splits other than `train` and `test` stand beside them by name."""

    event: Literal["evaluated"] = "evaluated"
    train: Scores | None = Field(None, description="absent where a loop does not score what it trains on")
    test: Scores | None = Field(None, description="absent where a record holds the training split alone")
    seconds: float = Field(description="time of this evaluation")


class Measured(Event):
    """The commutator of two gradient steps: medians over the samples, the defect with its quartiles."""

    event: Literal["measured"] = "measured"
    defect: Spread = Field(description="‖H_B g_A − H_A g_B‖ / (‖g_A‖ ‖g_B‖)")
    commutator_norm: Number = Field(description="‖H_B g_A − H_A g_B‖")
    relative_commutator: Number = Field(description="‖H_B g_A − H_A g_B‖ / (‖H_B g_A‖ + ‖H_A g_B‖), in [0, 1]; "
                                        "None for finite differences, which do not see the two parts")  # fmt: skip
    gradient_norm: Number = Field(description="of g_A and g_B, median")
    gradient_cosine: Number = Field(description="cosine between g_A and g_B, median")
    estimator: Literal["exact", "finite-difference"] = Field(description="how the commutator was computed")
    precision: str = Field(description="precision of the measurement")
    eta: Number = Field(None, description="step of the finite difference after adaptation, median; None if exact")
    floor: Number = Field(description="size of the rounding error in the defect, same unit")
    below_floor: bool = Field(description="the median does not stand clear of the floor: do not read it")
    seconds: float = Field(description="time of this measurement")
    blocks: dict[str, Number] | None = Field(None, description="share of ‖commutator‖² by block and by layer")


class Observed(Event):
    event: Literal["observed"] = "observed"
    signals: dict[str, Number] = Field(description="values by signal; `started` says what each is")


class Detection(Event):
    """`step` is the step detected; a rule that asks for persistence could say so only at `confirmed_at`."""

    rule: Rule = Field(description="the rule that came true")
    value: Number = Field(description="the signal at `step`")
    cadence: int | None = Field(None, description="steps between the records the rule saw, where that was settled")
    confirmed_at: int = Field(description="step at which the rule could first say so")


class Memorized(Detection):
    event: Literal["memorized"] = "memorized"


class Onset(Detection):
    event: Literal["onset"] = "onset"


class Turned(Detection):
    """The test loss, that is."""

    event: Literal["turned"] = "turned"


class Grokked(Detection):
    event: Literal["grokked"] = "grokked"
    lead_steps: int | None = Field(None, description="from onset; negative where onset came later, null without one")
    lead_seconds: Number = Field(None, description="the same in running time")


class Regressed(Detection):
    """A run that had grokked lost it again."""

    event: Literal["regressed"] = "regressed"


class Fired(Detection):
    """Another rule of a signal came true."""

    event: Literal["fired"] = "fired"
    signal: str = Field(description="the signal whose rule it is")


class Interval(EventPart):
    level: float = Field(description="share of runs that grok for which the interval holds")
    low: Number = Field(description="earliest step")
    high: Number = Field(description="latest step")


class Refusable(EventPart):
    abstained: str | None = Field(None, description="why there is no answer, for a person")
    refusal: str | None = Field(None, description="the same as a name, such as not-yet or outside-bank")


class ChanceSaid(Refusable):
    """Whether: a probability, or why there is none."""

    probability: Number = Field(None, description="null only with a reason beside it")
    base_rate: Number = Field(None, description="share of the bank's runs that were no further by then and came to it")


class WhenSaid(Refusable):
    """When, if the run groks at all: a grok step, or why there is none."""

    grok_step: Number = Field(None, description="expected grok step; null only with a reason beside it")
    interval: Interval | None = Field(None, description="where the grok step lies")
    no_interval: str | None = Field(None, description="why there is a grok step without an interval")
    lead_steps: Number = Field(None, description="steps from now to the expected grok step")
    lead_seconds: Number = Field(None, description="the same in running time")
    law: str | None = Field(
        None,
        description="what the grok step goes by: structure or elasticity; without a look at the run lr·wd or steps",
    )


class BankSaid(EventPart):
    name: str = Field(description="name of the bank")
    digest: str = Field(description="SHA-256 of the bank's tables")
    runs: int = Field(description="that the answers rest on: untreated, settled, and not of this configuration")


class Forecast(Event):
    """Three questions, each with an answer or a reason why there is none."""

    event: Literal["forecast"] = "forecast"
    generalizes: ChanceSaid = Field(
        default_factory=ChanceSaid, description="whether test accuracy passes chance + (1 - chance) / 2, ever"
    )
    reaches: ChanceSaid = Field(default_factory=ChanceSaid, description="whether the run groks within its budget")
    when: WhenSaid = Field(default_factory=WhenSaid, description="the grok step, if the run groks")
    basis: str | None = Field(None, description="what the answers rest on")
    not_before_step: int | None = Field(None, description="until then nothing can be known of whether")
    decay_time: Number = Field(None, description="lr · wd · step")
    bank: BankSaid | None = Field(None, description="the bank that the answers rest on")
    rivals: dict[str, Number] = Field(default_factory=dict, description="grok steps by what is free")


class Intervened(Event):
    """Switched on or off at `step`, or applied in the step that ended there: every time where it acts now and then,
    else the first time and whenever the loss is recorded."""

    event: Literal["intervened"] = "intervened"
    kind: str = Field(description="kind of the intervention")
    state: Literal["on", "off", "changed", "applied", "refused"] = Field(description="what happened to it")
    parameters: dict[str, Any] = Field(default_factory=dict, description="its parameters")
    source: Literal["flag", "control", "schedule"] = Field("control", description="who asked for it")
    norm: Number = Field(None, description="length of what was added to the target")
    relative_norm: Number = Field(None, description="the same over the length of the target: the dose")
    target: Literal["gradient", "update", "parameters"] | None = Field(None, description="what it was added to")
    facts: dict[str, Any] = Field(
        default_factory=dict, description="of what was switched on: dimension and digest of its basis"
    )
    batch_order: int | None = Field(None, description="from here on the training batches come in another order")
    reason: str | None = Field(None, description="why it was refused")


class Written(Event):
    path: str = Field(description="relative to the run directory")
    bytes: int = Field(description="size of the file")
    digest: str = Field(description="SHA-256 of the parameters, little-endian float32")


class SnapshotWritten(Written):
    event: Literal["snapshot"] = "snapshot"
    source: Literal["schedule", "control", "intervention"] = Field(
        "schedule", description="why it was written; intervention: one was switched on here"
    )


class CheckpointWritten(Written):
    event: Literal["checkpoint"] = "checkpoint"
    state_digest: str = Field(
        "", description="SHA-256 of all that training continues from: parameters, moments, what interventions keep"
    )


class Notice(Event):
    reason: str = Field(description="what happened and why, for a person")


class Paused(Notice):
    event: Literal["paused"] = "paused"


class Resumed(Notice):
    event: Literal["resumed"] = "resumed"


class Diverged(Notice):
    event: Literal["diverged"] = "diverged"


class Warned(Notice):
    event: Literal["warned"] = "warned"
    signal: str | None = Field(None, description="the signal that failed, and is left out from here on")


class Paced(Notice):
    """A probe with a share of the loop's time to keep records at another distance from here on."""

    event: Literal["paced"] = "paced"
    every: int = Field(description="steps between records from here on")
    overhead: float = Field(description="time of the probe, from its constructor on, over that of the loop itself")


class Finished(Event):
    event: Literal["finished"] = "finished"
    status: Literal["completed", "grokked", "stopped", "interrupted", "diverged"] = Field(
        description="how the run ended: at its last step, after grokking, asked to stop, by a signal, by a loss that "
        "is not finite"
    )
    steps: int = Field(description="optimizer steps taken")
    seconds: float = Field(description="wall time of this process")
    result: dict[str, Any] = Field(description="detected steps, lead, and the last scores")
    parameters_digest: str = Field(description="SHA-256 of the final parameters, little-endian float32")
    session: int | None = Field(
        None, description="`seq` of the `started` of this process; 0 where it was never resumed"
    )


AnyEvent = Annotated[
    Started | Trained | Evaluated | Measured | Observed | Memorized | Onset | Turned | Grokked | Regressed | Fired
    | Forecast | Intervened | SnapshotWritten | CheckpointWritten | Paused | Resumed | Diverged | Warned | Paced
    | Finished,
    Field(discriminator="event"),
]  # fmt: skip

_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def event_schema() -> dict[str, Any]:
    """The JSON Schema of a line of a run's log."""
    schema = _ADAPTER.json_schema(mode="serialization")
    for part in schema["$defs"].values():
        if kind := part.get("properties", {}).get("event"):
            kind["description"] = "kind of the event"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def typed(event: Mapping[str, Any]) -> AnyEvent:
    """An event of a log as one of the classes above. Raises `pydantic.ValidationError` for what the schema does not
    know."""
    return _ADAPTER.validate_python(event)


def to_line(event: Event) -> str:
    """An event as one line of JSON, in ASCII, without the newline. What is not finite becomes null and is named in
    `flags`; a whole number past 64 bits becomes a float; a surrogate that stands alone, which is no character, becomes
    a question mark."""
    fields = event.model_dump()
    if isinstance(event, Evaluated):
        fields = {name: value for name, value in fields.items() if name not in {"train", "test"} or value is not None}
    flags: dict[str, str] = {}
    clean = _clean(fields, "", flags)
    if flags:
        clean["flags"] = flags
    elif clean["flags"] is None:
        del clean["flags"]
    ordered = {name: clean.pop(name) for name in HEAD}
    if ordered["step"] is None:
        del ordered["step"]
    if clean["command"] is None:
        del clean["command"]
    return json.dumps(ordered | clean, allow_nan=False, separators=(",", ":"))


def _clean(value: Any, path: str, flags: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {_text(str(key)): _clean(item, f"{path}.{key}" if path else key, flags) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, f"{path}.{index}", flags) for index, item in enumerate(value)]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value) if abs(value) < 2**1023 else (math.inf if value > 0 else -math.inf)
    if isinstance(value, float) and not math.isfinite(value):
        flags[_text(path)] = str(value)
        return None
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
