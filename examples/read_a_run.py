"""Read a run without grokscope's help: plain JSON lines, and a snapshot as named tensors.

python examples/read_a_run.py runs/NAME
"""

import json
import sys
from pathlib import Path

from grokscope.runs.snapshots import read_snapshot


def main(run: Path) -> None:
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    for event in events:
        if event["event"] == "measured":
            print(event["step"], event["defect"]["median"], event["relative_commutator"])
    for file in sorted((run / "snapshots").glob("*.safetensors"))[-1:]:
        snapshot = read_snapshot(file)
        # Names and layouts are those of torch.nn.Transformer*: load_state_dict takes them as they are.
        print(snapshot.step, {name: tensor.shape for name, tensor in snapshot.tensors().items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
