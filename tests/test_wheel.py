"""An installed wheel works from any directory, with the user's own configuration on top."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def call(*arguments: str, cwd: Path, path: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else dict(os.environ)
    left = subprocess.run(
        [sys.executable, "-P", *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert left.returncode == 0, left.stderr
    return left.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="python -P needs Python 3.11")
def test_an_installed_wheel_works_anywhere_with_ones_own_configuration(tmp_path: Path) -> None:
    options = "--quiet", "--no-deps", "--wheel-dir"
    call("-m", "pip", "wheel", *options, str(tmp_path), str(ROOT), cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    options = "--quiet", "--no-deps", "--target"
    call("-m", "pip", "install", *options, str(site), str(wheel), cwd=tmp_path)
    mine = tmp_path / "work" / "my" / "data"
    mine.mkdir(parents=True)
    (mine / "mine.yaml").write_text("defaults:\n  - goldfish\nname: mine\nbatch_size: 3\n")
    out = call(
        "-m", "visionlora.train", "--config-dir", "my", "data=mine", "model=pocket", "trainer.max_steps=1",
        "trainer.validations=1", "retention.per_step=2", "hydra.run.dir=run", cwd=mine.parents[1], path=site,
    )  # fmt: skip
    assert "old images, top-1" in out
    config = (tmp_path / "work" / "run" / "config.yaml").read_text()
    assert "batch_size: 3" in config
    assert str(site) in config, "the images come with the wheel"
