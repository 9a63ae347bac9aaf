"""Numbers, words, filters, ASCII, key map: everything a person reads or types."""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from grokscope.runs.filtering import BadFilter, Filter, checked_filter
from grokscope.settings.values import setting
from grokscope.tui.actions import KEY_ACTIONS, bindings, keys_of, printed
from grokscope.tui.settings import read_settings
from grokscope.tui.themes import THEMES, allowed, series_colours
from grokscope.words.ascii import ascii_text, locale_is_ascii


def test_settings_are_found_by_their_last_part() -> None:
    config = {"optimizer": {"lr": 0.1}, "task": {"deep": {"lr": 9}}, "wd": 1}
    assert setting(config, "lr") == 0.1
    assert setting(config, "task.deep.lr") == 9
    assert setting(config, "nothing") is None


FACTS = {"task": "modular", "state": "crashed", "config": {"optimizer": {"lr": 1e-3, "wd": 1.0}}, "step": 500}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True), ("modular", True), ("MOD", True), ("scan", False), ("lr<1e-2", True), ("lr<1e-3", False),
        ("lr<=1e-3 wd=1", True), ("lr=0.001", True), ("wd!=1", False), ("state=crashed", True), ("state~cra", True),
        ("step>499", True), ("step>many", False), ("nothing=1", False), ("nothing!=1", True), ("lr<", True),
        ("optimizer.lr>=0.001 run-7", True), ("task<3", False),
    ],
)  # fmt: skip
def test_filters(text: str, holds: bool) -> None:
    assert Filter.parse(text).holds("run-7", FACTS) is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr<<3", "'lr<<3' is no condition"), ("lr<", "'lr<' is no condition"), ("=3", "'=3' is no condition"),
        ("modular lr < 3", "'<' is no condition"), ("lr==1", "write one as lr<1e-3"), ("lrr=1", "did you mean lr"),
        ("lr<abc", "'abc' in lr<abc is not a number"), ("learn<1", "no run here has a setting 'learn'"),
        ("state=finishd", "no state 'finishd'; there are: waiting"),
    ],
)  # fmt: skip
def test_filters_that_can_mean_nothing(text: str, said: str) -> None:
    with pytest.raises(BadFilter, match=re.escape(said)):
        checked_filter(text, [FACTS])


@pytest.mark.parametrize("text", ["", "modular lr<1e-2", "grokked<3000", "state~fin", "wd!=1", "optimizer.lr>=0.1"])
def test_filters_that_mean_something(text: str) -> None:
    assert checked_filter(text, [FACTS]) == Filter.parse(text)


def test_without_runs_any_name_may_be_a_setting() -> None:
    assert checked_filter("learn<1", []) == Filter.parse("learn<1")


def test_ascii_keeps_the_cells() -> None:
    for text in ("╭─ 1 ⠑⠤⣀ ▁▄█ ● ★ ▲400 ─╮", "naïve 漢字 é", "…–·ß"):
        plain_text = ascii_text(text)
        assert plain_text.isascii()
        assert cell_len(plain_text) == cell_len(text)


def test_every_action_has_words_and_its_own_name() -> None:
    names = [action.name for action in KEY_ACTIONS]
    assert len(set(names)) == len(names)
    assert all(action.help and action.label and action.keys for action in KEY_ACTIONS)
    for where in ("watch", "chart", "runs", "everywhere"):
        keys = [key for action in KEY_ACTIONS if action.where == where for key in keys_of(action, {})]
        assert len(set(keys)) == len(keys), where
        assert bindings(where)


def test_the_users_key_map(tmp_path: Path) -> None:
    file = tmp_path / "tui.toml"
    assert read_settings(file).problems == ()
    file.write_text('theme = "grokscope-light"\nascii = true\n[keys]\npause = "p"\ndance = "d"\n')
    found = read_settings(file)
    assert (found.theme, found.ascii, found.keys) == ("grokscope-light", True, {"pause": "p"})
    assert "dance" in found.problems[0]
    pause = next(action for action in KEY_ACTIONS if action.name == "pause")
    assert printed(keys_of(pause, found.keys)) == "p"
    file.write_text("[keys\n")
    assert "is not TOML" in read_settings(file).problems[0]
    file.write_text("keys = 3\n")
    assert "must hold" in read_settings(file).problems[0]


def test_themes() -> None:
    assert not allowed("ansi-dark", no_color=True)
    assert allowed("ansi-dark", no_color=False)
    for theme in THEMES:
        assert len(set(series_colours(theme.variables))) == 6
        assert allowed(theme.name, no_color=True)
    assert len(series_colours({})) == 6


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        ({}, False), ({"LANG": "C"}, True), ({"LANG": "POSIX"}, True), ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "de_DE.UTF-8"}, False), ({"LANG": "de_DE"}, False), ({"LANG": "de_DE.ISO-8859-1@euro"}, True),
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, True), ({"LC_ALL": "en_US.utf8", "LANG": "C"}, False),
        ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, False), ({"LC_ALL": "", "LANG": "C"}, True),
    ],
)  # fmt: skip
def test_the_locale_that_asks_for_ascii(environment: dict[str, str], plain: bool) -> None:
    assert locale_is_ascii(environment, utf8_mode=0) is plain


def test_what_python_has_set_itself_asks_for_nothing() -> None:
    coerced = {"LANG": "C", "LC_CTYPE": "C.UTF-8"}
    assert locale_is_ascii(coerced, utf8_mode=1)
    assert not locale_is_ascii(coerced, utf8_mode=0)


def test_the_setting_is_before_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokscope.tui.settings.locale_is_ascii", lambda: True)
    assert read_settings(tmp_path / "none.toml").ascii
    (tmp_path / "tui.toml").write_text("ascii = false")
    assert not read_settings(tmp_path / "tui.toml").ascii
