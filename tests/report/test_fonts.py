from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph

from visionlora.report import fonts
from visionlora.report.fonts import drawable


@pytest.fixture
def font_with(tmp_path: Path) -> Iterator[type]:
    """Makes font files that have given characters."""

    def make(name: str, characters: str) -> Path:
        glyphs = [".notdef", *(f"u{ord(character):x}" for character in characters)]
        builder = FontBuilder(1000)
        builder.setupGlyphOrder(glyphs)
        builder.setupCharacterMap({ord(character): f"u{ord(character):x}" for character in characters})
        builder.setupGlyf({glyph: Glyph() for glyph in glyphs})
        builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (500, 0)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": name, "styleName": "Regular"})
        builder.setupOS2()
        builder.setupPost()
        builder.save(tmp_path / f"{name}.ttf")
        return tmp_path / f"{name}.ttf"

    for cached in (fonts.drawable, fonts._system_font):
        cached.cache_clear()
    yield make
    for cached in (fonts.drawable, fonts._system_font):
        cached.cache_clear()


def test_latin_greek_and_cyrillic_need_no_system_font() -> None:
    for text in ("goldfish", "χρυσόψαρο", "рыба", "Fußgänger …"):
        shown, file = drawable(text)
        assert shown == text
        assert file.name == "DejaVuSans.ttf"
    assert drawable("goldfish", bold=True)[1].name == "DejaVuSans-Bold.ttf"


def test_a_system_font_draws_what_dejavu_lacks(font_with, monkeypatch: pytest.MonkeyPatch) -> None:
    some, every = font_with("some", "金abc"), font_with("every", "金魚 abc")
    monkeypatch.setattr(fonts, "system_fonts", lambda: (some, every))
    assert drawable("金魚 abc") == ("金魚 abc", every)
    assert drawable("金", bold=True) == ("金", some)


def test_a_character_that_no_font_has_becomes_an_escape(font_with, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "system_fonts", lambda: (font_with("some", "金-"),))
    assert drawable("金-魚")[0] == r"金-\u9b5a"
    monkeypatch.setattr(fonts, "system_fonts", tuple)
    fonts.drawable.cache_clear()
    fonts._system_font.cache_clear()
    assert drawable("金-魚")[0] == r"\u91d1-\u9b5a"


def test_a_font_that_cannot_be_read_is_skipped(
    font_with, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    good = font_with("good", "金")
    monkeypatch.setattr(fonts, "system_fonts", lambda: (tmp_path / "broken.ttf", good))
    assert drawable("金") == ("金", good)


def test_matplotlibs_placeholder_font_is_never_chosen() -> None:
    assert not any("LastResort" in file.name for file in fonts.system_fonts())
