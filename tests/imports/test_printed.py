"""Lines that a loop printed: named numbers between other words."""

from collections.abc import Callable

import pytest
from imports_made import STEPS, TEST, TRAIN, Imports, column, csv, is_usual

from grokscope.imports.printed import numbers_in
from grokscope.imports.sheets import Unimportable


def printed(line: Callable[[int, float, float], str]) -> str:
    return "".join(line(s, a, b) + "\n" for s, a, b in zip(STEPS, TRAIN, TEST, strict=True))


LOGS = {
    "words": printed(lambda s, a, b: f"step {s} loss 0.5 train_acc {a} val_acc {b}"),
    "signs": printed(lambda s, a, b: f"step={s}, loss=0.5, train_acc={a}, val_acc={b}"),
    "places": printed(lambda s, a, b: f"[{s}/5000] loss: 0.5 train acc: {a} val acc: {b}"),
    "a logger": printed(lambda s, a, b: f"2026-11-28 10:43:34,1 INFO loop:42 step {s:,}: train acc {a}, val acc {b}"),
    "a part a split": printed(lambda s, a, b: f"Iteration {s} | train: loss 0.5 acc {a} | val: loss 0.6 acc {b}"),
    "a line a split": printed(lambda s, a, b: f"[train] step {s} loss 0.5 acc {a}\n[val] step {s} loss 0.6 acc {b}"),
    "a progress bar": printed(
        lambda s, a, b: f" 45%|████▌     | step={s} [00:10<00:12, 4.5it/s, train_acc={a}, val_acc={b}]\r"
    ),
    "colours": printed(lambda s, a, b: f"\x1b[32mstep {s}\x1b[0m train_acc {a} \x1b[1mval_acc {b}\x1b[0m"),
    "percentages": printed(lambda s, a, b: f"Step: {s} Train Acc: {100 * a:.2f}% Val Acc: {100 * b:.2f} %"),
    "shares": printed(lambda s, a, b: f"step {s} train acc {10 * a:g}/10\nTest set: Accuracy: {b * 1000:.0f}/1000"),
    "dictionaries": printed(lambda s, a, b: str({"step": s, "train_acc": a, "val_acc": str(b)})),
    "two names of the step": printed(lambda s, a, b: f"step {s}: train acc {a}, val acc {b}\niter {s}: loss 0.5"),
    "objects behind words": printed(
        lambda s, a, b: f'2026-11-28 10:00:00 | INFO | valid | {{"num_updates": "{s}", "train_acc": {a}, "acc": "{b}"}}'
    ),
    "words around": "loading step by step\n" + printed(lambda s, a, b: f"step {s} train_acc {a} val_acc {b}\nsaved it"),
}  # fmt: skip


@pytest.mark.parametrize("text", LOGS.values(), ids=LOGS)
def test_every_shape_is_the_same_run(imports: Imports, text: str) -> None:
    assert is_usual(imports.one("train.log", text))


def test_numbers_below_an_epoch_are_of_it(imports: Imports) -> None:
    """As Keras prints them, whose place within the epoch is no step."""
    text = "".join(
        f"Epoch {n}/10\n1563/1563 ━━━━━━ 5s 3ms/step - accuracy: {a} - loss: 1.2 - val_accuracy: {b} - val_loss: 1\n"
        for n, (a, b) in enumerate(zip(TRAIN, TEST, strict=True), 1)
    )
    with pytest.raises(Unimportable, match="--steps-per-epoch N because Epoch counts epochs"):
        imports.one("keras.log", text)
    run = imports.one("keras.log", text, steps_per_epoch=1563)
    assert run.columns["step"].tolist() == [1563 * epoch for epoch in range(1, 11)]
    assert column(run, "test_accuracy") == TEST
    assert "10 lines without a step, read as of the step above" in imports.remarks


def test_numbers_above_the_first_step_are_settings(imports: Imports) -> None:
    text = "Namespace(lr=0.001, weight_decay=1.0, seed=3)\n" + LOGS["words"]
    facts = imports.one("train.log", text).facts
    assert (facts["optimizer.lr"], facts["optimizer.wd"], facts["train.seed"]) == (0.001, 1.0, 3)


def test_names_of_which_two_stand_in_a_line_are_told_apart(imports: Imports) -> None:
    text = printed(lambda s, a, b: f"step {s} train loss 0.5 acc {a} val loss 0.6 acc {b}")
    with pytest.raises(Unimportable, match="the columns are: step, train loss, acc, val loss, acc 2"):
        imports.one("train.log", text)
    assert is_usual(imports.one("train.log", text, columns={"test_accuracy": "acc 2"}))


def test_a_torn_end_is_left_out(imports: Imports) -> None:
    run = imports.one("train.log", LOGS["words"][:-2])
    assert column(run, "test_accuracy") == TEST[:-1]
    assert "is incomplete" in imports.remarks


def test_means_over_the_run_are_no_step(imports: Imports) -> None:
    """The last line that a trainer of Hugging Face prints."""
    text = printed(lambda s, a, b: str({"eval_accuracy": b, "epoch": s / 100}))
    run = imports.one("hf.log", text + "{'train_runtime': 3.1, 'train_loss': 7.5, 'epoch': 9.0}\n", steps_per_epoch=5)
    assert not run.has("train_loss")
    assert "it holds means over the run" in imports.remarks


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("Epoch: [3][100/5000]  Time  0.1 ( 0.1)  Loss 5.0e-1 (6.0e-1) Acc@1  76.1 (70.0)",
         {"Epoch": "3", "": "100", "Time": "0.1", "Loss": "5.0e-1", "Acc@1": "76.1"}),
        ("iter 10: loss nan, time 300.12ms, mfu 3.00%", {"iter": "10", "loss": "nan", "mfu": "3.00%"}),
        ("Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300", {"Epoch": "1", "": "0", "train Loss": "2.300"}),
        ("saved checkpoint-1000/model-2.pt at step 1000", {"step": "1000"}),
        ("1/9 - loss: 0.7\b\b\b\b9/9 - loss: 0.5", {"": "9", "loss": "0.5"}),
        ("x" * 10_000 + " step 3", {}),
        ('valid | {"step": "100", "loss": 0.5}', {"step": "100", "valid loss": "0.5"}),
        ("adam,100,loss,0.5", {}),
    ],
)  # fmt: skip
def test_what_is_a_number_with_a_name(line: str, numbers: dict[str, str]) -> None:
    assert numbers_in(line) == numbers


@pytest.mark.parametrize(
    "text", ["starting\nall is well\nfinished\n", "step acc\n", "the loss is 0.5 now\nand 0.4 later on\n"]
)
def test_prose_is_no_table(imports: Imports, text: str) -> None:
    with pytest.raises(Unimportable, match="holds no table, and no lines with named numbers"):
        imports.one("train.log", text)


def test_a_table_with_a_title_is_no_such_log(imports: Imports) -> None:
    title = "run 3 with loss 0.5 at step 10\n"
    assert is_usual(imports.one("r.csv", title + csv("step,train_acc,test_acc", STEPS, TRAIN, TEST)))
