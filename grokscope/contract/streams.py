"""Randomness that needs no memory: every draw is a function of (seed, purpose, step).

A counter-based generator (Philox) is keyed by seed and purpose and positioned by step. Nothing is carried from one step
to the next, so measuring more often cannot shift a later batch, and resuming needs the step number alone.
"""

from hashlib import blake2b
from typing import Literal

import numpy as np

Purpose = Literal["split", "data", "initialization", "batch", "probe", "intervention", "analysis"]


def generator(seed: int, purpose: Purpose, step: int = 0, index: int = 0) -> np.random.Generator:
    """The generator of (`seed`, `purpose`, `step`, `index`); draws from different ones are independent.

    `index` numbers several draws at one step (probe samples). Raises `ValueError` for negative arguments.
    """
    if min(seed, step, index) < 0:
        raise ValueError(f"seed, step and index are at least 0, not {seed}, {step}, {index}")
    digest = blake2b(f"{seed}/{purpose}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, index, step]))
