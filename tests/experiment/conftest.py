"""The NumPy reference as if it were an installed backend: whole experiments in this process, in seconds."""

from importlib.metadata import EntryPoint

import pytest

from grokscope import registry


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("reference", "grokscope.testing.reference:SPEC", "grokscope.backends")
    plugins = registry._entry_points
    monkeypatch.setattr(
        registry, "_entry_points", lambda kind: plugins(kind) | ({"reference": point} if kind == "backends" else {})
    )
