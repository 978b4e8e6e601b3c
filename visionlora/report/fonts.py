"""Fonts for names in any script, for Pillow and matplotlib alike.

DejaVu Sans, which comes with matplotlib, draws Latin, Greek, Cyrillic and more. Others, such as Chinese,
Japanese and Korean, need a font of the system. Characters that no font has become escapes: nothing is drawn
as an empty box, and nothing warns.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text
from PIL import ImageFont

from visionlora.text import printable

_MATPLOTLIB_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@lru_cache(maxsize=4096)
def drawable(text: str, bold: bool = False) -> tuple[str, Path]:
    """A text as it can be drawn, and the font file to draw it with.

    Args:
        text: any text; control characters become escapes.
        bold: whether to use the bold font where the text needs no font of the system.
    """
    text = printable(text)
    regular, chosen = (_MATPLOTLIB_FONTS / name for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
    chosen = chosen if bold else regular
    missing = _missing(text, chosen)
    if missing:
        other = _system_font(missing)
        if other is not None and len(_missing(text, other)) < len(missing):
            chosen = other
        missing = _missing(text, chosen)
    escaped = (
        character.encode("ascii", "backslashreplace").decode() if character in missing else character
        for character in text
    )
    return "".join(escaped), chosen


@lru_cache(maxsize=256)
def pillow_font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    """A font for Pillow; ``size`` in pixels."""
    return ImageFont.truetype(file, size)


def set_name(label: Text, name: str, size: float) -> None:
    """Make ``name`` the text of a matplotlib label, in a font that has it; dollar signs mean no mathematics.

    Args:
        label: a tick label, for example.
        name: any text.
        size: in points.
    """
    text, file = drawable(name)
    label.set_parse_math(False)
    label.set_fontproperties(FontProperties(fname=file, size=size))
    label.set_text(text)


def _missing(text: str, file: Path) -> frozenset[str]:
    """The characters of ``text`` that a font lacks; all of them if it cannot be read."""
    try:
        glyphs = get_font(file).get_charmap()
    except (OSError, RuntimeError):
        return frozenset(text)
    return frozenset(character for character in text if ord(character) not in glyphs)


@cache
def _system_font(characters: frozenset[str]) -> Path | None:
    """The font that has the most of ``characters``; None if no font has any of them."""
    text = "".join(sorted(characters))
    best, fewest = None, len(characters)
    for file in system_fonts():
        missing = len(_missing(text, file))
        if missing < fewest:
            best, fewest = file, missing
        if not missing:
            break
    return best


@cache
def system_fonts() -> tuple[Path, ...]:
    """The upright fonts of regular weight that the system has, those for East Asian scripts first."""
    entries = [
        entry
        for entry in fontManager.ttflist
        if entry.style == "normal"
        and entry.weight in (400, "normal", "regular", "book")
        # matplotlib's own mathematical fonts, and its font of placeholders for every character.
        and not Path(entry.fname).is_relative_to(_MATPLOTLIB_FONTS)
        and not entry.name.startswith(("Last Resort", ".LastResort"))
    ]
    entries.sort(key=lambda entry: ("CJK" not in entry.name, "Sans" not in entry.name, entry.name))
    return tuple(dict.fromkeys(Path(entry.fname) for entry in entries))
