"""Probe a module that Lightning trains: one line, the callback. An MLP on sums modulo 7.

python examples/own_trainer_lightning.py [STEPS] [RUN]
"""

import argparse
import sys
from typing import Any

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import grokscope

MODULUS = 7


class Adder(lightning.LightningModule):
    """Nothing of it knows grokscope. What it logs as val_loss and val_acc is recorded as the test split."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Embedding(MODULUS, 16), nn.Flatten(), nn.Linear(32, 64), nn.ReLU(),
                                 nn.Linear(64, MODULUS))  # fmt: skip

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, index: int) -> None:
        logits = self.net(batch[0])
        right = (logits.argmax(1) == batch[1]).float().mean()
        self.log_dict({"val_loss": nn.functional.cross_entropy(logits, batch[1]), "val_acc": right})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=1.0)


def main(steps: int, run: str) -> None:
    pairs = torch.cartesian_prod(torch.arange(MODULUS), torch.arange(MODULUS))
    sums = pairs.sum(1) % MODULUS
    train, test = (TensorDataset(pairs[i::2], sums[i::2]) for i in range(2))
    lightning.Trainer(
        max_steps=steps, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, check_val_every_n_epoch=5,
        callbacks=[grokscope.own.lightning.ProbeCallback(run, every=10)],
    ).fit(Adder(), DataLoader(train, batch_size=25, shuffle=True), DataLoader(test, batch_size=25))  # fmt: skip
    print(f"{grokscope.open(run).state.word}; recorded in {run}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="?", type=int, default=100)
    parser.add_argument("run", nargs="?", default="runs/own-lightning")
    asked = parser.parse_args()
    try:
        main(asked.steps, asked.run)
    except (grokscope.CannotProbe, KeyboardInterrupt) as problem:
        sys.exit(str(problem) or "interrupted")
