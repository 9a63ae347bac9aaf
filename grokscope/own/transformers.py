"""The callback for Hugging Face's `Trainer`: `Trainer(…, callbacks=[ProbeCallback(run="runs/mine")])`."""

from os import PathLike
from typing import Any

from transformers import TrainerCallback

from grokscope.own.callbacks import CallbackProbe


class ProbeCallback(TrainerCallback):
    """Measures the model while `Trainer` trains it, in its first process alone.

    `grokscope control RUN stop` ends the training, `resume_from_checkpoint` goes on with the run. What `Trainer` logs
    and evaluates is recorded: `eval_loss` and `eval_accuracy` are those of the test split.
    """

    def __init__(self, run: str | PathLike[str] | None = None, **options: Any) -> None:
        """`options`: those of `grokscope.Probe`, and `loss` or `batches` where they are not the model's own loss and
        the trainer's own training data. Whatever is wrong with them is said when training begins, before its first
        step (`grokscope.CannotProbe`)."""
        self._probe = CallbackProbe(run, options)

    def on_train_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        if state.is_world_process_zero:
            self._probe.begin(
                known["model"], model_loss, known["train_dataloader"], state.global_step, mode="train",
                optimizer=getattr(known["optimizer"], "optimizer", known["optimizer"]),
                batch_size=args.train_batch_size, steps=state.max_steps,
            )  # fmt: skip

    def on_step_end(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        if not self._probe.stepped():
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **known: Any) -> None:
        if logs and "loss" in logs:
            self._probe.trained(logs["loss"], logs.get("grad_norm"))

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **known: Any) -> None:
        self._probe.reported(metrics or {})

    def on_train_end(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        self._probe.finish()


def model_loss(model: Any, batch: Any) -> Any:
    """The loss that a model of Hugging Face returns for a batch with labels. Where accelerate has put autocast around
    the forward pass, it is passed by."""
    forward = getattr(model, "_original_forward", model)
    return forward(**batch).loss
