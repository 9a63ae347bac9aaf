"""The user's own settings: `tui.toml` in the configuration directory.

theme = "grokscope-light"
ascii = false          # without it: as the locale asks for (LC_ALL, LC_CTYPE, LANG)

[keys]
pause = "p"
replay = "P"
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from grokscope.gate import Missing, Unreadable, read_toml
from grokscope.tui.actions import unknown_names
from grokscope.words.ascii import locale_is_ascii


@dataclass(frozen=True)
class Settings:
    theme: str = ""
    ascii: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """A sentence about each entry of the file that could not be used"""


def settings_file() -> Path:
    return user_config_path("grokscope") / "tui.toml"


def read_settings(file: Path | None = None) -> Settings:
    """The user's settings. A missing file gives the defaults; an invalid file gives a problem, not an error."""
    file = file or settings_file()
    try:
        table = read_toml(file)
    except Missing:
        return _settings({}, file.name)
    except Unreadable as problem:
        return replace(_settings({}, file.name), problems=(str(problem),))
    return _settings(table, file.name)


def _settings(table: dict[str, Any], name: str) -> Settings:
    problems = []
    keys = table.get("keys", {})
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        problems.append(f'{name}: [keys] must hold action = "key"')
        keys = {}
    unknown = unknown_names(keys)
    if unknown:
        problems.append(f"{name}: there is no action {', '.join(unknown)}; the help (?) lists the names of actions")
    theme, plain = table.get("theme", ""), table.get("ascii", locale_is_ascii())
    usable = {action: key for action, key in keys.items() if action not in unknown}
    return Settings(str(theme), plain is True, usable, tuple(problems))
