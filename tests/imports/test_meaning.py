"""Strict about meaning: what could change a conclusion is judged from everything, or asked, and the advice works."""

import json
import math
from typing import Any, ClassVar

import pytest
from imports_made import CONTROL, GROKKED, RECORDS, STEPS, TEST, TRAIN, Imports, column, csv, is_usual, jsonl

from grokscope.imports.sheets import Unimportable


def percent(values: list[float]) -> list[float]:
    return [round(100 * value, 4) for value in values]


def refused(imports: Imports, name: str, content: str, **recipe: Any) -> str:
    with pytest.raises(Unimportable) as problem:
        imports.one(name, content, **recipe)
    return str(problem.value)


class TestScale:
    def test_a_control_shows_its_scale_by_its_training_accuracy(self, imports: Imports) -> None:
        """Its test accuracy never exceeds one per cent: the runs that never grok must not be those that get lost."""
        low = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
        text = csv("step,train_acc,test_acc", STEPS, percent(TRAIN), low)
        for scale in (None, "percent"):
            run = imports.one("control.csv", text, scale=scale, replace=True)
            assert column(run, "train_accuracy") == TRAIN
            assert column(run, "test_accuracy") == [round(value / 100, 6) for value in low]
            assert run.grok_step is None
        said = refused(imports, "control.csv", text, scale="fraction")
        assert "train_acc is 10, but accuracies must be between 0 and 1; give --percent" in said

    def test_an_explicit_scale_is_not_judged_again(self, imports: Imports) -> None:
        text = csv("step,test_acc", STEPS, [0.99] * 10)
        assert column(imports.one("mod101.csv", text, scale="percent"), "test_accuracy") == [0.0099] * 10
        run = imports.one("mod101.csv", text, replace=True)
        assert run.grok_step == 0
        assert "has grokked at its first record; if its accuracies are percentages, give --percent" in imports.remarks
        imports.one("mod101.csv", text, scale="fraction", replace=True)
        assert imports.remarks == ""

    @pytest.mark.parametrize("top", [1.0000001192, 1 + 9e-7])
    def test_rounding_above_one_is_one(self, imports: Imports, top: float) -> None:
        run = imports.one("over.csv", csv("step,train_acc,test_acc", STEPS, [a if a < 1 else top for a in TRAIN], TEST))
        assert is_usual(run)

    def test_rounding_above_a_hundred_is_a_hundred(self, imports: Imports) -> None:
        sums = [a if a < 100 else 100.0000076 for a in percent(TRAIN)]
        assert is_usual(imports.one("over.csv", csv("step,train_acc,test_acc", STEPS, sums, percent(TEST))))

    def test_little_over_one_is_asked_and_the_answer_works(self, imports: Imports) -> None:
        text = csv("step,test_acc", STEPS, [1.3] * 10)
        said = refused(imports, "chance.csv", text)
        assert "the largest accuracy in chance.csv is 1.3" in said
        assert "give --percent, or the right --column" in said
        assert column(imports.one("chance.csv", text, scale="percent"), "test_accuracy") == [0.013] * 10

    @pytest.mark.parametrize(
        ("value", "scale", "wrong"),
        [
            (150, None, "test_acc is 150, but accuracies must be between 0 and 100"),
            (150, "percent", "test_acc is 150, but accuracies must be between 0 and 100"),
            (-0.5, None, "test_acc is -0.5, but accuracies must be between 0 and 1"),
            (2, "fraction", "test_acc is 2, but accuracies must be between 0 and 1; give --percent"),
        ],
    )
    def test_what_is_no_accuracy(self, imports: Imports, value: float, scale: Any, wrong: str) -> None:
        assert wrong in refused(imports, "r.csv", csv("step,test_acc", [0, 1], [0.5, value]), scale=scale)

    def test_files_together_have_one_scale_or_are_asked_about(self, imports: Imports) -> None:
        """A control without training accuracy shows no scale by itself; beside a run that does, it is a question."""
        first = imports.file("a.csv", csv("step,test_acc", STEPS, percent(TEST)))
        second = imports.file("b.csv", csv("step,test_acc", STEPS, [0.9] * 10))
        with pytest.raises(
            Unimportable, match=r"percentages in a.csv, but none exceeds 1 in b.csv; give --percent if all"
        ):
            imports.take(first, second)
        runs = imports.take(first, second, scale="percent")
        assert [column(run, "test_accuracy")[-1] for run in runs] == [1.0, 0.009]
        runs = [imports.take(each, replace=True)[0] for each in (first, second)]
        assert [column(run, "test_accuracy")[-1] for run in runs] == [1.0, 0.9]

    def test_runs_of_one_file_have_one_scale(self, imports: Imports) -> None:
        text = csv("id,step,test_acc", ["a"] * 10 + ["b"] * 10, STEPS * 2, [*percent(TEST), *[0.9] * 10])
        runs = imports.take(imports.file("r.csv", text), run_column="id")
        assert [column(run, "test_accuracy")[-1] for run in runs] == [1.0, 0.009]


class TestNames:
    @pytest.mark.parametrize(
        ("step", "train", "test"),
        [
            ("step", "train_accuracy", "test_accuracy"),
            ("_step", "train/acc", "val/acc"),
            ("Step", "Train Accuracy", "Test Accuracy"),
            ("global_step", "trainAcc", "valAcc"),
            ("iteration", "training_acc", "validation_accuracy"),
            ("trainer/global_step", "Accuracy/train", "Accuracy/test"),
            ("Iter", "train_acc_epoch", "valid_acc_epoch"),
            ("train/global_step", "train/accuracy", "eval/accuracy"),
            ("steps", "train_acc", "dev_acc"),
        ],
    )
    def test_usual_names_are_known(self, imports: Imports, step: str, train: str, test: str) -> None:
        assert is_usual(imports.one("r.csv", csv(f"{step},{train},{test},epoch", STEPS, TRAIN, TEST, STEPS)))

    def test_usual_names_of_other_signals(self, imports: Imports) -> None:
        head = "step,eval_accuracy,eval_loss,train_loss,grad_norm,param_norm,loss"
        run = imports.one("r.csv", csv(head, STEPS, TEST, *([value] * 10 for value in (3, 2, 4, 5, 6))))
        found = {name: column(run, name)[0] for name in run.columns if name not in {"step", "test_accuracy"}}
        assert found == {"test_loss": 3, "train_loss": 2, "gradient_norm": 4, "weight_norm": 5}

    def test_where_two_columns_compete_nobody_guesses(self, imports: Imports) -> None:
        text = csv("step,train_acc,val_acc,eval_acc", STEPS, TRAIN, CONTROL, TEST)
        said = refused(imports, "r.csv", text)
        assert "val_acc and eval_acc could all be test_accuracy" in said
        assert "--column test_accuracy=val_acc or --column test_accuracy=eval_acc" in said
        assert is_usual(imports.one("r.csv", text, columns={"test_accuracy": "eval_acc"}))
        steps = csv("_step,iteration,train_acc,test_acc", range(10), STEPS, TRAIN, TEST)
        assert "--column step=iteration" in refused(imports, "s.csv", steps)
        assert is_usual(imports.one("s.csv", steps, columns={"step": "iteration"}))

    def test_of_what_is_not_needed_none_is_taken_then_and_that_is_said(self, imports: Imports) -> None:
        text = csv("step,Train Loss,training_loss,test_acc", STEPS, STEPS, STEPS, TEST)
        run = imports.one("s.csv", text)
        assert not run.has("train_loss")
        assert "train_loss is skipped: Train Loss and training_loss could all be train_loss" in imports.remarks

    def test_our_own_name_wins(self, imports: Imports) -> None:
        assert is_usual(imports.one("r.csv", csv("step,train_acc,test_accuracy,val_acc", STEPS, TRAIN, TEST, CONTROL)))

    def test_a_column_that_was_given_a_meaning_has_no_other(self, imports: Imports) -> None:
        text = csv("step,train_accuracy,val_acc", STEPS, TEST, CONTROL)
        run = imports.one("r.csv", text, columns={"test_accuracy": "train_accuracy"})
        assert column(run, "test_accuracy") == TEST
        assert not run.has("train_accuracy")

    def test_epochs_are_no_steps_unless_somebody_says_so(self, imports: Imports) -> None:
        text = csv("epoch,train_acc,test_acc", STEPS, TRAIN, TEST)
        said = refused(imports, "r.csv", text)
        assert "give --column step=NAME, or --steps-per-epoch N because epoch counts epochs" in said
        assert is_usual(imports.one("r.csv", text, columns={"step": "epoch"}))

    @pytest.mark.parametrize(
        ("recipe", "wrong"),
        [
            ({"columns": {"test_acc": "x"}}, r"there is no signal 'test_acc' \(did you mean test_accuracy\?\)"),
            (
                {"columns": {"test_accuracy": "vall"}},
                r"no column 'vall' \(did you mean val\?\); the columns are: step, val, lr",
            ),
            ({"run_column": "id"}, "no column 'id'"),
            ({"fact_columns": {"optimizer.lr": "rate"}}, "no column 'rate'"),
            ({}, r"known as test_accuracy; if val holds the accuracy, give --column test_accuracy=val"),
        ],
    )
    def test_what_is_not_there_is_named_with_what_is(
        self, imports: Imports, recipe: dict[str, Any], wrong: str
    ) -> None:
        with pytest.raises(Unimportable, match=wrong):
            imports.one("r.csv", "step,val,lr\n0,0.5,1\n", **recipe)


class TestSteps:
    def test_two_values_for_one_step(self, imports: Imports) -> None:
        text = "step,test_accuracy\n0,0.1\n100,0.2\n100,0.3\n"
        said = refused(imports, "r.csv", text)
        assert "line 4: step 100 has test_accuracy 0.3, but on line 3 it has 0.2" in said
        assert "--duplicates last" in said
        for duplicates, value in (("first", 0.2), ("last", 0.3)):
            run = imports.one("r.csv", text, duplicates=duplicates, replace=True)
            assert column(run, "test_accuracy") == [0.1, value]

    def test_the_same_value_twice_is_no_conflict(self, imports: Imports) -> None:
        text = csv(
            "step,train_acc,test_acc", [*STEPS[:5], *STEPS[4:]], [*TRAIN[:5], *TRAIN[4:]], [*TEST[:5], *TEST[4:]]
        )
        assert is_usual(imports.one("r.csv", text))

    def test_several_runs_in_a_file_are_told_apart_by_a_column(self, imports: Imports) -> None:
        text = csv("id,step,train_acc,test_acc", ["b"] * 10 + ["a"] * 10, STEPS * 2, TRAIN * 2, [*TEST, *CONTROL])
        assert "give --run-column" in refused(imports, "theirs.csv", text)
        b, a = imports.take(imports.files / "theirs.csv", run_column="id")
        assert imports.names() == ["theirs/a", "theirs/b"]
        assert is_usual(b)
        assert a.grok_step is None
        with pytest.raises(Unimportable, match=r"line 2 belongs to no run: the column 'id' is empty"):
            imports.one("gap.csv", text.replace("b,0,", ",0,"), run_column="id")


class TestFacts:
    def test_constant_settings_are_known_by_their_usual_names(self, imports: Imports) -> None:
        head = "step,test_acc,learning_rate,weight_decay,batch_size,seed"
        run = imports.one("r.csv", csv(head, STEPS, TEST, ["1e-3"] * 10, [1] * 10, [512] * 10, [7] * 10))
        kept = {key: value for key, value in run.facts.items() if key.startswith(("optimizer.", "train."))}
        assert kept == {"optimizer.lr": 1e-3, "optimizer.wd": 1, "train.batch_size": 512, "train.seed": 7}
        assert run.facts["origin"] == "import"

    @pytest.mark.parametrize("name", ["lr", "learning_rate", "lr-AdamW", "lr-Muon", "train/lr"])
    def test_a_rate_by_its_usual_names(self, imports: Imports, name: str) -> None:
        run = imports.one("r.csv", csv(f"step,test_acc,{name}", STEPS, TEST, [2e-3] * 10))
        assert run.facts["optimizer.lr"] == 2e-3

    def test_settings_beside_a_history(self, imports: Imports) -> None:
        document = {"name": "x", "args": {"lr": 2e-3, "weight_decay": 0.5, "betas": [0.9, 0.98]}, "history": RECORDS}
        facts = imports.one("r.json", json.dumps(document)).facts
        assert (facts["optimizer.lr"], facts["optimizer.wd"]) == (2e-3, 0.5)

    def test_what_a_person_says_wins(self, imports: Imports) -> None:
        text = csv("step,test_acc,lr", STEPS, TEST, [1e-3] * 10)
        run = imports.one("r.csv", text, facts={"optimizer.lr": 5e-3, "task.operation": "add", "colour": "red"})
        assert (run.facts["optimizer.lr"], run.facts["task.operation"], run.facts["colour"]) == (5e-3, "add", "red")

    def test_a_schedule_is_kept_as_such(self, imports: Imports) -> None:
        rates = [step / 1e6 for step in STEPS]
        run = imports.one("r.csv", csv("step,test_acc,learning_rate", STEPS, TEST, rates))
        assert run.facts["optimizer.lr"] == "0 to 0.0009"
        assert "the learning rate varies (0 to 0.0009) and is kept as a schedule" in imports.remarks
        events = [json.loads(line) for line in (imports.runs / "r" / "events.jsonl").read_text().splitlines()]
        assert [event["lr"] for event in events if event["event"] == "trained"] == rates

    def test_a_setting_that_was_named_does_not_vary(self, imports: Imports) -> None:
        text = csv("step,test_acc,decay", STEPS, TEST, [1] * 5 + [2] * 5)
        with pytest.raises(Unimportable, match="line 7: decay is 2, but run 'r' starts with 1; give --run-column"):
            imports.one("r.csv", text, fact_columns={"optimizer.wd": "decay"})
        run = imports.one("s.csv", text.replace("decay", "weight_decay"))
        assert run.facts["optimizer.wd"] == "1 to 2"
        assert "weight_decay varies within a run and is kept as a range: optimizer.wd 1 to 2" in imports.remarks

    @pytest.mark.parametrize("text", ["9" * 400, "1e999", "nan"])
    def test_a_number_past_every_float_is_text(self, imports: Imports, text: str) -> None:
        table = csv("step,test_acc,weight_decay", STEPS, TEST, [1] * 5 + [text] * 5)
        run = imports.one("r.csv", table)
        assert all(not isinstance(fact, float) or math.isfinite(fact) for fact in run.facts.values())

    def test_the_mean_over_a_run_is_no_record(self, imports: Imports) -> None:
        """Hugging Face's last line: its train_loss is a mean over all steps."""
        history = [{"step": s, "eval_accuracy": b, "eval_loss": 1.5} for s, b in zip(STEPS, TEST, strict=True)]
        state = {
            "max_steps": 5000, "train_batch_size": 8,
            "log_history": [*history, {"step": 900, "train_loss": 0.7, "train_runtime": 12.5}],
        }  # fmt: skip
        run = imports.one("trainer_state.json", json.dumps(state, indent=2))
        assert not run.has("train_loss")
        assert "means over the run" in imports.remarks
        assert (run.budget, run.facts["train.batch_size"]) == (5000, 8)


class TestBudget:
    def test_runs_that_come_together_have_one(self, imports: Imports) -> None:
        """Each its own last step would give the outcome away: runs are stopped when they have grokked."""
        grokked = imports.file("a.csv", csv("step,test_acc", STEPS, TEST))
        control = imports.file("b.csv", csv("step,test_acc", range(0, 5000, 500), CONTROL))
        runs = imports.take(grokked, control)
        assert [(run.steps, run.budget) for run in runs] == [(900, 4500), (4500, 4500)]

    def test_it_can_be_said_or_stand_in_a_column(self, imports: Imports) -> None:
        text = csv("id,step,test_acc,most", ["a"] * 10 + ["b"] * 10, STEPS * 2, TEST * 2, [2000] * 10 + [3000] * 10)
        file = imports.file("r.csv", text)
        runs = imports.take(file, run_column="id", fact_columns={"train.steps": "most"})
        assert [run.budget for run in runs] == [2000, 3000]
        assert [run.budget for run in imports.take(file, run_column="id", budget=7000, replace=True)] == [7000] * 2
        with pytest.raises(Unimportable, match="run 'r/a' has step 900; give a --budget above 500"):
            imports.take(file, run_column="id", budget=500, replace=True)


def test_the_criterion_is_the_users(imports: Imports) -> None:
    text = csv("step,test_acc", STEPS, TEST)
    assert imports.one("r.csv", text, consecutive=5).grok_step is None
    assert imports.one("r.csv", text, threshold=0.4, consecutive=1, replace=True).grok_step == 400
    assert imports.one("r.csv", text, replace=True).grok_step == GROKKED


def test_an_import_says_what_it_is(imports: Imports) -> None:
    """Origin, files with their digests, mapping and scale stand in its first event."""
    from hashlib import sha256

    from grokscope.events import typed

    text = jsonl(*({"_step": s, "val_acc": 100 * b} for s, b in zip(STEPS, TEST, strict=True)))
    imports.one("r.jsonl", text)
    events = [json.loads(line) for line in (imports.runs / "r" / "events.jsonl").read_text().splitlines()]
    for seq, event in enumerate(events):
        assert (typed(event).seq, event["v"], event["run"]) == (seq, 2, "r")
    started = events[0]
    assert (started["origin"], started["imported"]["scale"]) == ("import", "percent")
    assert started["imported"]["columns"] == {"step": "_step", "test_accuracy": "val_acc"}
    [file] = started["imported"]["files"]
    assert (file["name"], file["sha256"]) == ("r.jsonl", sha256(text.encode()).hexdigest())
    assert [event["event"] for event in events[-1:]] == ["finished"]
    assert [event["step"] for event in events if event["event"] == "grokked"] == [GROKKED]


def test_what_is_detected_is_what_the_fold_over_its_log_finds(imports: Imports) -> None:
    """All kinds of records and detections: columns settle what record by record would."""
    from grokscope.warning.watch import Watch

    losses = [3, 4, 5, 6, 6, 4, 2, 1, 0.5, 0.4]
    defects = [0.1, 0.2, 50, 60, 70, 80, 90, 9, 9, 9]
    head = "step,train_acc,test_acc,test_loss,defect,defect_floor,weight_norm,pc1"
    weights = [100, 90, 80, 70, 49, 40, 30, 20, 10, 5]
    columns = STEPS, TRAIN, TEST, losses, defects, [1e-3] * 10, weights, [0.1, 0.5, 0.9, 0.7, 0.5] * 2
    imports.one("r.csv", csv(head, *columns))
    events = [json.loads(line) for line in (imports.runs / "r" / "events.jsonl").read_text().splitlines()]
    watch = Watch(events[0])
    expected = [detection for event in events for detection in watch.see(event)]
    kinds = {"memorized", "onset", "turned", "grokked", "regressed", "fired"}
    found = [event for event in events if event["event"] in kinds]
    assert {event["event"] for event in found} == kinds - {"regressed"}
    ours = [(each.event, each.rule.name, each.step, each.confirmed_at) for each in expected]  # type: ignore[attr-defined]
    assert sorted(ours) == sorted((e["event"], e["rule"]["name"], e["step"], e["confirmed_at"]) for e in found)
    result = {key: value for key, value in watch.result().items() if key != "train"}
    assert events[-1]["result"].items() >= result.items()


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl"])
def test_values_that_are_not_finite_are_counted(imports: Imports, name: str) -> None:
    """Empty cells are no values, and are not counted."""
    odd: list[object] = list(TEST)
    odd[2], odd[4], odd[6] = "nan", "inf", ""
    if name.endswith("csv"):
        text = csv("step,test_acc", STEPS, odd)
    else:
        records = [{"step": step, "test_acc": value or None} for step, value in zip(STEPS, odd, strict=True)]
        text = "".join(json.dumps(each) + "\n" for each in records)
    run = imports.one(name, text)
    assert len(run.columns["step"]) >= len(STEPS) - 3
    assert f"{name}: 2 values of test_acc not finite" in imports.remarks


class TestStepsOfEpochs:
    """A table without steps, of which a person says how many an epoch has."""

    ENDS: ClassVar = [250 * number for number in range(1, 11)]
    """The steps at which ten epochs of 250 steps end"""

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("r.csv", csv("epoch,train_acc,test_acc", range(10), TRAIN, TEST), "(epoch + 1) × 250"),
            ("r.csv", csv("Epoch,train_acc,test_acc", range(1, 11), TRAIN, TEST), "Epoch × 250"),
            ("r.csv", csv("accuracy,val_accuracy", TRAIN, TEST), "record × 250"),
            ("r.csv", csv(",acc,val_acc", range(10), TRAIN, TEST), "record × 250"),
            ("r.json", json.dumps({"accuracy": TRAIN, "val_accuracy": TEST}), "record × 250"),
            ("r.json", json.dumps({"history": {"sparse_categorical_accuracy": TRAIN,
                                               "val_sparse_categorical_accuracy": TEST}}), "record × 250"),
            ("r.json", json.dumps({name: {str(row): value for row, value in enumerate(values)}
                                   for name, values in (("acc", TRAIN), ("val_acc", TEST))}), "record × 250"),
            ("r.json", json.dumps({str(row): {"acc": a, "val_acc": b}
                                   for row, (a, b) in enumerate(zip(TRAIN, TEST, strict=True))}), "record × 250"),
            ("r.json", json.dumps({"columns": ["acc", "val_acc"], "index": list(range(10)),
                                   "data": list(zip(TRAIN, TEST, strict=True))}), "record × 250"),
            ("r.jsonl", jsonl(*({"epoch": row / 2, "train_acc": a, "test_acc": b}
                                for row, (a, b) in enumerate(zip(TRAIN, TEST, strict=True), 2))), "epoch × 500"),
        ],
    )  # fmt: skip
    def test_every_record_is_where_its_epoch_ends(self, imports: Imports, name: str, content: str, said: str) -> None:
        per_epoch = int(said.rpartition(" ")[2])
        run = imports.one(name, content, steps_per_epoch=per_epoch)
        ends = [end + 250 for end in self.ENDS] if per_epoch == 500 else self.ENDS
        assert run.columns["step"].tolist() == ends
        assert (column(run, "train_accuracy"), column(run, "test_accuracy")) == (TRAIN, TEST)
        assert imports.done is not None
        assert imports.done.runs[0].run.taken["step"] == said

    def test_a_column_of_epochs_may_have_any_name(self, imports: Imports) -> None:
        text = csv("round,train_acc,test_acc", range(10), TRAIN, TEST)
        run = imports.one("r.csv", text, steps_per_epoch=250, columns={"step": "round"})
        assert run.columns["step"].tolist() == self.ENDS

    def test_steps_that_are_there_are_taken(self, imports: Imports) -> None:
        text = csv("epoch,step,train_acc,test_acc", range(10), STEPS, TRAIN, TEST)
        assert is_usual(imports.one("r.csv", text, steps_per_epoch=250))

    def test_what_has_neither_is_said(self, imports: Imports) -> None:
        text = csv("run,accuracy,val_accuracy", "aaaaabbbbb", TRAIN, TEST)
        assert "--steps-per-epoch N if each record is the end of an epoch" in refused(imports, "r.csv", text)
        with pytest.raises(Unimportable, match="several runs and counts no epochs; give --column step=NAME"):
            imports.one("r.csv", text, steps_per_epoch=250, run_column="run")

    def test_two_records_of_an_epoch_are_two_values_of_a_step(self, imports: Imports) -> None:
        text = csv("epoch,train_acc,test_acc", [row // 2 for row in range(10)], TRAIN, TEST)
        with pytest.raises(Unimportable, match="step 250 has train_accuracy"):
            imports.one("r.csv", text, steps_per_epoch=250)
