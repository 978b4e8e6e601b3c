"""The drawings that ship: as many as promised, all different, and all redrawn by the script as they are."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "data" / "goldfish"
sys.path.insert(0, str(ROOT / "scripts"))

import draw_goldfish  # noqa: E402
from draw.contrast import CONTRAST, SUBJECTS  # noqa: E402
from draw.shapes import blob, moved, oval, within  # noqa: E402


def drawn(folder: str) -> list[Path]:
    return sorted((SHIPPED / folder).glob("*.webp"))


@pytest.mark.parametrize(
    ("folder", "count"),
    [("train/goldfish", 14), ("val/goldfish", 12), ("contrast/anchor", 128), ("contrast/val", 48)],
)
def test_every_folder_holds_as_many_drawings_as_promised(folder: str, count: int) -> None:
    assert len(drawn(folder)) == count


def test_the_shipped_files_are_those_the_script_draws_and_no_others() -> None:
    shipped = {path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*") if path.is_file()}
    assert shipped == set(draw_goldfish.images())


def test_every_drawing_is_256_pixels_square_and_all_together_are_under_1_mb() -> None:
    files = list(SHIPPED.rglob("*.webp"))
    for path in files:
        with Image.open(path) as image:
            assert image.size == (256, 256), path
            image.load()
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_no_style_of_the_validation_goldfish_is_seen_in_training_not_even_on_other_things() -> None:
    validation = {path.stem for path in drawn("val/goldfish")}
    assert not validation & {path.stem for path in drawn("train/goldfish")}
    assert not validation & set(CONTRAST["anchor"])
    assert validation <= set(CONTRAST["val"]), "every validation style has other things drawn in it"


def test_no_two_shipped_drawings_are_the_same_image() -> None:
    pixels = {
        hashlib.sha256(Image.open(p).convert("RGB").tobytes()).hexdigest() for p in SHIPPED.rglob("*.webp")
    }
    assert len(pixels) == len(list(SHIPPED.rglob("*.webp")))


def test_validation_has_other_things_that_the_anchors_lack() -> None:
    subjects = {split: {s for line in CONTRAST[split].values() for s in line.split()} for split in CONTRAST}
    assert len(subjects["val"] - subjects["anchor"]) >= 12
    assert subjects["val"] | subjects["anchor"] <= set(SUBJECTS)
    assert not any("goldfish" in subject for subject in SUBJECTS)


@pytest.mark.parametrize(
    "path", ["train/goldfish/flat.webp", "val/goldfish/stippling.webp", "contrast/val/mosaic-moon.webp"]
)
def test_the_script_redraws_a_shipped_image(path: str) -> None:
    again = draw_goldfish.encoded(draw_goldfish.images()[path]())
    with Image.open(SHIPPED / path) as shipped, Image.open(io.BytesIO(again)) as redrawn:
        off = np.abs(np.asarray(shipped.convert("RGB"), float) - np.asarray(redrawn.convert("RGB"), float))
    assert off.mean() < 0.5, "another version of the encoder moves single levels, another seed the drawing"


def test_only_the_wanted_drawings_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["draw_goldfish.py", str(tmp_path), "--only", "line-art-cat"])
    draw_goldfish.main()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")] == [
        "contrast/anchor/line-art-cat.webp"
    ]


def test_most_goldfish_are_goldfish_coloured() -> None:
    def coloured(path: Path) -> bool:
        r, g, b = np.asarray(Image.open(path).convert("RGB"), dtype=float).transpose(2, 0, 1) / 255
        return bool(((r > 0.6) & (r - b > 0.3) & (r > g)).mean() > 0.05)

    assert sum(map(coloured, drawn("val/goldfish"))) >= 10
    assert sum(map(coloured, drawn("train/goldfish"))) >= 8  # and one in black and white


def test_a_mirrored_drawing_mirrored_again_is_where_it_was() -> None:
    body = oval(30, 40, 10, 5, "#ff8800")
    parts = (body, *within(body, blob("20,40 40,30 40,50", "#ffffff")))
    back = moved(moved(parts, flip=True), flip=True)
    for before, after in zip(parts, back, strict=True):
        np.testing.assert_allclose(after.points, before.points)
    np.testing.assert_allclose(moved((body,), turn=90)[0].points.mean(axis=0), [60, 30], atol=1e-6)
