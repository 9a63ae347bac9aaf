"""Tests of the probe in loops that are not ours. They need PyTorch."""

import pytest

pytest.importorskip("torch")
