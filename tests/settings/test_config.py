"""Settings in layers, TOML there and back, and sentences for a person where something is wrong."""

from pathlib import Path
from typing import Any

import pytest

from grokscope.contract.tasks import TaskSpec
from grokscope.registry import get, names
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.settings.config import (
    FLAGS,
    ConfigError,
    RunConfig,
    known_keys,
    read_assignments,
    read_environment,
    read_settings_file,
    resolve,
)
from grokscope.settings.values import read_value
from grokscope.training.launch import CHANGEABLE_ON_RESUME, resumed_config

MODULAR = get("tasks", "modular")
PRESETS = [(name, preset) for name in names("tasks") for preset in get("tasks", name).presets]

each_preset = pytest.mark.parametrize(("name", "preset"), PRESETS)


def reread(task: TaskSpec, config: RunConfig, file: Path) -> RunConfig:
    file.write_text(config.to_toml(), encoding="utf-8")
    layer = read_settings_file(file)
    return resolve(task, layer, preset=layer["preset"])[0]


class TestToml:
    @each_preset
    def test_a_resolved_preset_comes_back(self, tmp_path: Path, name: str, preset: str) -> None:
        task = get("tasks", name)
        config, options = resolve(task, preset=preset)
        assert reread(task, config, tmp_path / "config.toml") == config
        assert config.preset == preset
        assert task.options.model_validate({k: v for k, v in config.task.items() if k != "name"}) == options

    def test_what_looks_at_snapshots_wants_some(self) -> None:
        with pytest.raises(ConfigError, match=r"^signal pc1 needs snapshots; set snapshot.every too$"):
            resolve(MODULAR, {"observe.signals": "pc1"})

    def test_every_setting_comes_back(self, tmp_path: Path) -> None:
        changed: dict[str, Any] = {
            "task.operation": "mul", "task.modulus": 7, "task.train_fraction": 0.3, "task.split_seed": 5,
            "task.false_labels": 0.1,
            "model.width": 16, "model.layers": 1, "model.heads": 2, "model.feed_forward": 8,
            "model.identical_layers": False, "model.source_padding_attended": True, "model.residual": "spherical",
            "model.cosine_scale": 3.0, "model.attention": "uniform", "model.loss": "stablemax",
            "optimizer.name": "sgd", "optimizer.momentum": 0.5, "optimizer.decay": "matrices", "optimizer.warmup": 2,
            "optimizer.schedule": "cosine", "optimizer.lr": 0.1 + 0.2,
            "optimizer.wd": 0.0, "optimizer.beta1": 0.8, "optimizer.beta2": 0.9, "optimizer.epsilon": 1e-7,
            "optimizer.clip": 0.0, "train.seed": 1, "train.steps": 3, "train.batch_size": 4,
            "train.stop_after_grok": -1, "train.replicate": 1, "evaluate.every": 6, "measure.every": 7,
            "measure.samples": 8, "observe.signals": ("pc1", "finite_difference_defect"),
            "measure.estimator": "finite-difference", "measure.precision": "float64", "measure.eta": 1e-4,
            "measure.baseline_samples": 9, "measure.blocks": True, "log.every": 11, "detect.memorization": 0.5,
            "detect.onset": "paper", "detect.grokking": "strict", "forecast.enabled": False,
            "forecast.bank": "my.jsonl", "interventions.schedule": ("kick@5", "noise@onset:every=3"),
            "snapshot.every": 12, "checkpoint.every": 13,
            "backend.name": "torch", "backend.device": "cpu", "backend.precision": "float64", "backend.threads": 2,
        }  # fmt: skip
        assert changed.keys() == set(known_keys(MODULAR)) - {"preset", "task.name"}
        config, _ = resolve(MODULAR, changed)
        assert reread(MODULAR, config, tmp_path / "config.toml") == config
        default = resolve(MODULAR)[0].model_dump()
        for key, value in changed.items():
            section, _, name = key.partition(".")
            assert config.model_dump()[section][name] == value != default[section][name]

    def test_neither_there_nor_toml(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"there is no .*none\.toml"):
            read_settings_file(tmp_path / "none.toml")
        (tmp_path / "bad.toml").write_text("lr == 1")
        with pytest.raises(ConfigError, match="is not TOML"):
            read_settings_file(tmp_path / "bad.toml")


class TestLayers:
    def test_later_ones_win(self) -> None:
        layers: list[dict[str, Any]] = []
        found = [resolve(MODULAR, preset="quick")[0].optimizer.lr]
        for lr in (0.5, 0.25, 0.125):
            layers.append({"optimizer.lr": lr})
            found.append(resolve(MODULAR, *layers, preset="quick")[0].optimizer.lr)
        assert found == [MODULAR.presets["quick"]["optimizer.lr"], 0.5, 0.25, 0.125]

    def test_a_preset_outranks_the_defaults(self) -> None:
        assert resolve(MODULAR)[0].train.steps == MODULAR.presets["paper"]["train.steps"] != 20_000
        assert resolve(MODULAR, preset="quick")[0].train.steps == MODULAR.presets["quick"]["train.steps"]
        assert RunConfig(task={"name": "modular"}).train.steps == 20_000

    def test_a_layer_leaves_alone_what_it_does_not_name(self) -> None:
        before, after = (resolve(MODULAR, layer)[0].model_dump() for layer in ({}, {"optimizer.lr": 0.5}))
        before["optimizer"]["lr"] = 0.5
        assert after == before

    def test_environment(self) -> None:
        environment = {
            "GROKSCOPE_LR": "0.5", "GROKSCOPE_BACKEND": "mlx", "GROKSCOPE_TASK_MODULUS": "11",
            "GROKSCOPE_MEASURE_BLOCKS": "true", "GROKSCOPE_WD": "", "GROKSCOPE_RUNS": "here", "LR": "7",
            "GROKSCOPE_PRESET": "0",
        }  # fmt: skip
        assert read_environment(MODULAR, environment) == {
            "optimizer.lr": 0.5, "backend.name": "mlx", "task.modulus": 11, "measure.blocks": True,
            "preset": "0",
        }  # fmt: skip

    def test_assignments(self) -> None:
        layer = read_assignments(["optimizer.lr=1e-3", "task.operation = mul", "measure.blocks=true", 'preset="a=b"'])
        assert layer == {"optimizer.lr": 1e-3, "task.operation": "mul", "measure.blocks": True, "preset": "a=b"}
        with pytest.raises(ConfigError, match=r"--set needs section.key=value, not 'lr'"):
            read_assignments(["lr"])

    def test_flags_set_what_there_is(self) -> None:
        assert set(FLAGS.values()) <= set(known_keys(MODULAR))


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"optimiser.lr": 1.0}, r"no setting 'optimiser.lr'; the nearest is optimizer.lr"),
            ({"task.moduls": 7}, r"the nearest is task.modulus"),
            ({"zzzzzz": 7}, r"there is no setting 'zzzzzz'$"),
            ({"optimizer.lr": -1}, r"optimizer.lr: input should be greater than 0 \(it is -1\)"),
            ({"task.operation": "pow"}, r"task.operation: input should be .*\(it is 'pow'\)"),
            ({"detect.grokking": "soon"}, r"detect.grokking must be one of sustained-0.98, .*not 'soon'"),
            ({"task.name": "scan"}, r"the configuration is for scan, not for modular"),
            ({"optimizer.lr": float("nan")}, r"optimizer.lr must be a finite number, not nan"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_sentences(self, settings: dict[str, Any], sentence: str) -> None:
        with pytest.raises(ConfigError, match=sentence):
            resolve(MODULAR, settings)

    def test_unknown_preset(self) -> None:
        with pytest.raises(ConfigError, match="modular has no preset 'fast'; it has: paper, quick, small"):
            resolve(MODULAR, preset="fast")

    def test_a_model_that_cannot_be(self) -> None:
        config, options = resolve(MODULAR, {"model.width": 10})
        with pytest.raises(ConfigError, match=r"\[model\]: width 10 is not a multiple of 4 heads"):
            config.model_of(MODULAR.load(options, 0).model)


def test_no_clipping_is_zero_in_a_file_and_none_in_the_optimizer() -> None:
    assert resolve(MODULAR, {"optimizer.clip": 0})[0].optimizer_at(0).clip is None
    assert resolve(MODULAR, {"optimizer.clip": 0.5})[0].optimizer_at(0).clip == 0.5


class TestResumed:
    @pytest.fixture
    def directory(self, tmp_path: Path) -> RunDirectory:
        config, _ = resolve(MODULAR, {"optimizer.lr": 0.5, "task.modulus": 7}, preset="quick")
        (tmp_path / "config.toml").write_text(config.to_toml())
        return RunDirectory(tmp_path)

    def test_keeps_its_own(self, directory: RunDirectory) -> None:
        task, config, options = resumed_config(directory, {})
        assert task.name == "modular"
        assert (config.preset, config.optimizer.lr, options.modulus) == ("quick", 0.5, 7)

    def test_may_go_on_longer_and_elsewhere(self, directory: RunDirectory) -> None:
        changes = {"train.steps": 9, "train.stop_after_grok": 8, "backend.name": "mlx", "backend.device": "gpu",
                   "backend.threads": 3}  # fmt: skip
        assert set(changes) == set(CHANGEABLE_ON_RESUME)
        _, config, _ = resumed_config(directory, changes)
        assert (config.train.steps, config.train.stop_after_grok) == (9, 8)
        assert (config.backend.name, config.backend.device, config.backend.threads) == ("mlx", "gpu", 3)

    def test_may_say_again_what_it_is(self, directory: RunDirectory) -> None:
        assert resumed_config(directory, {"optimizer.lr": 0.5, "task.name": "modular"})[1].optimizer.lr == 0.5

    @pytest.mark.parametrize(
        "change", [{"optimizer.lr": 0.4}, {"train.seed": 1}, {"task.modulus": 11}, {"measure.every": 1}]
    )
    def test_is_no_other_run(self, directory: RunDirectory, change: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=f"a resumed run keeps its {next(iter(change))}; it may change train.st"):
            resumed_config(directory, change)

    def test_goes_on_no_longer_where_the_learning_rate_falls_towards_its_end(self, directory: RunDirectory) -> None:
        config, _ = resolve(MODULAR, {"optimizer.schedule": "cosine", "train.steps": 50}, preset="quick")
        directory.config.write_text(config.to_toml())
        assert resumed_config(directory, {"train.steps": 50})[1].train.steps == 50
        with pytest.raises(ConfigError, match=r"keeps its train\.steps where optimizer\.schedule is cosine"):
            resumed_config(directory, {"train.steps": 60})

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(NoSuchRun, match=r"no config\.toml"):
            resumed_config(RunDirectory(tmp_path / "none"), {})


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("optimizer.lr=inf", "optimizer.lr must be a finite number, not inf"),
        ("optimizer.wd=nan", "optimizer.wd must be a finite number, not nan"),
        ("optimizer.epsilon=inf", "optimizer.epsilon must be a finite number"),
        ("optimizer.clip=inf", "optimizer.clip must be a finite number"),
        ("measure.eta=inf", "measure.eta must be a finite number"),
        ("optimizer.lr=Infinity", "optimizer.lr: input should be a finite number"),
        ("task.train_fraction=nan", "task.train_fraction must be a finite number"),
        ("optimizer.lr=true", "optimizer.lr must be a number, not true"),
        ("train.steps=false", "train.steps must be a number, not false"),
        ("task.modulus=true", "task.modulus must be a number, not true"),
        ("measure.blocks=1", "measure.blocks must be true or false, not 1"),
        ("train.seed=99999999999999999999", "train.seed must be a number of at most 64 bits"),
        ("backend.threads=9007199254740993", "backend.threads: input should be less than or equal to 1024"),
        ("train.steps=" + "9" * 5000, "train.steps"),
        ("train.steps=[[[[", "train.steps"),
        ("interventions.schedule=noise@²", "'²' is neither a step"),
        ("interventions.schedule=noise@" + "1" * 400, "is neither a step"),
        ("interventions.schedule=noise:epsilon=inf", "noise: epsilon"),
        ("interventions.schedule=noise:every=true", "noise: every must be a number, not true"),
        ("task.operation=\udcff", "task.operation has characters that this terminal's encoding lacks"),
    ],
    ids=lambda text: text[:40],
)
def test_numbers_are_finite_and_numbers(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        resolve(get("tasks", "modular"), read_assignments([assignment]))
    assert said in str(wrong.value)


def test_one_value_is_one_value() -> None:
    assert read_value("1\nother = 2") == "1\nother = 2"
    assert [read_value(text) for text in ("1e5", "true", "[1]", "x = 1")] == [1e5, True, [1], "x = 1"]


def test_a_misspelt_variable_is_named() -> None:
    task = get("tasks", "modular")
    with pytest.raises(ConfigError, match="there is no setting GROKSCOPE_LRR; the nearest is GROKSCOPE_LR"):
        read_environment(task, {"GROKSCOPE_LRR": "1"})
    with pytest.raises(ConfigError, match="the nearest is GROKSCOPE_RUNS"):
        read_environment(task, {"GROKSCOPE_RUNSS": "elsewhere"})
    assert read_environment(task, {"GROKSCOPE_RUNS": "here", "GROKSCOPE_TASK_MAX_PAIRS": "3", "OTHER": "1"}) == {}


@pytest.mark.parametrize("data", [b"\xff\xfea\x00", b"lr = '\xe9'", b"a = " + b"[" * 5000], ids=str)
def test_a_file_in_another_encoding_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=r"a\.toml"):
        read_settings_file(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[train]\nsteps = 3\n")
    assert read_settings_file(tmp_path / "a.toml") == {"train.steps": 3}
