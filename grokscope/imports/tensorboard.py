"""Event files of TensorBoard, read by TensorBoard itself, which the extra `tensorboard` installs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokscope.contract.backends import Unavailable, how_to_install
from grokscope.imports.sheets import Columns, Unimportable

MARK = ".tfevents."


def is_event_file(file: Path) -> bool:
    """Whether a file has the name of an event file of TensorBoard."""
    return MARK in file.name


def sheets_of(file: Path, prefix: str = "") -> list[Columns]:
    """One sheet per scalar, with its steps. `prefix` is put before the tags.

    Raises `Unavailable` if TensorBoard is not installed, `Unimportable` if the file holds no scalar.
    """
    try:
        from tensorboard.backend.event_processing import event_accumulator as reader
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError:
        raise Unavailable(
            f"{file.name} needs TensorBoard, which is not installed: {how_to_install('tensorboard')}"
        ) from None
    events = reader.EventAccumulator(str(file), size_guidance={reader.SCALARS: 0, reader.TENSORS: 0})
    try:
        events.Reload()
        tags: Mapping[str, Any] = events.Tags()
        found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags[reader.SCALARS]}
        for tag in tags[reader.TENSORS]:
            values = [(event.step, make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
            if all(value.size == 1 and value.dtype.kind == "f" for _, value in values):
                found[tag] = [(step, float(value.item())) for step, value in values]
    except Exception as problem:  # the reader of TensorBoard documents no exceptions
        raise Unimportable(f"{file} cannot be read by TensorBoard: {problem}") from None
    if not found:
        raise Unimportable(f"{file} holds no scalar")
    return [
        Columns(f"{file.name}: {tag}", {"step": [s for s, _ in pairs], f"{prefix}{tag}": [v for _, v in pairs]})
        for tag, pairs in found.items()
    ]
