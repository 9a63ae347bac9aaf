"""What comes in: regular files of bounded size, in UTF-8, with numbers that fit; all else is one sentence."""

import errno
import os
import re
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope import gate
from grokscope.gate import (
    Missing,
    Unreadable,
    json_of,
    open_regular,
    parse_toml,
    read_bytes,
    read_json,
    read_text,
    read_toml,
    write_file,
    writing,
)


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Path]:
    """A folder, a pipe, a socket, a device and links that lead nowhere, where a file should be."""
    paths = {name: tmp_path / name for name in ("folder", "pipe", "socket", "dangling", "loop", "device")}
    paths["folder"].mkdir()
    os.mkfifo(paths["pipe"])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(paths["socket"]))
    paths["dangling"].symlink_to("nowhere")
    paths["loop"].symlink_to("loop")
    paths["device"].symlink_to("/dev/zero")
    return paths


@pytest.mark.parametrize("name", ["folder", "pipe", "socket", "dangling", "loop", "device"])
def test_what_is_no_file_is_not_waited_for(odd: dict[str, Path], name: str) -> None:
    with pytest.raises(Unreadable, match=name):
        open_regular(odd[name])


def test_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        read_bytes(tmp_path / "none")
    with pytest.raises(Unreadable, match="cannot be the name"):
        read_bytes(Path("a\0b"))
    with pytest.raises(Unreadable, match="too long"):
        read_bytes(tmp_path / ("x" * 300))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file of this system fails when it is read")
@pytest.mark.parametrize("read", ["read", "readline", "readlines", "peek"])
def test_a_disk_that_fails_names_the_file(read: str) -> None:
    with (
        open_regular(Path("/proc/self/mem")) as file,
        pytest.raises(Unreadable, match="cannot read /proc/self/mem: Input/output error"),
    ):
        getattr(file, read)()


def test_size_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert read_bytes(file, 5) == b"12345"
    with pytest.raises(Unreadable, match="larger than 4 bytes"):
        read_bytes(file, 4)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [(b"\xff\xfea\x00", "UTF-16"), (b"caf\xe9", "no text in UTF-8"), (b"\xed\xa0\x80", "no text in UTF-8")],
)
def test_text_is_utf_8(tmp_path: Path, data: bytes, wrong: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(Unreadable, match=wrong):
        read_text(tmp_path / "file")


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_toml(tmp_path / "a.toml") == read_json(tmp_path / "a.json") == {"a": 1}


NO_TOML = (
    "a = " + "[" * 5000, "a = " + "1" * 400, "a = " + "1" * 5000, "a", "a = 1\na = 2", "a = \0", "a." * 3000 + "a = 1",
)  # fmt: skip
NO_JSON = (
    "[" * 5000, '{"a":' * 500, "NaN", "[1e999]", "[-Infinity]", "1" * 400, "1" * 5000, '"\\ud800"', '"\xff', "",
    "{} {}",
)  # fmt: skip


@pytest.mark.parametrize("text", NO_TOML, ids=lambda text: text[:8])
def test_toml_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(Unreadable, match="is not TOML"):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize("text", NO_JSON, ids=lambda text: text[:8])
def test_json_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Unreadable, match="is not JSON"):
        read_json(tmp_path / "a.json")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("gate") / "file"
    file.write_bytes(data)
    for read in (read_text, read_toml, read_json):
        with suppress(Unreadable):
            read(file)


@pytest.mark.parametrize("whole", [2**63 - 1, -(2**63)])
def test_whole_numbers_of_64_bits_pass_and_no_larger_ones(whole: int) -> None:
    assert json_of(str(whole)) == whole
    with pytest.raises(ValueError, match="64 bits"):
        json_of(str(whole + (1 if whole > 0 else -1)))


@pytest.mark.parametrize("digits", [20, 5000])
def test_a_whole_number_of_many_digits_is_said_without_python_s_advice(digits: int) -> None:
    with pytest.raises(ValueError, match=r"^it holds a whole number that does not fit into 64 bits$"):
        parse_toml(f"steps = {'9' * digits}")


@pytest.mark.parametrize("record", ["events.jsonl", "config.toml", "checkpoint/step-00000010.safetensors"])
def test_what_a_run_has_on_record_is_not_written_over(tmp_path: Path, record: str) -> None:
    file = tmp_path / "runs" / "a" / record
    file.parent.mkdir(parents=True)
    (tmp_path / "runs" / "a" / "events.jsonl").write_text("{}")
    file.write_text("{}")
    (tmp_path / "link.jsonl").symlink_to(file)
    for name in (file, tmp_path / "link.jsonl", file.parent / ".." / file.parent.name / file.name):
        with pytest.raises(FileExistsError), writing(name):
            name.write_text("")
    assert file.read_text() == "{}"


def test_other_files_are_written_anew(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("{}")
    for name in ("table.csv", "new.jsonl"):
        write_file(tmp_path / name, "first")
    write_file(tmp_path / "table.csv", "é\r\n")
    assert (tmp_path / "table.csv").read_bytes() == b"\xc3\xa9\r\n"


OWN = ("gate.py", "sweeps/local.py", "sweeps/slurm.py")
"""That write without the gate: itself, and sweeps into the folders of their own cells"""


def test_no_other_module_writes_a_file_that_a_person_may_name() -> None:
    folder = Path(gate.__file__).parent
    modules = [*folder.rglob("*.py"), *folder.parent.glob("tasks/*/*.py")]
    names = {str(module.relative_to(folder.parent)).removeprefix("grokscope/"): module for module in modules}
    lines = {
        f"{name}: {line.strip()}"
        for name, module in names.items()
        if name not in OWN and not name.startswith("testing/")
        for line in module.read_text().splitlines()
        if re.search(r"\.write_(text|bytes)\(", line) and ">>>" not in line
    }
    assert not lines


def test_no_module_follows_links_by_a_way_that_fails() -> None:
    """`Path.resolve` raises RuntimeError for a link that leads to itself."""
    for module in Path(gate.__file__).parent.rglob("*.py"):
        assert ".resolve()" not in module.read_text(), module


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as full, writing(tmp_path / "page.html"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == str(tmp_path / "page.html")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path, number: int) -> None:
    file = tmp_path / "table.csv"
    file.write_text("step,acc")
    with pytest.raises(OSError, match="full"), writing(file):
        raise OSError(number, "full")
    assert not file.exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT])
def test_what_cannot_be_opened_stays(tmp_path: Path, number: int) -> None:
    file = tmp_path / "table.csv"
    file.write_text("whole")
    with pytest.raises(OSError, match="closed"), writing(file):
        raise OSError(number, "closed")
    assert file.read_text() == "whole"
