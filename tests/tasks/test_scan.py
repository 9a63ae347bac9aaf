"""SCAN: the official bytes, the paper's tokens, and files of one's own."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import grokscope_scan
from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.contract.tasks import TaskData
from grokscope.settings.config import resolve
from grokscope.testing import reference
from grokscope.testing.tasks import TaskConformance, row_bytes
from grokscope_scan import SPEC
from grokscope_scan.encoding import ACTION_WORDS, COMMAND_WORDS, EOS, SOS, encode, parse
from grokscope_scan.official import SHA256, SPLITS, content, export, file_name

SHARED = Path(__file__).parents[2].parent / "shared"

LINES = [
    "IN: jump OUT: I_JUMP",
    "IN: run twice OUT: I_RUN I_RUN",
    "IN: walk OUT: I_WALK",
    "IN: look OUT: I_LOOK",
    "IN: turn left OUT: I_TURN_LEFT",
]


class TestConformance(TaskConformance):
    spec = SPEC
    exported_splits = SPLITS


def load(**options: object) -> TaskData:
    return SPEC.load(SPEC.options(**options), 0)


@pytest.mark.parametrize("split", SPLITS)
def test_exported_files_are_the_official_ones(split: str, tmp_path: Path) -> None:
    written = export(split, tmp_path)
    assert [path.name for path in written] == [f"tasks_train_{split}.txt", f"tasks_test_{split}.txt"]
    assert {path.name: sha256(path.read_bytes()).hexdigest() for path in written}.items() <= SHA256.items()


def test_digests_are_those_of_the_release() -> None:
    assert SHA256["tasks_train_simple.txt"] == "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd"
    assert SHA256["tasks_test_simple.txt"] == "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6"
    assert SHA256.keys() == {file_name(split, side) for split in SPLITS for side in ("train", "test")}


def test_the_licence_ships() -> None:
    notice = (Path(grokscope_scan.__file__).parent / "LICENSE-SCAN").read_text()
    assert "Copyright (c) 2016-present, Facebook, Inc." in notice
    assert "LICENSE-SCAN" in SPEC.source


def test_a_line_becomes_tokens() -> None:
    examples = encode(parse(["IN: jump twice OUT: I_JUMP I_JUMP", "IN: run OUT: I_RUN"], "x"))
    assert examples.source.tolist() == [[3, 6], [10, 0]]
    assert examples.source_lengths.tolist() == [2, 1]
    assert examples.target is not None
    assert examples.target.tolist() == [[SOS, 4, 4], [SOS, 7, 0]]
    assert examples.labels.tolist() == [[4, 4, EOS], [7, EOS, IGNORED]]


@pytest.mark.skipif(not SHARED.exists(), reason="the golden points lie beside a developer's checkout")
@pytest.mark.parametrize("batch", ["batch_a", "batch_b"])
def test_tokens_are_those_of_the_golden_points(batch: str) -> None:
    """Golden rows, spelled out with our vocabulary and read again, are the same arrays."""
    name = SHARED / "golden" / "scan-small-seed1-step0"
    model = json.loads(name.with_suffix(".json").read_text())["model"]
    assert list(model["command_vocab"]) == list(COMMAND_WORDS)
    assert list(model["action_vocab"]) == list(ACTION_WORDS)
    assert list(model["command_vocab"].values()) == list(range(16))
    golden = np.load(name.with_suffix(".npz"))
    commands, inputs, answers = (golden[f"{batch}/{part}"] for part in ("commands", "actions_in", "actions_out"))
    lines = [
        f"IN: {' '.join(COMMAND_WORDS[t] for t in command[command > 0])} "
        f"OUT: {' '.join(ACTION_WORDS[t] for t in actions[actions > 2])}"
        for command, actions in zip(commands, inputs, strict=True)
    ]
    examples = encode(parse(lines, "golden"))
    assert examples.target is not None
    width, length = examples.source.shape[1], examples.target.shape[1]
    assert (examples.source == commands[:, :width]).all()
    assert (examples.target == inputs[:, :length]).all()
    assert (examples.labels == answers[:, :length]).all()
    assert (inputs[:, length:] == 0).all()


def test_the_model_is_the_paper_s() -> None:
    data = load()
    assert layout(data.model).size == 3_979_529
    assert (data.model.context, data.model.target_context) == (11, 50)
    assert data.model.source_padding_attended
    assert not data.model.identical_layers
    assert (len(data.train), len(data.splits["test"])) == (2048, 4182)
    assert data.facts["test_in_train"] == 0


def test_training_lines_are_drawn_without_replacement_and_nested() -> None:
    small, large = load(train_size=100, test_size=1), load(train_size=300, test_size=1)
    drawn = list(row_bytes(large.train))
    assert len(set(drawn)) == 300
    assert list(row_bytes(small.train)) == drawn[:100]
    other = list(row_bytes(load(train_size=300, test_size=1, data_seed=1).train))
    assert len(set(other) & set(drawn)) < 100
    assert len(load(train_size=0, test_size=1).train) == 16_728


def test_length_split_tests_longer_sequences_only() -> None:
    data = load(split="length")
    assert data.facts["test_longer_than_train"] == data.facts["test_examples"] == 3920


def test_all_splits_hold_the_same_vocabulary() -> None:
    """Parsing refuses unknown words, so reading every official file is the test."""
    for name in SHA256:
        assert parse(content(name).decode().splitlines(), name)


def test_own_files_are_read(tmp_path: Path) -> None:
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text("\n".join(LINES))
    test.write_text(LINES[0] + "\r\n" + "IN: walk twice OUT: I_WALK I_WALK\r\n")
    data = load(train=train, test=test)
    assert (len(data.train), len(data.splits["test"])) == (5, 2)
    assert data.facts["test_in_train"] == 1
    assert data.facts["train_sha256"] == sha256(train.read_bytes()).hexdigest()
    official = load(test=str(test))
    assert (len(official.train), len(official.splits["test"])) == (2048, 2)


def test_an_own_training_file_is_used_whole_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    """Of 16 special lines in a few-shot file of 15,000, a draw of 2,048 leaves about two."""
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text("\n".join(LINES * 1000))
    test.write_text("\n".join(LINES))
    whole = load(train=train, test=test)
    assert (len(whole.train), whole.remarks) == (5000, [])
    cut = load(train=train, test=test, train_size=300, test_size=2)
    assert (len(cut.train), len(cut.splits["test"])) == (300, 2)
    assert cut.remarks == [
        f"300 of 5,000 lines of {train} are used, as task.train_size says; 0 takes all of them",
        f"2 of 5 lines of {test} are used, as task.test_size says; 0 takes all of them",
    ]
    assert load().remarks == [], "the paper's draw from the official file is its protocol"
    assert load(train=train, train_size=0).remarks == []
    _, options = resolve(SPEC, {"task.train": str(train)})
    assert options.train_size == 0  # type: ignore[attr-defined]


def test_an_own_training_file_alone_is_held_out_by_command(tmp_path: Path) -> None:
    train = tmp_path / "train.txt"
    train.write_text("\n".join([*LINES, *LINES]))
    data = load(train=train)
    assert (len(data.train), len(data.splits["test"])) == (8, 2)
    assert data.facts["test_in_train"] == 0
    assert data.facts["test_file"] == f"held out of {train}"


def test_longer_data_get_a_larger_model(tmp_path: Path) -> None:
    train = tmp_path / "train.txt"
    train.write_text(f"IN: {'jump and ' * 8}jump OUT: {'I_JUMP ' * 60}\n" + "\n".join(LINES))
    data = load(train=train, test=train)
    assert (data.model.context, data.model.target_context) == (17, 61)
    assert (data.facts["longest_command"], data.facts["longest_actions"]) == (17, 60)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("jump OUT: I_JUMP", "line 3: expected 'IN: command OUT: ACTIONS', found 'jump OUT: I_JUMP'"),
        ("IN: jump", "line 3: expected"),
        ("IN: jump OUT: ", "line 3: expected"),
        ("IN:  OUT: I_JUMP", "line 3: expected"),
        ("", "line 3: expected"),
        ("IN: hop OUT: I_JUMP", "line 3: unknown command 'hop', SCAN has jump, opposite"),
        ("IN: jump OUT: I_HOP", "line 3: unknown action 'I_HOP', SCAN has I_TURN_RIGHT"),
        ("IN: <PAD> OUT: I_JUMP", "line 3: unknown command '<PAD>'"),
        ("IN: jump OUT: I_JUMP OUT: I_JUMP", "line 3: unknown action 'OUT:'"),
    ],
)
def test_a_malformed_line_is_named(line: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("\n".join([*LINES[:2], line, *LINES[2:]]))
    with pytest.raises(ValueError, match=r"mine\.txt") as problem:
        load(train=file)
    assert complaint in str(problem.value)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no .*missing.txt"):
        load(train=tmp_path / "missing.txt")
    with pytest.raises(ValueError, match="is a folder, not a file"):
        load(test=tmp_path)
    (tmp_path / "binary").write_bytes(b"\x1f\x8b\xff")
    with pytest.raises(ValueError, match="not a text file in UTF-8"):
        load(train=tmp_path / "binary")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        load(train=tmp_path / "empty")
    (tmp_path / "short").write_text("\n".join(LINES[:2]))
    with pytest.raises(ValueError, match=r"2 distinct commands, too few .*task\.test"):
        load(train=tmp_path / "short")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As SCAN's repository has its files, with an MCD split beside them."""
    (tmp_path / "template_split").mkdir()
    (tmp_path / "tasks.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "template_split" / "tasks_train_template_right.txt").write_text("\n".join(LINES[:3]))
    (tmp_path / "template_split" / "tasks_test_template_right.txt").write_text("\n".join(LINES[3:]))
    (tmp_path / "mcd1.json").write_text(json.dumps({"trainIdxs": [4, 0, 1], "devIdxs": [2], "testIdxs": [3, 2]}))
    return tmp_path


def test_a_split_of_a_folder_is_used_whole(clone: Path) -> None:
    data = load(split="template_right", folder=clone)
    assert (len(data.train), len(data.splits["test"])) == (3, 2)
    assert str(data.facts["train_file"]).endswith("template_split/tasks_train_template_right.txt")
    assert not data.remarks


def test_an_mcd_split_takes_its_lines_of_all_tasks(clone: Path) -> None:
    data = load(split="mcd1", folder=clone)
    expected = encode(parse([LINES[4], LINES[0], LINES[1]], "expected"))
    np.testing.assert_array_equal(data.train.source, expected.source)
    np.testing.assert_array_equal(data.train.labels, expected.labels)
    assert len(data.splits["test"]) == 2
    assert str(data.facts["test_file"]).startswith("testIdxs of")


@pytest.mark.parametrize(
    ("split", "why"),
    [
        ("template_left", r"has no split 'template_left'; the nearest are template_right"),
        ("mcd2", "the nearest are mcd1"),
    ],
)
def test_a_split_that_a_folder_lacks_is_refused(clone: Path, split: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        load(split=split, folder=clone)


@pytest.mark.parametrize("table", ['{"trainIdxs": [0, 5], "testIdxs": [1]}', '{"trainIdxs": [0.5]}', "[1]", "{", "{}"])
def test_line_numbers_that_are_none_are_refused(clone: Path, table: str) -> None:
    (clone / "mcd1.json").write_text(table)
    with pytest.raises(ValueError, match=r"mcd1\.json"):
        load(split="mcd1", folder=clone)


def test_two_files_of_one_name_are_refused(clone: Path) -> None:
    (clone / "tasks_train_template_right.txt").write_text(LINES[0])
    with pytest.raises(ValueError, match="have the same name"):
        load(split="template_right", folder=clone)


def test_a_folder_without_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no splits of SCAN"):
        load(split="mcd1", folder=tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        load(split="mcd1", folder=tmp_path / "nowhere")


def test_unknown_splits_are_refused() -> None:
    with pytest.raises(ValidationError):
        SPEC.options(split="mcd1")
    with pytest.raises(ValueError, match="choose one of simple, length"):
        export("mcd1", Path())


def test_greedy_decoding_gets_the_same_sequences_right() -> None:
    """Where all tokens before are right, a model that runs freely reads what teacher forcing shows it."""
    pairs = parse(LINES, "lines")
    examples = encode(pairs)
    model = replace(load(train_size=5, test_size=5).model, width=8, layers=1, heads=2, feed_forward=8)
    session = reference.SPEC.open(model, initial_parameters(model, 1))
    packer = Packer(examples, model)
    for _ in range(16):
        session.step(session.prepare(packer.batch(np.arange(len(pairs)))), Optimizer(lr=1e-2, wd=0.0))

    def next_words(command: tuple[int, ...], written: list[int]) -> list[int]:
        """The most likely class after every prefix of what is written."""
        rows = [np.array([row], dtype=np.int64) for row in (command, [SOS, *written], [0] * (len(written) + 1))]
        source, target, labels = rows
        one = Examples(source, np.array([len(command)]), labels, target, np.array([target.shape[1]]))
        chunk = Packer(one, model).whole().chunks[0]
        found = session.predict(session.parameters, session.prepare(chunk.batch)).classes
        return [int(found[read]) for read in chunk.read_of[0]]

    def greedy(command: tuple[int, ...]) -> list[int]:
        written: list[int] = []
        while len(written) < 6 and (word := next_words(command, written)[-1]) != EOS:
            written.append(word)
        return written

    free = [tuple(greedy(command)) == actions for command, actions in pairs]
    forced = [next_words(command, list(actions)) == [*actions, EOS] for command, actions in pairs]
    assert free == forced
    assert 0 < sum(free) < len(pairs)


def test_a_named_file_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="is a device, not a file"):
        SPEC.load(SPEC.options(train="/dev/zero"), 0)
