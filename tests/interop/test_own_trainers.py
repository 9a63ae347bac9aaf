"""The examples for other people's trainers run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

import grokscope

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.mark.parametrize("example", ["transformers", "lightning"])
def test_an_example_is_probed(example: str, tmp_path: Path) -> None:
    pytest.importorskip(example)
    run = tmp_path / "mine"
    shown = subprocess.run(
        [sys.executable, str(EXAMPLES / f"own_trainer_{example}.py"), "20", str(run)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert shown.stdout.splitlines()[-1] == f"did not grok; recorded in {run}"
    recorded = grokscope.open(run)
    assert [event["step"] for event in recorded.events("measured")] == [0, 10, 20]
    assert [*recorded.events("evaluated")]
    assert next(recorded.events("finished"))["status"] == "completed"
    again = subprocess.run(
        [sys.executable, str(EXAMPLES / f"own_trainer_{example}.py"), "20", str(run)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith(f"there is a run in {run}: choose another run=")
