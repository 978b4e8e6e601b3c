from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from render import CLASSES, render
from render.noise import value_noise
from render.shapes import curve, ellipsoid, silhouette


def _points(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array([v], np.float32) for v in values)


@pytest.mark.parametrize("name", CLASSES)
def test_a_photo_of_each_class_is_made_again_from_its_seed(name: str) -> None:
    photo = render(name, 5, 48)
    assert photo.shape == (48, 48, 3)
    assert photo.dtype == np.uint8
    assert photo.std() > 8  # something is on it
    assert np.array_equal(photo, render(name, 5, 48))


def test_another_seed_makes_another_photo() -> None:
    assert not np.array_equal(render("goldfish", 5, 48), render("goldfish", 6, 48))


def test_classes_stand_in_imagenets_order() -> None:
    wnids = [wnid for wnid, _ in CLASSES.values()]
    assert wnids == sorted(wnids)
    assert CLASSES["goldfish"][0] == "n01443537"


def test_an_ellipsoid_is_met_where_its_axes_end() -> None:
    for axis, radius in enumerate((0.5, 0.8, 0.3)):
        point = [0.0, 0.0, 0.0]
        point[axis] = radius
        assert ellipsoid(*_points(*point), 0.5, 0.8, 0.3)[0] == pytest.approx(0, abs=1e-5)
        point[axis] = radius + 0.1
        assert ellipsoid(*_points(*point), 0.5, 0.8, 0.3)[0] == pytest.approx(0.1, abs=1e-3)


def test_a_silhouette_is_negative_inside_and_a_distance_outside() -> None:
    square = silhouette([[(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]], smooth=0)
    x, y = (np.array(v, np.float32) for v in ([0.0, 0.9, 0.0, 0.9], [0.0, 0.0, 0.45, 0.9]))
    assert square(x, y) == pytest.approx([-0.5, 0.4, -0.05, 0.4 * 2**0.5], abs=0.02)


def test_a_curve_goes_through_its_points_and_never_beyond_them() -> None:
    xs, ys = [-1.0, -0.2, 0.3, 1.0], [0.1, 0.8, 0.8, 0.0]
    smooth = curve(xs, ys)
    assert smooth(np.array(xs, np.float32)) == pytest.approx(ys, abs=0.01)
    values = smooth(np.linspace(-1.5, 1.5, 500, dtype=np.float32))
    assert values.min() >= -1e-6
    assert values.max() <= 0.8 + 1e-6


def test_noise_is_smooth_and_bounded() -> None:
    noise = value_noise(np.random.default_rng(0))
    x = np.linspace(-3, 3, 2000, dtype=np.float32)
    values = noise(x, 0.3 * x, -x, 2.0)
    assert np.abs(values).max() <= 1
    assert values.std() > 0.1
    assert np.abs(np.diff(values)).max() < 0.1
