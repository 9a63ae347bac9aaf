"""The callbacks for Hugging Face's `Trainer` and for Lightning: one line in a script, and nothing else is changed."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from own_made import digest, events_of
from torch import nn

import grokscope
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, send
from grokscope.training import control

QUICK: dict[str, Any] = {"every": 2, "samples": 1, "baseline_samples": 1, "on_error": "raise"}

pytestmark = [
    pytest.mark.filterwarnings("ignore:the loss of one batch is random:grokscope.ProbeWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*(num_workers|litlogger|tensorboardX|pin_memory|log_every_n_steps|logging).*"),
]


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "INBOX_POLL_SECONDS", 0.0)


class Stopping:
    """Asks the run to stop at a step."""

    def __init__(self, run: Path, step: int) -> None:
        self._run, self._step = run, step

    def at(self, step: int) -> None:
        if step == self._step:
            send(RunDirectory(self._run).control, Command(action="stop"))


def failing(model: Any) -> float:
    raise KeyError("labels")


# --- Hugging Face -----------------------------------------------------------------------------------------------------


def gpt2(folder: Path, callbacks: list[Any], **arguments: Any) -> Any:
    """A tiny GPT-2 of random weights, dropout and all, on tokens that come again."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    transformers.set_seed(0)
    size = transformers.GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=2, n_head=2)
    model = transformers.GPT2LMHeadModel(size)
    tokens = torch.randint(11, (24, 8)).tolist()
    rows = [{"input_ids": row, "labels": row} for row in tokens]
    asked = {"max_steps": 4, "logging_steps": 1, "save_strategy": "no", "eval_strategy": "steps", "eval_steps": 2}
    settings = transformers.TrainingArguments(
        output_dir=str(folder), per_device_train_batch_size=4, report_to=[], use_cpu=True, disable_tqdm=True,
        **asked | arguments,
    )  # fmt: skip
    return transformers.Trainer(model, settings, train_dataset=rows, eval_dataset=rows[:8], callbacks=callbacks)


def hearing(seen: list[str]) -> Any:
    """A callback that notes the digest of everything at every step, gradients included."""
    transformers = pytest.importorskip("transformers")

    class Hearing(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **known: Any) -> None:
            optimizer = getattr(known["optimizer"], "optimizer", known["optimizer"])
            assert any(parameter.grad is not None for parameter in known["model"].parameters())
            seen.append(digest(known["model"], optimizer, []))

    return Hearing()


def told(trainer: Any) -> list[Any]:
    """What the trainer logs, without the clock."""
    clock = ("runtime", "per_second", "flos")
    return [{k: v for k, v in entry.items() if not k.endswith(clock)} for entry in trainer.state.log_history]


@pytest.mark.parametrize("arguments", [{}, {"gradient_accumulation_steps": 2}, {"bf16": True}], ids=str)
def test_gpt2_comes_to_the_same_bits(arguments: dict[str, Any], tmp_path: Path) -> None:
    def trained(callbacks: list[Any]) -> tuple[list[str], list[Any]]:
        seen: list[str] = []
        trainer = gpt2(tmp_path, [*callbacks, hearing(seen)], **arguments)
        trainer.train()
        seen.append(digest(trainer.model, getattr(trainer.optimizer, "optimizer", trainer.optimizer), []))
        assert len(seen) == 5
        return seen, told(trainer)

    alone = trained([])
    probe = grokscope.own.transformers.ProbeCallback(run=tmp_path / "mine", **QUICK)  # type: ignore[attr-defined]
    assert trained([probe]) == alone
    run = tmp_path / "mine"
    assert [event["step"] for event in events_of(run, "measured")] == [0, 2, 4]
    assert [event["step"] for event in events_of(run, "trained")] == [2, 4]
    evaluated = events_of(run, "evaluated")
    assert [event["step"] for event in evaluated] == [2, 4]
    assert evaluated[0]["test"]["accuracy"] is None
    started = events_of(run)[0]
    assert (started["config"]["train"]["steps"], started["config"]["train"]["batch_size"]) == (4, 4)
    assert started["config"]["optimizer"]["name"] == "AdamW"
    assert events_of(run)[-1]["status"] == "completed"


def test_a_trainer_of_hugging_face_stops_and_goes_on(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    run = tmp_path / "mine"

    class Asking(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:
            Stopping(run, 1).at(state.global_step)

    def probe() -> Any:
        return grokscope.own.transformers.ProbeCallback(run=run, **QUICK)  # type: ignore[attr-defined]

    saving = {"save_strategy": "steps", "save_steps": 2}
    trainer = gpt2(tmp_path / "hf", [probe(), Asking()], **saving)
    trainer.train()
    assert trainer.state.global_step == 2
    assert events_of(run)[-1]["status"] == "stopped"
    trainer = gpt2(tmp_path / "hf", [probe()], **saving)
    with pytest.warns(grokscope.ProbeWarning, match="distance_from_start .* parameters at step 0 are not known"):
        trainer.train(resume_from_checkpoint=True)
    assert [event["step"] for event in events_of(run, "started")] == [0, 2]
    assert [event["step"] for event in events_of(run, "measured")] == [0, 2, 4]


# --- Lightning --------------------------------------------------------------------------------------------------------


def fitted(folder: Path, callbacks: list[Any], *, manual: bool = False, checkpoint: str | None = None,
           **arguments: Any) -> tuple[Any, Any]:  # fmt: skip
    """A module of Lightning's that logs, with dropout and batch norm, and the trainer that has trained it."""
    lightning = pytest.importorskip("lightning")
    lightning.seed_everything(0, verbose=False)

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = not manual
            self.net = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.Dropout(0.1), nn.Linear(12, 5))

        def training_step(self, batch: Any, index: int) -> Any:
            loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            right = (self.net(batch[0]).argmax(1) == batch[1]).float().mean()
            self.log_dict({"val_acc": right, "val_speed": 1.0})

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-2)

    data = torch.utils.data.TensorDataset(torch.randn(24, 6), torch.randint(5, (24,)))
    loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
    module = Module()
    asked = {"max_steps": 4, "val_check_interval": 2, "check_val_every_n_epoch": None, "enable_checkpointing": False}
    trainer = lightning.Trainer(
        default_root_dir=folder, accelerator="cpu", devices=1, logger=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=callbacks, **asked | arguments,
    )  # fmt: skip
    trainer.fit(module, loader, torch.utils.data.DataLoader(data, batch_size=8), ckpt_path=checkpoint)
    return trainer, module


@pytest.mark.parametrize("arguments", [{}, {"accumulate_grad_batches": 2}, {"precision": "bf16-mixed"}], ids=str)
def test_a_lightning_module_comes_to_the_same_bits(arguments: dict[str, Any], tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")

    def trained(callbacks: list[Any]) -> tuple[list[str], dict[str, float]]:
        seen: list[str] = []

        class Hearing(lightning.Callback):  # type: ignore[misc, name-defined]
            """Notes the digest of everything at every step, gradients included."""

            def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
                assert any(parameter.grad is not None for parameter in module.parameters())
                seen.append(digest(module, getattr(optimizer, "optimizer", optimizer), []))

        trainer, module = fitted(tmp_path, [*callbacks, Hearing()], **arguments)
        seen.append(digest(module, trainer.optimizers[0], []))
        assert len(seen) == 5
        return seen, {name: value.item() for name, value in trainer.callback_metrics.items()}

    alone = trained([])
    probe = grokscope.own.lightning.ProbeCallback(tmp_path / "mine", **QUICK)  # type: ignore[attr-defined]
    assert trained([probe]) == alone
    run = tmp_path / "mine"
    assert [event["step"] for event in events_of(run, "measured")] == [0, 2, 4]
    assert [event["step"] for event in events_of(run, "trained")] == [2, 4]
    assert all(0 <= event["test"]["accuracy"] <= 1 for event in events_of(run, "evaluated"))
    assert events_of(run)[0]["config"]["train"] == {"seed": 0, "steps": 4, "batch_size": 4}
    assert events_of(run)[-1]["status"] == "completed"


def test_lightning_stops_goes_on_and_is_interrupted(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")
    run = tmp_path / "mine"

    class Asking(lightning.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            Stopping(run, 1).at(trainer.global_step)

    class Failing(lightning.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            if trainer.global_step == 3:
                raise ArithmeticError

    def probe() -> Any:
        return grokscope.own.lightning.ProbeCallback(run, **QUICK)  # type: ignore[attr-defined]

    trainer, _ = fitted(tmp_path, [probe(), Asking()], limit_train_batches=2)
    assert trainer.global_step == 2
    assert events_of(run)[-1]["status"] == "stopped"
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    with pytest.raises(ArithmeticError):
        fitted(tmp_path, [probe(), Failing()], limit_train_batches=2, checkpoint=str(tmp_path / "own.ckpt"))
    assert [event["step"] for event in events_of(run, "started")] == [0, 2]
    assert events_of(run)[-1]["status"] == "interrupted"


@pytest.mark.parametrize("framework", ["lightning", "transformers"])
def test_what_cannot_be_scored_is_refused_before_the_first_step(framework: str, tmp_path: Path) -> None:
    pytest.importorskip(framework)
    kind = getattr(grokscope.own, framework).ProbeCallback  # type: ignore[attr-defined]
    probe = kind(tmp_path / "mine", **{**QUICK, "on_error": "warn", "evaluate": {"test": failing}})
    train = gpt2(tmp_path, [probe]).train if framework == "transformers" else partial(fitted, tmp_path, [probe])
    with pytest.raises(grokscope.CannotProbe, match=r"evaluate=.* cannot be scored: KeyError: 'labels'"):
        train()
    assert not (tmp_path / "mine").exists()


def test_a_module_that_steps_by_itself_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    probe = grokscope.own.lightning.ProbeCallback(tmp_path / "mine", **QUICK)  # type: ignore[attr-defined]
    with pytest.raises(grokscope.CannotProbe, match="takes optimizer steps of its own"):
        fitted(tmp_path, [probe], manual=True)
    assert json.dumps([*tmp_path.glob("mine/*")]) == "[]"
