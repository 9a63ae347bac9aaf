"""Before NumPy is imported: its threads waiting for those of PyTorch and MLX cost ten times what they gain."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
