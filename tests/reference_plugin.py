"""The NumPy reference as if it were an installed backend, and an inbox that is read at every step."""

from importlib.metadata import EntryPoint

import pytest

from grokscope import registry
from grokscope.training import control


@pytest.fixture(autouse=True)
def reference_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("reference", "grokscope.testing.reference:SPEC", "grokscope.backends")
    plugins = registry._entry_points
    monkeypatch.setattr(
        registry, "_entry_points", lambda kind: plugins(kind) | ({"reference": point} if kind == "backends" else {})
    )
    monkeypatch.setattr(control, "INBOX_POLL_SECONDS", 0.0)
    monkeypatch.setattr(control, "PAUSED_POLL_SECONDS", 0.001)
