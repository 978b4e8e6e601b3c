from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from visionlora.errors import VisionLoraError
from visionlora.report.metrics_file import flatten, read_metrics, write_metrics


def test_what_is_written_is_read_back_in_the_same_order(tmp_path: Path, metrics: dict[str, Any]) -> None:
    write_metrics(tmp_path / "metrics.json", metrics)
    again = read_metrics(tmp_path / "metrics.json")
    assert again == metrics
    assert list(again) == list(metrics)


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_metrics(path, {"a": float("nan"), "b": {"c": [float("inf"), 1.5]}, "d": "not measured"})
    text = path.read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text) == {"a": None, "b": {"c": [None, 1.5]}, "d": "not measured"}


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_metrics(path, {"a": 1})
    with pytest.raises(TypeError):
        write_metrics(path, {"a": 2, "b": object()})
    assert read_metrics(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_only_numbers_are_flattened(metrics: dict[str, Any]) -> None:
    flat = flatten({**metrics, "contrast": "not measured", "done": True, "list": [1, 2]})
    assert flat["after/val/top1"] == 1.0
    assert flat["retention/after/top1"] == 0.74
    assert flat["seed"] == 0.0
    assert all(type(value) is float for value in flat.values())
    assert not [name for name in flat if name.startswith(("contrast", "done", "list", "model"))]


@pytest.mark.parametrize("content", ["{", "[1, 2]", None])
def test_a_file_without_metrics_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "metrics.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(VisionLoraError, match=r"metrics\.json") as raised:
        read_metrics(path)
    assert "\n" not in str(raised.value)
