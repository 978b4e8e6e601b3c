"""Every style by name, and which images may be drawn in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import styles_craft as craft
from . import styles_paint as paint
from . import styles_print as press
from . import styles_vector as vector
from .shapes import Drawing

Style = Callable[[Drawing, np.random.Generator], np.ndarray]

TRAINING: dict[str, Style] = {
    "flat": vector.flat,
    "line-art": vector.line_art,
    "cartoon": vector.cartoon,
    "pixel-art": vector.pixel_art,
    "watercolour": paint.watercolour,
    "crayon": paint.crayon,
}
VALIDATION: dict[str, Style] = {
    "kawaii": vector.kawaii,
    "gradient": vector.gradient,
    "paper-cut": vector.paper_cut,
    "low-poly": vector.low_poly,
    "pastel": paint.pastel,
    "ink-brush": paint.ink_brush,
    "stained-glass": press.stained_glass,
    "stippling": press.stippling,
    "woodcut": press.woodcut,
    "halftone": press.halftone,
    "mosaic": press.mosaic,
    "embroidery": press.embroidery,
}
ANCHOR_ONLY: dict[str, Style] = {
    "chalkboard": paint.chalkboard,
    "pencil": paint.pencil,
    "oil": paint.oil,
    "blueprint": vector.blueprint,
    "sticker": vector.sticker,
    "beads": craft.beads,
    "points": craft.points,
    "engraving": craft.engraving,
    "glazed": craft.glazed,
}
STYLES: dict[str, Style] = {**TRAINING, **VALIDATION, **ANCHOR_ONLY}
