"""Usual names of columns and settings: `val_acc`, `eval/accuracy` and `Accuracy/test` are the same signal.

A name is split into words, so that spelling does not matter. A name with an unknown word is not recognized, because a
wrong guess is worse than a question.
"""

import re
from collections.abc import Mapping

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation"), "test"),
}
"""Words for the split of the data"""

_MEASURES: Mapping[str, str] = {"acc": "accuracy", "accuracy": "accuracy", "loss": "loss"}
_NEUTRAL = frozenset({"epoch", "sparse", "categorical", "binary"})
"""Words that may stand beside a split and a measure, as Lightning names the mean over an epoch, and Keras accuracies"""
_STEPS = frozenset({"step", "steps", "global step", "trainer global step", "iteration",
                    "iterations", "iter", "iter num", "update", "updates", "num updates"})  # fmt: skip
_NORMS: Mapping[str, str] = {
    **dict.fromkeys(("grad", "gradient"), "gradient_norm"),
    **dict.fromkeys(("weight", "weights", "param", "params", "parameter", "parameters"), "weight_norm"),
}
_FACTS: Mapping[str, str] = {
    **dict.fromkeys(("lr", "learning rate"), "optimizer.lr"),
    **dict.fromkeys(("wd", "weight decay"), "optimizer.wd"),
    **dict.fromkeys(("seed", "random seed"), "train.seed"),
    **dict.fromkeys(("bs", "batch size"), "train.batch_size"),
    **dict.fromkeys(("max steps", "total steps"), "train.steps"),
}
_LIGHTNING_LR = re.compile(r"lr-[A-Z][A-Za-z]*")
"""The rate as Lightning's monitor names it, after the class of the optimizer"""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(name: str) -> list[str]:
    """The words in a name, in lower case: `valAcc` and `val/acc` are `val`, `acc`."""
    return [word.lower() for word in _WORD.findall(name)]


def usual_signal(name: str) -> str | None:
    """The signal that usually has this name; `loss` is the loss of the batch. None for an unknown name."""
    words = words_of(name)
    own = words[1:] if words[:1] and words[0] in SPLITS else words
    if " ".join(own) in _STEPS:
        return "step"
    splits = {SPLITS[word] for word in words if word in SPLITS}
    if words[-1:] == ["norm"]:
        norms = [_NORMS.get(word) for word in words[:-1] if word not in SPLITS]
        return norms[0] if len(norms) == 1 and splits <= {"train"} else None
    rest = [word for word in words if word not in SPLITS and word not in _NEUTRAL]
    measure = _MEASURES.get(rest[0]) if len(rest) == 1 else None
    if measure is None or len(splits) > 1:
        return None
    return f"{splits.pop()}_{measure}" if splits else "loss" if measure == "loss" else None


def is_bare_accuracy(name: str) -> bool:
    """Whether a name says that it is an accuracy, and not of which split."""
    return [_MEASURES.get(word, word) for word in words_of(name) if word not in _NEUTRAL] == ["accuracy"]


def usual_fact(name: str) -> str | None:
    """The dotted key of the setting that usually has this name. None for an unknown name."""
    if _LIGHTNING_LR.fullmatch(name):
        return "optimizer.lr"
    words = words_of(name)
    return _FACTS.get(" ".join(words[1:] if words[:1] == ["train"] else words))
