"""What several optimizers, or several groups of parameters, have in common."""

import math
from collections.abc import Iterable, Mapping, Sequence


def common_settings(settings: Sequence[Mapping[str, float | str]]) -> dict[str, float | str]:
    """Those that are the same for all; `name` names each kind once, as `Muon+AdamW`."""
    first, *others = settings
    common = {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
    return common | {"name": "+".join(dict.fromkeys(str(each["name"]) for each in settings))}


def common_decay(shares: Iterable[float | None]) -> float | None:
    """lr · wd of all that are decayed. None where one is not known, or where they differ by more than rounding."""
    found = list(shares)
    known = sorted(share for share in found if share)
    if None in found or (known and not math.isclose(known[0], known[-1])):
        return None
    return known[0] if known else 0.0
