"""Read a run without grokscope's help: plain JSON lines, and a snapshot as named tensors.

python examples/read_a_run.py runs/NAME
"""

import argparse
import json
import sys
from pathlib import Path

from grokscope.runs.snapshots import read_snapshot


def main(run: Path) -> None:
    *lines, _ = (run / "events.jsonl").read_text().split("\n")  # a line that is being written has no end yet
    events = [json.loads(line) for line in lines]
    for event in events:
        if event["event"] == "measured":
            print(event["step"], event["defect"]["median"], event["relative_commutator"])
    for file in sorted((run / "snapshots").glob("*.safetensors"))[-1:]:
        snapshot = read_snapshot(file)
        # Names and layouts are those of torch.nn.Transformer*: load_state_dict takes them as they are.
        print(snapshot.step, {name: tensor.shape for name, tensor in snapshot.tensors().items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    asked = parser.parse_args()
    try:
        main(asked.run)
    except OSError as problem:
        sys.exit(f"{problem.filename} cannot be read: {problem.strerror}")
    except ValueError as problem:
        sys.exit(f"{asked.run} holds no run: {problem}")
