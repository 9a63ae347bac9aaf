"""What `grokscope` says of itself, how fast, and that nothing breaks it: windows, pipes, letters, wrong words."""

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_process import environment, grokscope

from grokscope.cli.examples import EXAMPLES
from grokscope.cli.main import COMMANDS as GROUPS
from grokscope.cli.main import app

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


LOADED = """
import atexit, sys
import typer
before = set(sys.modules)
atexit.register(lambda: print(*sorted(set(sys.modules) - before), file=sys.stderr))
from grokscope.cli.main import main
main()
"""


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command loads beyond those of Typer itself."""
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment(), check=True)
    assert done.stdout
    return set(done.stderr.split())


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_comes_at_once(tmp_path: Path, argument: str) -> None:
    """Nothing takes the time but Python, Typer, and the commands' own declarations."""
    others = {name for name in loaded(tmp_path, argument) if not name.startswith(("grokscope.cli.", "typer."))}
    assert {name for name in others if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "grokscope", "grokscope.cli",
    }  # fmt: skip
    assert len(others) < 20


def test_help_fits_a_narrow_window(tmp_path: Path) -> None:
    for command in ([], ["run"], ["ls"]):
        done = grokscope(*command, "--help", folder=tmp_path, variables={"COLUMNS": "40"})
        assert done.code == 0
        wide = [line for line in done.out.splitlines() if len(line) > 40]
        assert [line for line in wide if not re.match(r"  (grokscope |--\S+ \S+$)", line)] == [], "more than one term"


def test_the_list_of_commands_is_grouped_and_whole_at_80_columns(tmp_path: Path) -> None:
    done = grokscope("--help", folder=tmp_path, variables={"COLUMNS": "80"})
    listed = re.findall(r"^  ([a-z]+) +([A-Z].*)$", done.out, flags=re.MULTILINE)
    assert sorted(name for name, _ in listed) == COMMANDS
    assert all(words.endswith(".") and not words.endswith("...") for _, words in listed)
    assert re.findall(r"^([A-Z].*):$", done.out, flags=re.MULTILINE) == ["Options", *GROUPS, "Exit codes"]


def every_command(command: Any, path: str = "") -> dict[str, Any]:
    """All commands and their subcommands, by the words that name them."""
    found = {path: command} if path else {}
    for name, below in getattr(command, "commands", {}).items():
        found |= every_command(below, f"{path} {name}".strip())
    return found


def test_every_command_has_examples() -> None:
    """tests/cli/test_cli_shown.py tries them."""
    assert set(EXAMPLES) == set(every_command(typer.main.get_command(app)))
    for name, examples in EXAMPLES.items():
        assert examples
        assert all(example.startswith(f"grokscope {name.split()[0]}") for example in examples)


@pytest.mark.parametrize("width", [40, 80])
def test_no_help_leaks_a_type_or_cuts_a_sentence(width: int) -> None:
    for name, command in every_command(typer.main.get_command(app)).items():
        text = command.get_help(typer.Context(command, info_name=f"grokscope {name}", terminal_width=width))
        assert not re.search(r"<\w+( range|\[\w+\])?>", text), name
        assert not re.search(r"[a-z]\.\.\.$", text, flags=re.MULTILINE), name


def test_completion_offers_what_there_is(made_runs: Path) -> None:
    (made_runs / "runs/grid").mkdir()
    shutil.copytree(made_runs / "runs/made", made_runs / "runs/grid/cell")
    for line, offered in {
        "show m": {"made"},
        "show ": {"latest", "made", "grid/"},
        "show grid/": {"grid/", "grid/cell"},
        "run mod": {"modular"},
        "run modular --preset q": {"quick"},
        "run modular --set task.oper": {"task.operation="},
        "run modular --signal elas": {"elasticity"},
        "run modular --intervene nois": {"noise"},
        "sweep modular --axis task.oper": {"task.operation="},
        "control made intervene nois": {"noise"},
        "run modular --replay-interventions m": {"made"},
        "run modular --device c": {"cpu", "cuda"},
        "run modular --estimator e": {"exact"},
        "control made intervene kick on --set alp": {"alpha="},
        "forecast --backtest --leave-out fr": {"fraction"},
        "forecast --backtest --leave-out operation+f": {"operation+fraction"},
        "intervene modular --conditions core,gr": {"core,grokfast", "core,grokfast-lr"},
        "intervene modular --doses project-r": {"project-random="},
        "law made --onset memo": {"memorized"},
        "law made --by task.oper": {"task.operation"},
        "ls --sort tes": {"test", "test_size"},
        "export made --events trained,eval": {"trained,evaluated"},
        "events made --kinds grok": {"grokked"},
        "report made --format svg,": {"svg,png", "svg,none"},
        "watch made --theme grokscope-l": {"grokscope-light"},
        "import file --column test_l": {"test_loss="},
        "import file --fact task.oper": {"task.operation="},
        "bench mod": {"modular"},
        "bench --backend au": {"auto"},
        "doctor --verify --device mp": {"mps"},
        "schema --config mod": {"modular"},
        "tasks export sc": {"scan"},
        "sweep status l": {"latest"},
        "intervene results l": {"latest"},
        "show m --runs nowhere": set(),
    }.items():
        words = ["grokscope", *line.split()] + ([""] if line.endswith(" ") else [])
        asked = {
            "_GROKSCOPE_COMPLETE": "complete_bash",
            "COMP_WORDS": f"grokscope {line}",
            "COMP_CWORD": str(len(words) - 1),
        }
        done = grokscope(folder=made_runs, variables=asked)
        assert (set(done.out.split()), done.err) == (offered, ""), line


def test_help_of_a_command_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"torch", "mlx", "numpy", "rich", "textual", "scipy", "matplotlib", "safetensors"}
    assert loaded(tmp_path, "run", "--help") & heavy == set()


def test_a_quiet_run_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """Importing them takes seconds. PyTorch's `grad(grad_outputs=…)` would load sympy."""
    pytest.importorskip("torch")
    arguments = ["--set", "task.test_size=50", "--set", "model.width=8", "--set", "model.feed_forward=8"]
    found = loaded(tmp_path, "run", "dyck", "--backend", "torch", "--steps", "0", "--quiet", *arguments)
    heavy = {"sympy", "scipy", "polars", "pandas", "matplotlib", "textual", "rich", "mlx", "networkx", "tensorboard"}
    assert found & heavy == set()
    assert {"torch", "grokscope_torch.session"} <= found


def test_the_commands_and_their_options_are_a_promise() -> None:
    """Adding one changes golden/flags.txt; renaming one breaks somebody's script."""
    lines: list[str] = []
    _describe(typer.main.get_command(app), "grokscope", lines)
    text = "\n".join(lines) + "\n"
    file = GOLDEN / "flags.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text(), "set UPDATE_GOLDEN=1 where this is meant"


def _describe(command: Any, path: str, lines: list[str]) -> None:
    for parameter in command.params:
        if parameter.name in {"install_completion", "show_completion"}:
            continue
        if parameter.param_type_name == "argument":
            lines.append(f"{path} <{parameter.name}>{'' if parameter.required else ' (optional)'}")
        else:
            lines.append(f"{path} {' '.join(sorted(parameter.opts))}{'' if parameter.is_flag else ' VALUE'}")
    lines.extend([] if command.params else [path])
    for name in sorted(getattr(command, "commands", {})):
        _describe(command.commands[name], f"{path} {name}", lines)


def test_no_command(tmp_path: Path) -> None:
    done = grokscope(folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "Usage: grokscope" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "'run'"),
        (["run", "dyck", "--lr", "x"], "--lr"),
        (["run", "--frobnicate"], "--frobnicate"),
        (["run", "dyck", "--learning-rate", "1"], "here it is --lr"),
        (["sweep", "dyck", "--weight-decay", "1"], "here it is --wd"),
        (["resume", "latest"], "`grokscope run --resume RUN`"),
        (["run", "dyck", "--set", "lr=1"], "the nearest is optimizer.lr"),
        (["run", "dyck", "--set", "optimizer.weight_decay=1"], "the nearest is optimizer.wd"),
        (["show"], "RUN"),
        (["control", "latest", "jump"], "pause"),
        (["control", "latest", "pause", "kick"], "kick"),
        (["control", "latest", "intervene"], "a kind and a state"),
        (["export", "latest", "--csv", "--json"], "not both"),
        (["export", "latest", "--events", "graduated"], "graduated"),
        (["export", "latest", "--to", "neptune"], "for '--to': 'neptune' is not one of 'tensorboard', 'wandb'"),
        (["tasks", "export", "dyck"], "no files to export"),
        (["tasks", "export", "scan", "--split", "hard"], "addprim_jump"),
        (["doctor", "somewhere"], "--verify"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_word_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = grokscope(*arguments, folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"grokscope: [^\n]+\n", done.err)
    assert said in done.err


def test_debug_shows_the_traceback_of_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["tasks", "export", "scan", "-o", "file/folder"]
    assert grokscope(*arguments, folder=tmp_path).err == "grokscope: file/folder: Not a directory\n"
    assert "Traceback" in grokscope(*arguments, "--debug", folder=tmp_path).err


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        *((command, {"COLUMNS": "20"}) for command in COMMANDS),
        *(("run", {name: value}) for name, value in {"TERM": "dumb", "NO_COLOR": "1", "FORCE_COLOR": "1"}.items()),
        ("run", {"PYTHONIOENCODING": "ascii"}),
    ],
    ids=str,
)
def test_help_survives_everything(tmp_path: Path, command: str, variables: dict[str, str]) -> None:
    done = grokscope(command, "--help", folder=tmp_path, variables=variables)
    assert done.code == 0
    assert "Usage:" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "code"), [(["schema"], 0), (["tasks", "--json"], 0), (["--help"], 1)], ids=str
)  # Click prints the help, and has its own opinion of the code
def test_a_reader_who_leaves_is_no_error(tmp_path: Path, arguments: list[str], code: int) -> None:
    """The pipe is closed before the first byte is written: harsher than `head -1`."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "grokscope", *arguments],
        stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(),
    )  # fmt: skip
    os.close(reader)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == code


@pytest.mark.parametrize(
    ("variables", "styled"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "COLUMNS": "20"}, True)],
    ids=str,
)
def test_a_table_fits_its_window(made_runs: Path, variables: dict[str, str], styled: bool) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "grokscope", "ls"], stdout=slave, stderr=slave, stdin=slave, cwd=made_runs,
        env=environment({"COLUMNS": "80", **variables}),
    )  # fmt: skip
    os.close(slave)
    shown = b""
    try:
        while data := os.read(master, 1 << 16):
            shown += data
    except OSError:  # the other end has closed
        pass
    os.close(master)
    assert process.wait() == 0
    text = shown.decode()
    assert ("\x1b[" in text) == styled
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(map(len, plain)) <= int(variables.get("COLUMNS", "80"))
    assert any(line.startswith("made") for line in plain)
