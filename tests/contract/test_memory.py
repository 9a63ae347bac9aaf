"""What is asked for is compared with what there is, and said in words."""

import subprocess
import sys

import pytest

from grokscope.contract import memory
from grokscope.contract.memory import TooLarge, bytes_in_words, comfortable_parts, free_bytes, require_memory


def test_this_machine_has_some() -> None:
    free = free_bytes()
    assert free is not None
    assert 1 << 20 < free < 1 << 50


def test_what_fits_is_not_objected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    require_memory("it", 1000)
    with pytest.raises(TooLarge, match=r"noise would take about 2 KiB of memory, and 1,?000 B are free"):
        require_memory("noise", 2048)
    monkeypatch.setattr(memory, "free_bytes", lambda: None)
    require_memory("it", 1 << 80)


def test_a_limit_of_the_process_counts() -> None:
    script = (
        "import resource; from grokscope.contract.memory import free_bytes\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, resource.RLIM_INFINITY)); print(free_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1 << 32


@pytest.mark.parametrize(
    ("free", "parts"),
    [
        (None, [(0, 5)]),
        (100, [(0, 5)]),
        (99, [(0, 4), (4, 8)]),
        (40, [(0, 2), (2, 4), (4, 6)]),
        (1, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_parts_take_half_of_what_is_free_at_most(free: int | None, parts: list[tuple[int, int]]) -> None:
    assert list(comfortable_parts(5, 10, free)) == [slice(*part) for part in parts]


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1536, "1.5 KiB"),
        (3 << 30, "3 GiB"),
        (5 << 40, "5 TiB"),
        (10**30, "9.09495e+17 TiB"),
    ],
)
def test_bytes_in_words(amount: int, words: str) -> None:
    assert bytes_in_words(amount) == words
