"""Themes: dark, light, high contrast, and dark and light with colour-blind-safe series (Okabe and Ito 2008).

The variables `series-1` … `series-6` of a theme are the colours of its curves. Textual's own themes get the colours of
Okabe and Ito.
"""

from collections.abc import Mapping

from textual.theme import BUILTIN_THEMES, Theme

DEFAULT = "grokscope-dark"

OKABE_ITO = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00")
OKABE_ITO_ON_LIGHT = ("#0072B2", "#B26A00", "#00785A", "#A8437F", "#7A6F00", "#D55E00")


def _series(colours: tuple[str, ...], **others: str) -> dict[str, str]:
    return {f"series-{index}": colour for index, colour in enumerate(colours, start=1)} | others


DARK = Theme(
    name=DEFAULT,
    primary="#5FB3D9",
    secondary="#8C9EFF",
    accent="#F2B04C",
    warning="#F2B04C",
    error="#F2777A",
    success="#7BC98F",
    foreground="#D6DAE2",
    background="#12151C",
    surface="#181C25",
    panel="#222835",
    variables=_series(("#5FC9E8", "#F2A65A", "#8BD49C", "#C7A0F2", "#F2D45C", "#F2777A")),
)
LIGHT = Theme(
    name="grokscope-light",
    primary="#0B6E99",
    secondary="#4A55B8",
    accent="#A85B00",
    warning="#A85B00",
    error="#B3261E",
    success="#1B7F3B",
    foreground="#20242C",
    background="#FBFAF7",
    surface="#F3F1EB",
    panel="#E6E3DA",
    dark=False,
    variables=_series(("#00709E", "#B85C00", "#1B7F3B", "#7A3FB0", "#7A6A00", "#B3261E")),
)
CONTRAST = Theme(
    name="grokscope-contrast",
    primary="#FFFF00",
    secondary="#00FFFF",
    accent="#FFB000",
    warning="#FFB000",
    error="#FF6060",
    success="#60FF60",
    foreground="#FFFFFF",
    background="#000000",
    surface="#000000",
    panel="#1A1A1A",
    text_alpha=1.0,
    variables=_series(("#00FFFF", "#FFB000", "#60FF60", "#FF80FF", "#FFFF00", "#FF6060")),
)
COLOUR_BLIND = Theme(
    name="grokscope-okabe-ito",
    primary="#56B4E9",
    secondary="#CC79A7",
    accent="#E69F00",
    warning="#E69F00",
    error="#D55E00",
    success="#009E73",
    foreground="#E2E2E2",
    background="#101214",
    surface="#16191C",
    panel="#23282D",
    variables=_series(OKABE_ITO),
)
COLOUR_BLIND_LIGHT = Theme(
    name="grokscope-okabe-ito-light",
    primary="#0072B2",
    secondary="#A8437F",
    accent="#B26A00",
    warning="#B26A00",
    error="#B34700",
    success="#00785A",
    foreground="#1B1D20",
    background="#FFFFFF",
    surface="#F4F4F2",
    panel="#E6E6E2",
    dark=False,
    variables=_series(OKABE_ITO_ON_LIGHT),
)
THEMES = (DARK, LIGHT, CONTRAST, COLOUR_BLIND, COLOUR_BLIND_LIGHT)


def known_themes() -> list[str]:
    """The names of all themes: those here, then Textual's."""
    return [*(theme.name for theme in THEMES), *BUILTIN_THEMES]


def series_colours(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The six series colours of a theme with these variables."""
    return tuple(variables.get(f"series-{index}", OKABE_ITO[index - 1]) for index in range(1, 7))


def allowed(theme: str, no_color: bool) -> bool:
    """Whether a theme is readable. Without colour, the ansi themes paint black on black."""
    return not (no_color and theme.startswith(("ansi", "textual-ansi")))
