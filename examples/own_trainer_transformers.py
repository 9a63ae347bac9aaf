"""Probe a model that Hugging Face's Trainer trains: one line, the callback. A tiny GPT-2 on sums modulo 7.

python examples/own_trainer_transformers.py [STEPS] [RUN]
"""

import argparse
import sys
import tempfile

from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

import grokscope

MODULUS = 7


def main(steps: int, run: str) -> None:
    rows = [[a, b, (a + b) % MODULUS] for a in range(MODULUS) for b in range(MODULUS)]
    examples = [{"input_ids": row, "labels": [-100, -100, row[2]]} for row in rows]
    size = GPT2Config(vocab_size=MODULUS, n_positions=3, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            GPT2LMHeadModel(size),
            TrainingArguments(
                folder, max_steps=steps, per_device_train_batch_size=16, learning_rate=1e-3, weight_decay=1.0,
                logging_steps=10, eval_strategy="steps", eval_steps=10, save_strategy="no", report_to=[], use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=examples[::2],
            eval_dataset=examples[1::2],
            callbacks=[grokscope.own.transformers.ProbeCallback(run=run, every=10)],
        ).train()  # fmt: skip
    print(f"{grokscope.open(run).state.word}; recorded in {run}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="?", type=int, default=100)
    parser.add_argument("run", nargs="?", default="runs/own-transformers")
    asked = parser.parse_args()
    try:
        main(asked.steps, asked.run)
    except (grokscope.CannotProbe, KeyboardInterrupt) as problem:
        sys.exit(str(problem) or "interrupted")
