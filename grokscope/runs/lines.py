"""One line of a log, checked: the gate between `events.jsonl` and everybody who reads it.

A line that passes holds an event of a known kind with every field that the schema asks for, each of its type; a kind
that is not known yet has its envelope at least. So a reader may index what `grokscope.events` requires. What the schema
does not know is kept, as JSON with finite numbers. Parsing and checking are one pass: in msgspec for a line of a
frequent kind that holds what the schema says and nothing else, in pydantic's core for every other line. The quick pass
refuses what it is not sure of, so that it decides speed alone: 2.1 µs for a `trained` event, where the other takes 4.2.
"""

import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaValidator, from_json, to_jsonable_python
from typing_extensions import TypeAliasType, TypedDict

from grokscope import events
from grokscope.gate import BYTE_ORDER_MARK
from grokscope.runs.upgrade import CHANGED, upgraded

LONGEST_LINE = 1 << 22
"""Bytes of a line that are read at most: 4 MiB."""

_LINE = ConfigDict(strict=True, allow_inf_nan=False)
_ZEROS = bytes.maketrans(b"123456789E", b"000000000e")
_SUSPECT = (b"0" * 300, b"e000", b"NaN", b"Infinity")
"""What a line may hold, once its digits are zeros and it has no `E` and no plus, that has a number past a float"""
_STEPLESS = frozenset({"paused", "resumed", "warned"})
"""Kinds that may come without a step"""

_DAY = (
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29"
)
_TIME = (
    rf"^(?:[1-9][0-9]{{3}}-{_DAY})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,6}})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""RFC 3339, and a day that there is; `datetime.fromisoformat` takes all that fits, and costs five times as much here"""

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_MOST = 10**300
Finite = Annotated[int, Field(ge=-_MOST, le=_MOST)]
"""A whole number that a float can hold."""
Json = TypeAliasType("Json", "bool | Finite | FiniteFloat | str | list[Json] | dict[str, Json] | None")


_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "train": {"steps": Whole},
    "evaluate": {"every": Whole},
    "measure": {"every": Whole, "estimator": str},
    "snapshot": {"every": Whole},
    "detect": {"memorization": float, "onset": str, "grokking": str},
    "interventions": {"schedule": list[str]},
    "forecast": {"enabled": bool, "bank": str},
}
"""Settings that readers of a log count with, by section: of that type where they are there."""


class OddLine(ValueError):
    """A line that is no event of ours; what is wrong with it, in a few words."""


def event_of(line: bytes) -> dict[str, Any]:
    """The event on one line of a log, brought up to the schema of today. Raises `OddLine`."""
    if len(line) > LONGEST_LINE:
        raise OddLine(f"it is longer than {LONGEST_LINE:,} bytes")
    try:
        event = _validated(line)
    except ValidationError as problem:
        event = _second_look(line, problem)
    kind = event["event"]
    if kind in _open_kinds() and _is_suspect(line) and not _is_finite(event):
        raise OddLine("it holds a number that is not finite")
    if event.get("v", 1) >= events.SCHEMA_VERSION:
        return event if kind in events.RECURRING else _complete(event)
    if event["event"] not in CHANGED:
        event["v"] = events.SCHEMA_VERSION
        return _complete(event)
    try:
        newer: dict[str, Any] = _known().validate_python(upgraded(event))
    except ValidationError as problem:
        raise OddLine(_words(problem)) from None
    return _complete(newer)


def _validated(line: bytes) -> dict[str, Any]:
    """The event on a line of a known kind. Raises `ValidationError`.

    The validator of one kind is made when that kind is first met: one for all kinds takes a tenth of a second.
    """
    start = line.find(_KEY) + len(_KEY)
    kind = line[start : line.find(b'"', start)].decode(errors="replace")
    if kind in _kinds():  # what stands first may be a word within a string: only the validator knows
        with suppress(ValidationError):
            event: dict[str, Any] = _known_as(kind).validate_json(line)
            return event
    known: dict[str, Any] = _known().validate_json(line)
    return known


# --- the quick pass ---------------------------------------------------------------------------------------------------

_KEY = b'"event":"'
FREQUENT = (*events.RECURRING, "forecast", "snapshot", "checkpoint")
"""Kinds that make up nearly all of a log"""
_LETTERS = 4
"""Of such a kind, which tell it from the others"""
_BATCH = 500
"""Lines that are decoded at once: their events stay in the processor's cache"""


LogEvent = Any
"""An event as the quick pass has it, a struct with an attribute for each field, or as a dictionary"""


def batches_on(lines: Sequence[bytes]) -> Iterator[list[LogEvent | OddLine]]:
    """What `event_of` says of each line, an event or what is wrong, some hundred lines at a time."""
    for start in range(0, len(lines), _BATCH):
        batch = lines[start : start + _BATCH]
        found: list[LogEvent | OddLine] = _quickly(batch)
        if None in found:
            pairs = zip(batch, found, strict=True)
            found = [_event_or_odd(line) if event is None else event for line, event in pairs]
        yield found


def as_dictionaries(events: Sequence[LogEvent]) -> Iterator[dict[str, Any]]:
    """Events of one batch as plain dictionaries."""
    told = msgspec.to_builtins([event if isinstance(event, msgspec.Struct) else None for event in events])
    for event, known in zip(events, told, strict=True):
        yield event if known is None else known


def _event_or_odd(line: bytes) -> dict[str, Any] | OddLine:
    try:
        return event_of(line)
    except OddLine as odd:
        return odd


def _quickly(lines: Sequence[bytes]) -> list[LogEvent | None]:
    """The events of lines that hold a frequent kind, by today's schema, and nothing beyond; None for all others."""
    decoders, key, skip = _decoders(), _KEY, len(_KEY)
    found: list[LogEvent | None] = []
    for line in lines:
        start = line.find(key) + skip
        try:
            found.append(decoders[line[start : start + _LETTERS]](line))
        except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
            found.append(None)
    if max(map(len, lines)) > LONGEST_LINE:
        found = [None if len(line) > LONGEST_LINE else event for line, event in zip(lines, found, strict=True)]
    if not _times().isinstance_python([each.time for each in found if each is not None]):
        return [None] * len(lines)
    return found


@cache
def _decoders() -> Mapping[bytes, Callable[[bytes], Any]]:
    return {kind.encode()[:_LETTERS]: msgspec.json.Decoder(struct_of(kind)).decode for kind in FREQUENT}


@cache
def struct_of(kind: str) -> type[msgspec.Struct]:
    """What the quick pass makes of an event of a frequent kind."""
    return _struct(_kinds()[kind], kind)


@cache
def _times() -> SchemaValidator:
    return _validator(list[Annotated[str, Field(pattern=_TIME)]])


def _struct(model: type[BaseModel], kind: str | None = None) -> type[msgspec.Struct]:
    """The fields of a model, in the order of `_table`, and no others. Of an event, all that `_complete` would add."""
    complete = _optional(kind) if kind and kind not in events.RECURRING else {}
    fields: dict[str, Any] = {
        name: (_plain(field.annotation, _WHOLE, _struct), field.is_required() or name in complete)
        for name, field in model.model_fields.items()
    }
    if kind is not None:
        version, own = Literal[events.SCHEMA_VERSION], Literal[kind]
        told = {"v": version, "seq": _COUNT, "time": str, "event": own, "step": _COUNT}
        fields = dict.fromkeys(events.HEAD) | fields | {name: (each, True) for name, each in told.items()}
    return msgspec.defstruct(
        model.__name__,
        [
            (name, each) if needed else (name, each | msgspec.UnsetType, msgspec.UNSET)
            for name, (each, needed) in fields.items()
        ],
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


_WHOLE = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_COUNT = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

# --- the careful pass -------------------------------------------------------------------------------------------------


def _complete(event: dict[str, Any]) -> dict[str, Any]:
    """An event with the fields that its line may leave out: readers ask for them by name.

    The kinds that recur stay as they are: they are most of a log, and what they may leave out has a meaning.
    """
    left_out = {} if event["event"] in events.RECURRING else _optional(event["event"])
    absent = left_out.keys() - event.keys()
    return event | {name: to_jsonable_python(left_out[name].get_default(call_default_factory=True)) for name in absent}


@cache
def _optional(kind: str) -> Mapping[str, FieldInfo]:
    """Of the fields that a kind has beyond every event, those that a line may leave out; of an unknown kind, none."""
    fields = _kinds()[kind].model_fields if kind in _kinds() else {}
    own = fields.keys() - events.Event.model_fields.keys()
    return {name: fields[name] for name in own if not fields[name].is_required()}


def _second_look(line: bytes, problem: ValidationError) -> dict[str, Any]:
    """An event of a kind that is not known yet, of an older schema, or behind the byte-order mark of an editor. Raises
    `OddLine`."""
    unknown = _first(problem)["type"] == "union_tag_invalid"
    try:
        found = from_json(line.removeprefix(BYTE_ORDER_MARK))
        if isinstance(found, dict) and isinstance(found.get("event"), str):
            found = upgraded(found)
        event: dict[str, Any] = (_envelope() if unknown else _known()).validate_python(found)
    except ValidationError as second:
        raise OddLine(_words(second)) from None
    except ValueError:
        raise OddLine("it is no JSON object") from None
    return event


@cache
def _kinds() -> Mapping[str, type[BaseModel]]:
    classes = get_args(get_args(events.AnyEvent)[0])
    return {each.model_fields["event"].default: each for each in classes}


@cache
def _open_kinds() -> frozenset[str]:
    """Kinds with fields that may hold anything: of those the numbers are looked at here, where a line looks like it.

    As a union of all types that JSON has, pydantic takes ten times as long for a `started` event.
    """
    return frozenset(
        kind
        for kind, model in _kinds().items()
        if any("Any" in repr(field.annotation) for field in model.model_fields.values())
    )


def _is_suspect(line: bytes) -> bool:
    zeros = line.translate(_ZEROS, b"+")
    return any(text in zeros for text in _SUSPECT)


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return math.isfinite(value) if isinstance(value, float) else not isinstance(value, int) or abs(value) <= _MOST


@cache
def _known() -> SchemaValidator:
    """Of the kinds in `grokscope.events`, told apart by `event`."""
    tables: Any = Union[tuple(_table(model, kind) for kind, model in _kinds().items())]  # noqa: UP007
    return _validator(Annotated[tables, Field(discriminator="event")])


@cache
def _known_as(kind: str) -> SchemaValidator:
    """Of one kind in `grokscope.events`."""
    return _validator(_table(_kinds()[kind], kind))


@cache
def _envelope() -> SchemaValidator:
    """Of an event of any kind."""
    return _validator(
        _typed_dict("Envelope", {"v": NotRequired[Whole], "event": Required[str], **_place(needs_step=False)})
    )


def _validator(annotation: Any) -> SchemaValidator:
    """Of pydantic's core: its wrapper in Python takes a microsecond a call, and a log has a million lines."""
    return SchemaValidator(TypeAdapter(annotation).core_schema)


def _place(*, needs_step: bool) -> dict[str, Any]:
    """The fields that say where in a run an event stands; the log has set them."""
    count = Annotated[int, Field(ge=0, lt=2**63)]
    return {
        "seq": Required[count],
        "time": Required[Annotated[str, Field(pattern=_TIME)]],
        "step": Required[count] if needs_step else NotRequired[count | None],
    }


def _table(model: type[BaseModel], kind: str | None = None) -> Any:
    """The typed dictionary of a model: what it is once it was written and read again."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        presence: Any = Required if field.is_required() else NotRequired
        fields[name] = presence[_plain(field.annotation)]
    if model is events.Rule:
        fields["threshold"] = NotRequired[float]
    if kind is not None:
        own: Any = Literal[kind]
        place = {"event": Required[own], **_place(needs_step=kind not in _STEPLESS)}
        if "config" in fields:
            place["config"] = Required[_config()]
        fields = dict.fromkeys(events.HEAD) | fields | place
    return _typed_dict(model.__name__, fields)


def _config() -> Any:
    """The typed dictionary of a configuration. Our settings have our types; what another loop calls by the name of one
    of our sections, and is no table, is its own affair."""
    sections = {
        name: Union[_typed_dict(name.title(), types, others=Any), None, bool, int, float, str, list[Any]]  # noqa: UP007
        for name, types in _SETTINGS.items()
    }
    return _typed_dict("Config", sections, others=Any)


def _typed_dict(name: str, fields: Mapping[str, Any], others: Any = Json) -> Any:
    make: Any = TypedDict
    made = make(name, dict(fields), total=False, extra_items=others)
    made.__pydantic_config__ = _LINE
    return made


def _plain(annotation: Any, whole: Any = Whole, part: Callable[[type[BaseModel]], Any] = _table) -> Any:
    """An annotation with `whole` for whole numbers, which are bounded, and `part` of each model within."""
    if annotation is int:
        return whole
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return part(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (None, Literal):
        return annotation
    if origin is Annotated:
        return Annotated[(_plain(arguments[0], whole, part), *arguments[1:])]
    inner = tuple(_plain(each, whole, part) for each in arguments)
    return Union[inner] if origin in (Union, types.UnionType) else origin[inner]  # noqa: UP007


def _first(problem: ValidationError) -> Any:
    return problem.errors(include_url=False, include_input=False)[0]


def _words(problem: ValidationError) -> str:
    """The field that is wrong, and what it should be."""
    first = _first(problem)
    if first["type"] == "json_invalid":
        return "it is no JSON object"
    place = [str(part) for part in first["loc"]]
    if not place:
        return "it is no event"
    path = ".".join(place[1:] if place[0] in _kinds() else place)
    if first["type"] == "missing":
        return f"{path} is missing"
    if first["type"] == "string_pattern_mismatch":
        return f"{path} is no time as RFC 3339 has it"
    if path.endswith(".bool"):  # the first of the types that JSON may have: it is none of them
        return f"{path.removesuffix('.bool')} holds a number that is not finite"
    return f"{path}: {first['msg'][0].lower()}{first['msg'][1:]}"
