from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from visionlora.errors import VisionLoraError
from visionlora.report.drawing import BLUE, GREEN, RED, draw_mark, shortened
from visionlora.report.sheet import MAX_IMAGES, MAX_RANKED, PredictionRow, before_after_sheet, same_name

FISH = [("goldfish", 0.9), ("tench", 0.06), ("puffer", 0.01)]
SHIP = [("fire_engine", 0.7), ("yawl", 0.2), ("boathouse", 0.1)]


def _sheet(path: Path, rows: list[PredictionRow], compare: bool = True) -> np.ndarray:
    before_after_sheet(rows, path, compare=compare)
    return np.asarray(Image.open(path).convert("RGB"))


def _count(pixels: np.ndarray, colour: str) -> int:
    return int((pixels == ImageColor.getrgb(colour)).all(-1).sum())


def test_correct_and_wrong_have_their_own_colours(tmp_path: Path, image: Path) -> None:
    right = _sheet(tmp_path / "right.png", [PredictionRow(image, "goldfish", FISH, FISH)])
    wrong = _sheet(tmp_path / "wrong.png", [PredictionRow(image, "goldfish", SHIP, SHIP)])
    assert _count(right, GREEN) > 1000
    assert _count(right, RED) == 0
    assert _count(wrong, RED) > 1000
    assert _count(wrong, GREEN) == 0


def test_correct_and_wrong_differ_without_colour() -> None:
    tiles = []
    for right in (True, False):
        tile = Image.new("RGB", (40, 40), "white")
        draw_mark(tile, (20, 20), right)
        tiles.append(np.asarray(tile).min(-1) > 200)
    inside = np.hypot(*(np.indices((40, 40)) - 20)) < 8
    # The tick leaves the disc's upper left free, the cross reaches into it.
    assert (tiles[0] != tiles[1])[inside].mean() > 0.1


def test_an_image_without_a_class_is_neither_correct_nor_wrong(tmp_path: Path, image: Path) -> None:
    pixels = _sheet(tmp_path / "s.png", [PredictionRow(image, None, None, FISH)], compare=False)
    assert _count(pixels, GREEN) == _count(pixels, RED) == 0
    assert _count(pixels, BLUE) > 1000


def test_a_bar_is_as_long_as_its_probability(tmp_path: Path, image: Path) -> None:
    def bar(probability: float) -> int:
        row = PredictionRow(image, None, None, [("yawl", probability)])
        pixels = _sheet(tmp_path / "s.png", [row], compare=False)
        return max(int((line == ImageColor.getrgb(BLUE)).all(-1).sum()) for line in pixels)

    assert bar(0.8) == pytest.approx(2 * bar(0.4), abs=4)


def test_the_true_class_is_green_even_in_second_place(tmp_path: Path, image: Path) -> None:
    second = [("yawl", 0.5), ("goldfish", 0.4)]
    pixels = _sheet(tmp_path / "s.png", [PredictionRow(image, "Goldfish", None, second)], compare=False)
    assert _count(pixels, RED) > 500
    assert _count(pixels, GREEN) > 500


def test_the_whole_image_is_on_the_sheet(tmp_path: Path, image: Path) -> None:
    pixels = _sheet(tmp_path / "s.png", [PredictionRow(image, "goldfish", SHIP, FISH)])
    for colour in ((20, 40, 220), (230, 30, 20)):
        height, width = np.ptp(np.argwhere((pixels == colour).all(-1)), axis=0) + 1
        assert height == pytest.approx(100, abs=2)
        assert width == pytest.approx(100, abs=8)


def test_images_of_every_mode_are_drawn(tmp_path: Path) -> None:
    kinds = {
        "clear.png": Image.new("RGBA", (30, 30), (0, 0, 0, 0)),
        "palette.png": Image.new("RGB", (30, 30), "white").quantize(4),
        "ink.jpg": Image.new("CMYK", (30, 30), (0, 0, 0, 0)),
        "deep.png": Image.fromarray(np.full((30, 30), 65535, np.uint16)),
        "grey.png": Image.new("L", (30, 30), 255),
    }
    for name, image in kinds.items():
        image.save(tmp_path / name)
        pixels = _sheet(tmp_path / "s.png", [PredictionRow(tmp_path / name, None, None, FISH)], compare=False)
        assert pixels[110 + 120, 36 + 120].min() > 250, name


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 32), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    pixels = _sheet(
        tmp_path / "s.png", [PredictionRow(tmp_path / "turned.png", None, None, FISH)], compare=False
    )
    height, width = np.ptp(np.argwhere((pixels == (255, 0, 0)).all(-1)), axis=0)
    assert height == pytest.approx(2 * width, abs=4)


def test_a_long_sheet_is_cut_to_evenly_spaced_images(tmp_path: Path, image: Path) -> None:
    few = [PredictionRow(image, "goldfish", SHIP, FISH)] * MAX_IMAGES
    late = tmp_path / "late.png"
    Image.new("RGB", (40, 40), (255, 0, 255)).save(late)
    many = [*few, *[PredictionRow(late, "yawl", SHIP, FISH)] * MAX_IMAGES]
    short, long = _sheet(tmp_path / "few.png", few), _sheet(tmp_path / "many.png", many)
    assert 0 < len(long) - len(short) < 100
    shown = (long == (255, 0, 255)).all(-1).sum() / (200 * 200)
    assert shown == pytest.approx(MAX_IMAGES / 2, rel=0.05)


def test_of_a_ranking_a_sheet_shows_the_first(tmp_path: Path, image: Path) -> None:
    late = tmp_path / "late.png"
    Image.new("RGB", (40, 40), (255, 0, 255)).save(late)
    first = [PredictionRow(image, "goldfish", SHIP, FISH)] * MAX_RANKED
    last = [PredictionRow(late, "goldfish", SHIP, FISH)] * MAX_RANKED
    before_after_sheet([*first, *last], tmp_path / "ranked.png", ranked=True)
    shown = np.asarray(Image.open(tmp_path / "ranked.png").convert("RGB"))
    assert not (shown == (255, 0, 255)).all(-1).any()


def test_the_name_of_a_file_is_below_its_image(tmp_path: Path, image: Path) -> None:
    named = image.with_name("another-name.png")
    named.write_bytes(image.read_bytes())
    one, other = (
        _sheet(tmp_path / "s.png", [PredictionRow(path, "goldfish", SHIP, FISH)]) for path in (image, named)
    )
    rows = np.flatnonzero((one != other).any((1, 2)))
    assert rows.min() >= 110 + 20 + 200
    assert rows.max() < 110 + 20 + 200 + 24 + 20


def test_a_sheet_can_have_one_image_or_none(tmp_path: Path, image: Path) -> None:
    one = _sheet(tmp_path / "one.png", [PredictionRow(image, "goldfish", SHIP, FISH)])
    none = _sheet(tmp_path / "none.png", [])
    assert one.shape[1] < 1000
    assert none.std() > 0


def test_an_image_without_a_prediction_before_training_is_drawn(tmp_path: Path, image: Path) -> None:
    pixels = _sheet(tmp_path / "s.png", [PredictionRow(image, "goldfish", None, FISH)])
    assert _count(pixels, RED) == 0
    assert _count(pixels, GREEN) > 1000


def test_an_unreadable_image_is_named_and_the_old_sheet_stays(tmp_path: Path, image: Path) -> None:
    path = tmp_path / "sheets" / "s.png"
    _sheet(path, [PredictionRow(image, "goldfish", SHIP, FISH)])
    old = path.read_bytes()
    broken = tmp_path / "broken.jpg"
    broken.write_text("no image")
    with pytest.raises(VisionLoraError, match=r"broken\.jpg") as raised:
        before_after_sheet([PredictionRow(broken, "goldfish", SHIP, FISH)], path)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_names_are_compared_without_case_and_underscores() -> None:
    assert same_name("Fire_engine", "fire  engine")
    assert not same_name("fire engine", "engine")
    assert not same_name(None, None)


def test_long_names_end_in_an_ellipsis() -> None:
    short = shortened("a name far too long for a column", len, 12)
    assert short == "a name far…"
    assert shortened("yawl", len, 12) == "yawl"
    assert shortened("yawl", len, 0) == "…"


@pytest.mark.parametrize("name", ["line\nbreak", "a\rb", "\x1b[31m", "金魚", "$x_1$", "a" * 300, ""])
def test_any_name_can_be_drawn(
    tmp_path: Path, image: Path, name: str, recwarn: pytest.WarningsRecorder
) -> None:
    plain = _sheet(tmp_path / "plain.png", [PredictionRow(image, "b", [("b", 0.9)], [("b", 0.9)])])
    pixels = _sheet(tmp_path / "s.png", [PredictionRow(image, name, [(name, 0.9)], [(name, 0.9)])])
    assert pixels.shape == plain.shape
    assert (pixels != plain).any() or not name
    assert not recwarn.list


def test_a_sheet_of_the_first_images_has_a_line_for_those_that_are_not_on_it(
    tmp_path: Path, image: Path
) -> None:
    rows = [PredictionRow(image, None, None, FISH)]
    before_after_sheet(rows, tmp_path / "all.png", compare=False, total=1)
    before_after_sheet(rows, tmp_path / "first.png", compare=False, total=1204)
    assert Image.open(tmp_path / "first.png").height > Image.open(tmp_path / "all.png").height
