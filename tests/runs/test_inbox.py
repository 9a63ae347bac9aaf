"""The inbox: what is sent arrives once and in order, and nothing that stands there ends or blocks who reads it."""

import os
import socket
import threading
from pathlib import Path

import pytest

from grokscope.runs.inbox import LARGEST, Command, Inbox, TooLong, send


def troubles(inbox: Inbox) -> list[str]:
    return [letter.trouble for letter in inbox.letters()]


def test_in_order_once_and_removed_when_done(tmp_path: Path) -> None:
    for count in (1, 2, 3):
        send(tmp_path, Command(action="step", count=count))
    inbox = Inbox(tmp_path)
    letters = list(inbox.letters())
    assert [letter.command and letter.command.count for letter in letters] == [1, 2, 3]
    assert list(inbox.letters()) == []
    assert len(os.listdir(tmp_path)) == 3
    for letter in letters:
        inbox.remove(letter.name)
    assert os.listdir(tmp_path) == []


def test_another_reader_finds_what_was_not_done(tmp_path: Path) -> None:
    send(tmp_path, Command(action="stop"))
    assert len(list(Inbox(tmp_path).letters())) == len(list(Inbox(tmp_path).letters())) == 1


def test_nobody_has_sent_anything(tmp_path: Path) -> None:
    assert list(Inbox(tmp_path / "nowhere").letters()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"{", b'{"action": "dance"}', b'{"action": "stop", "more": 1}', b"\xff\xfe", b"[" * 60_000,
        b'{"action": "step", "count": 0}', b'{"action": "step", "count": ' + b"9" * 5000 + b"}",
        b'{"action": "intervene", "kind": "' + b"k" * 300 + b'"}', b" " * (LARGEST + 1), b'{"action": "stop"}\0',
    ],
    ids=lambda content: repr(content[:30]),
)  # fmt: skip
def test_what_is_no_command(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.json").write_bytes(content)
    inbox = Inbox(tmp_path)
    (trouble,) = troubles(inbox)
    assert trouble.startswith("control command 1.json was not understood: ")
    assert len(trouble) < 300
    inbox.remove("1.json")
    assert os.listdir(tmp_path) == []


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe is not waited for, a link not followed; what cannot be removed is not taken twice."""
    folder, secret = tmp_path / "control", tmp_path / "secret.json"
    folder.mkdir()
    secret.write_text('{"action": "stop"}')
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to(secret)
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "folder.json").mkdir()
    (folder / "folder.json" / "full").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(folder)  # the name of a socket is short
        try:
            listening.bind("socket.json")
        finally:
            os.chdir(here)
        (folder / os.fsdecode(b"\xff.json")).write_bytes(b"")
        inbox = Inbox(folder)
        letters = list(inbox.letters())
        assert [letter.command for letter in letters] == [None] * 6
        assert "it is not a file" in next(letter.trouble for letter in letters if letter.name == "pipe.json")
        for letter in letters:
            inbox.remove(letter.name)
        assert troubles(inbox) == []
        assert os.listdir(folder) == ["folder.json"]
    assert secret.exists()


def test_a_folder_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    """Somebody else's files would be taken and removed."""
    (tmp_path / "elsewhere").mkdir()
    send(tmp_path / "elsewhere", Command(action="stop"))
    (tmp_path / "control").symlink_to(tmp_path / "elsewhere")
    inbox = Inbox(tmp_path / "control")
    (trouble,) = troubles(inbox)
    assert "cannot be read" in trouble
    assert troubles(inbox) == []
    assert len(os.listdir(tmp_path / "elsewhere")) == 1


def test_a_command_that_would_not_be_read_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(TooLong):
        send(tmp_path, Command(action="intervene", kind="noise", state="on", parameters={"basis": "x" * LARGEST}))
    assert os.listdir(tmp_path) == []


def test_many_senders(tmp_path: Path) -> None:
    """Every command arrives whole, and those of one sender in its order."""
    inbox, taken = Inbox(tmp_path), []

    def sender(number: int) -> None:
        for count in range(1, 21):
            send(tmp_path, Command(action="step", count=1000 * number + count))

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += list(inbox.letters())
    for thread in threads:
        thread.join()
    taken += list(inbox.letters())
    counts = [letter.command.count for letter in taken if letter.command is not None]
    assert len(counts) == len(taken) == 160
    for number in range(8):
        own = [count for count in counts if count // 1000 == number]
        assert sorted(own) == [1000 * number + count for count in range(1, 21)]


def test_a_command_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(b'{"action":"stop"}'.ljust(LARGEST))
    (tmp_path / "2.json").write_bytes(b'{"action":"stop"}'.ljust(LARGEST + 1))
    first, second = Inbox(tmp_path).letters()
    assert first.command == Command(action="stop")
    assert second.command is None
    assert f"more than {LARGEST:,} bytes" in second.trouble


def test_a_name_that_was_removed_may_come_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for _ in range(2):
        (tmp_path / "same.json").write_text('{"action":"pause"}')
        assert [letter.name for letter in inbox.letters()] == ["same.json"]
        inbox.remove("same.json")
        assert list(inbox.letters()) == []
