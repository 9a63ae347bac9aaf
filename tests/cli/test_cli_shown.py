"""Every command that the help, README and the documentation show is one that the program takes, as it is written."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from cli_process import TINY, Nursery, tiny

from grokscope.cli.examples import EXAMPLES
from grokscope.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = (
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "examples/bank/README.md", "examples/results/README.md")
    ),
    *sorted((ROOT / "docs").glob("*.md")),
)
PLACEHOLDERS = {"RUN": "latest", "RUNS": "latest", "SWEEP": "my-sweep", "NAME": "elasticity", "TASK": "modular"}
"""What a page writes for a name that only the reader knows, and such a name"""


def on_page(text: str) -> Iterator[str]:
    """The commands of a page's shell blocks, and those in its sentences that have arguments."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        yield from re.findall(r"(?:^|[ /])(grokscope .+)", block.replace("\\\n", ""), flags=re.MULTILINE)
    for code in re.findall(r"(?<![`\\])`(grokscope \w+\s[^`]+)`", text):
        yield " ".join(code.split())


def shown_commands() -> list[str]:
    """Each once, without `grokscope`; what a shell or the reader has yet to fill in (`$runs`, `…`) is left out."""
    lines = [line for examples in EXAMPLES.values() for line in examples]
    lines += [line for page in PAGES for line in on_page(page.read_text(encoding="utf-8"))]
    words = [shlex.split(line, comments=True)[1:] for line in lines if not re.search(r"\$|…|SPLIT", line)]
    return list(dict.fromkeys(shlex.join(PLACEHOLDERS.get(word, word) for word in each) for each in words))


COMMANDS = shown_commands()

SHORT = (*TINY, "--steps=1")
CHEAPER = {
    r"run (?!--)": SHORT,
    r"sweep (run )?(modular|--config)": ("--dry-run", "--no-timing"),
    r"intervene (run )?(modular|dyck|scan)": ("--dry-run",),
    r"reproduce (?!.*--judge)": ("--dry-run",),
    r"bench": ("--seconds=0", "--set=model.width=16", "--set=train.batch_size=8", "--set=task.modulus=11"),
    r"rm": ("--yes",),
}
"""What is added to a command, by how it begins, so that it trains a moment or nothing, and asks nobody"""

ELSEWHERE = re.compile(
    r"watch(?!.*--export-svg)|.*(--tui\b|--engine slurm|--sink|--to )|bench .*--grow|forecast --backtest(?!.*--bank)"
)
"""These need a terminal, a cluster, another program, or minutes"""

EXPECTED = {
    r"control (?!\S+ stop)": 3,
    r"intervene (results|spectrum (?!--shipped))": 3,
    r"forecast --build-bank bank-fraction": 3,
}
"""The exit code where no trainer runs, and where no experiment and no bank's sweep is at hand; else 0"""


def test_pages_show_commands() -> None:
    assert {line.split()[0] for line in COMMANDS} >= {
        "run",
        "watch",
        "ls",
        "show",
        "forecast",
        "sweep",
        "law",
        "import",
    }
    assert list(on_page("a `grokscope rm\nX` b\n```sh\n.venv/bin/grokscope ls \\\n  -r  # c\n```\n")) == [
        "grokscope ls   -r  # c", "grokscope rm X",
    ]  # fmt: skip


@pytest.mark.parametrize("line", COMMANDS)
def test_a_shown_command_is_understood(line: str) -> None:
    command, words = typer.main.get_command(app), shlex.split(line)
    context = command.make_context("grokscope", list(words))
    while rest := [*context._protected_args, *context.args]:
        _, command, words = command.resolve_command(context, rest)  # type: ignore[attr-defined]
        context = command.make_context(command.name, list(words), parent=context)


@pytest.fixture(scope="module")
def reader(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who has a clone, a sweep, three runs, and logs of other programs."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("examples", "grokscope", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "examples/sweep_modular.toml", folder / "sweep.toml")
    _, task, *settings = tiny("modular", "--steps=30", "--set=snapshot.every=10", "--quiet")
    assert nursery.run("sweep", task, *settings, "--axis=seed=1,2", "--name=my-sweep", folder=folder).code == 0
    for name in ("baseline", "mine", "newest"):
        assert nursery.run("run", task, *settings, f"--name={name}", folder=folder).code == 0
    for name in ("log.csv", "seed0.csv", "seed1.csv"):
        assert nursery.run("export", "mine", "--csv", "-o", name, folder=folder).code == 0
    rows = [f"{run},{step},{step / 100},1" for run in "ab" for step in range(0, 100, 10)]
    (folder / "sweep.csv").write_text("\n".join(["id,step,acc,train_accuracy", *rows]))
    (folder / "history.json").write_text(
        '{"loss": [2, 1, 0.5], "val_loss": [2, 3, 1], "val_accuracy": [0.1, 0.1, 0.9]}'
    )
    steps = (f"step {step} train_acc {step / 100} val_acc {step / 200}" for step in range(0, 100, 10))
    (folder / "train.log").write_text("\n".join(steps))
    shutil.copy(folder / "runs/mine/config.toml", folder)
    logs = folder / "lightning_logs/version_0"
    logs.mkdir(parents=True)
    epochs = [f"{epoch},{10 * epoch + 9},{1 / (epoch + 1)},{epoch / 20}" for epoch in range(20)]
    (logs / "metrics.csv").write_text("\n".join(["epoch,step,train_loss,val_accuracy", *epochs]))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in COMMANDS if not ELSEWHERE.match(line)])
def test_a_shown_command_works(line: str, nursery: Nursery, reader: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    if "mlx" in line:
        pytest.importorskip("mlx.core")
    folder = shutil.copytree(reader, tmp_path / "copy")
    if line.startswith("mv"):
        shutil.rmtree(folder / "runs/baseline")
    if "my.jsonl.gz" in line:
        shutil.copy(folder / "grokscope/warning/bank/modular.jsonl.gz", folder / "my.jsonl.gz")
    more = [word for start, words in CHEAPER.items() if re.match(start, line) for word in words]
    done = nursery.run(*shlex.split(line), *more, folder=folder)
    expected = next((code for start, code in EXPECTED.items() if re.match(start, line)), 0)
    assert done.code == expected, done.err
