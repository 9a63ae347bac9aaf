"""Before NumPy is imported: its threads waiting for those of PyTorch and MLX cost ten times what they gain.

And how hard Hypothesis looks, for all tests alike; `pytest --hypothesis-profile=thorough` looks harder. No example has
a deadline, for a busy machine is no fault of the code. CI tries the same examples every time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

ALWAYS = settings(deadline=None, derandomize="CI" in os.environ, database=None)

settings.register_profile("quick", ALWAYS, max_examples=100)
settings.register_profile("thorough", ALWAYS, max_examples=2000)
settings.load_profile("quick")
