"""The callback for Lightning: `Trainer(callbacks=[ProbeCallback("runs/mine")])`."""

import math
from os import PathLike
from typing import Any

from lightning.pytorch.callbacks import Callback

from grokscope.contract.own_models import CannotProbe
from grokscope.own.callbacks import CallbackProbe


class ProbeCallback(Callback):
    """Measures a `LightningModule` while it is trained, in the first process alone.

    The loss is that of `training_step`, with `self.log` muted. `grokscope control RUN stop` ends the training, a
    checkpoint of Lightning's goes on with the run. Of what is logged in validation, `val_loss` and `val_acc` (or
    `val_accuracy`) are recorded, as those of the test split.
    """

    def __init__(self, run: str | PathLike[str] | None = None, **options: Any) -> None:
        """`options`: those of `grokscope.Probe`, and `loss` or `batches` where they are not the module's training step
        and its training data. Whatever is wrong with them is said when training begins, before its first step
        (`grokscope.CannotProbe`)."""
        self._own_loss = "loss" in options
        self._probe = CallbackProbe(run, options)
        self._steps = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        if not (pl_module.automatic_optimization or self._own_loss):
            raise CannotProbe(
                "training_step takes optimizer steps of its own here: give the probe a loss(model, batch)"
            )
        self._steps = trainer.global_step
        expected = trainer.estimated_stepping_batches
        self._probe.begin(
            pl_module, step_loss, trainer.train_dataloader, self._steps,
            optimizer=trainer.optimizers[0] if len(trainer.optimizers) == 1 else None,
            steps=int(expected) if math.isfinite(expected) else None,
        )  # fmt: skip

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self._steps:  # gradients accumulate
            return
        self._steps = trainer.global_step
        if not self._probe.stepped(outputs.get("loss") if isinstance(outputs, dict) else outputs):
            trainer.should_stop = True

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._probe.reported(trainer.callback_metrics)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._probe.finish()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._probe.finish("interrupted")


def step_loss(module: Any, batch: Any) -> Any:
    """The loss of a training step that logs nothing; the probe puts the module's attributes back behind it."""
    vars(module).update(log=_unheard, log_dict=_unheard)
    outputs = module.training_step(batch, 0)
    return outputs["loss"] if isinstance(outputs, dict) else outputs


def _unheard(*_: Any, **__: Any) -> None:
    """Nothing is logged."""
