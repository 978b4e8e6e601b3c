"""TensorBoard, opened in a browser on a real run, shows what the README says."""

from __future__ import annotations

import importlib.util
import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Left

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "screenshot_tensorboard.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("screenshot_tensorboard", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tags(address: str) -> set[str]:
    """The tags that TensorBoard itself tells the browser."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        runs = json.load(answer)
    return {tag for run in runs.values() for tag in run}


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), reason="no Chromium here"
)
def test_a_browser_shows_scalars_and_images(
    command: Callable[..., Left], script: ModuleType, tmp_path: Path
) -> None:
    left = command(
        "train", "data=goldfish", "model=pocket", "trainer.max_steps=3", "trainer.validations=1",
        "retention.per_step=2", "retention.root=null", "contrast.root=null",
        f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert left.code == 0, left.err
    with script.served(tmp_path / "run" / "tensorboard") as address:
        scalars = tags(f"{address}/data/plugin/scalars/tags")
        images = tags(f"{address}/data/plugin/images/tags")
        for page in ("scalars", "images"):
            shot = f"--screenshot={tmp_path / page}.png"
            script.chromium(f"{address}/#{page}", shot, "--window-size=1500,1400")
    assert {"train/loss", "train/gradient_norm", "val/top1", "train/step_ms", "train/lr"} <= scalars
    assert {
        "images/augmented_batch", "images/before_after", "adapter/update_size", "validation/confusion",
    } <= images  # fmt: skip
    # TensorBoard draws its curves in this orange; the goldfish bring colours of their own.
    curve = np.array([255, 112, 67])
    drawn = np.asarray(Image.open(tmp_path / "scalars.png").convert("RGB")).astype(int)
    assert (np.abs(drawn - curve).max(-1) < 12).sum() > 200
    seen = np.asarray(Image.open(tmp_path / "images.png").convert("RGB"))
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) > 3000
