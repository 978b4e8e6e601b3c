from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.learned_start import held_out_task, rows
from benchmarks.quality_tasks import Task
from visionlora.errors import VisionLoraError


def test_each_class_is_trained_on_one_drawing_and_measured_on_the_others(tmp_path: Path) -> None:
    for part, styles in (("train", "abc"), ("unseen", "d")):
        for name in ("cat", "dog"):
            for style in styles:
                path = tmp_path / "real" / "illustrated" / part / name / f"{style}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(style.encode())
    base = Task("x", "x", tmp_path, "keep", "none", tmp_path, tmp_path)
    seen = set()
    for seed in range(6):
        root = tmp_path / f"task-{seed}"
        task = held_out_task(base, ["cat"], tmp_path / "real", root, seed)
        (train,) = (task.root / "train").rglob("*.png")
        others = {path.read_bytes() for path in (task.root / "val").rglob("*.png")}
        assert others | {train.read_bytes()} == {b"a", b"b", b"c", b"d"} and len(others) == 3
        seen.add(train.read_bytes())
    assert len(seen) > 1
    with pytest.raises(VisionLoraError, match="fewer than 2 drawings of cow"):
        held_out_task(base, ["cow"], tmp_path / "real", tmp_path / "none", 0)


def test_rows_are_means_over_the_seeds() -> None:
    records = [
        {"start": "Gaussian", "lr": 1e-3, "seed": seed, "learned": learned, "lost": 0.1}
        for seed, learned in enumerate((0.2, 0.4))
    ]
    assert rows(records) == [["Gaussian", "0.001", "0, 1", "0.300 (0.200, 0.400)", "0.100"]]
