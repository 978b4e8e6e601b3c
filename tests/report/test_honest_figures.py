"""No figure of a run was selected on its own images without saying so beside it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Train, metrics_of

FIGURES = re.compile(
    r"(top\d|loss|lost|accuracy|false_positive_rate|agreement|divergence|objective|estimated_lost)$"
)
"""Keys whose values are measured on images."""
SAYS = "selected_on_these_images"


def measured(value: Any, path: str = "", around: list[str] | None = None) -> Iterator[tuple[str, Any]]:
    """(path, what its images chose) of every figure; None where nothing around it says that."""
    if isinstance(value, list):
        for one in value:
            yield from measured(one, f"{path}[]", around)
    if isinstance(value, dict):
        around = value.get(SAYS, around)
        for key, one in value.items():
            if FIGURES.search(key) and isinstance(one, (int, float)):
                yield f"{path}.{key}", around
            yield from measured(one, f"{path}.{key}", around)


@pytest.fixture(scope="module")
def finished() -> dict[str, tuple[str, Path]]:
    """The runs of ``run`` so far."""
    return {}


@pytest.fixture(params=["chosen", "not chosen", "test images"])
def run(
    request: pytest.FixtureRequest, train: Train, images: Path, finished: dict[str, tuple[str, Path]]
) -> tuple[str, Path]:
    """The terminal's text and the folder of a run, which two tests look at."""
    if request.param in finished:
        return finished[request.param]
    others = images.parent / "others"
    arguments = [f"contrast.root={others}", "retention.generated=64", "retention.inverted=0"]
    if request.param == "not chosen":
        arguments.append("contrast.budget=null")
        arguments.append("retention.budget=null")
    if request.param == "test images":
        shutil.copytree(images / "val", images / "test")
    left, folder = train("trainer.max_steps=8", *arguments)
    assert left.code == 0, left.err
    finished[request.param] = left.out, folder
    return finished[request.param]


def test_every_figure_says_what_its_images_chose(run: tuple[str, Path]) -> None:
    shown, folder = run
    metrics = metrics_of(folder)
    found = list(measured(metrics))
    assert [path for path, chosen in found if chosen is None] == []
    chose = dict(found)
    assert "checkpoint" in chose[".after.val/top1"]
    assert chose[".before.val/top1"] == []
    chosen = bool(metrics["strength"]["curve"])
    assert ("strength" in chose[".after.val/top1"]) == chosen
    assert ("strength" in chose[".contrast.after/false_positive_rate"]) == chosen
    assert (metrics["cross_fitted"] != "not measured") == chosen
    card = (folder / "adapter" / "README.md").read_text(encoding="utf-8")
    for text in (shown, card):
        assert "selected on these images" in text
        starred = [
            line for line in text.splitlines() if "validation" in line and "top-1 " in line and "0." in line
        ]
        assert any("*" in line for line in starred), starred


def test_what_test_images_report_was_not_selected_on_them(run: tuple[str, Path]) -> None:
    shown, folder = run
    metrics, test = metrics_of(folder), metrics_of(folder)["test"]["after"]
    if metrics["images"]["test"]:
        assert test["selected_on_these_images"] == []
        assert test["images"] == metrics["images"]["test"]
        assert {image["role"] for image in json.loads((folder / "images.json").read_text())["images"]} >= {
            "test"
        }
        assert re.search(rf"{test['images']} test +top-1", shown)
    else:
        assert test == "not measured"
