"""The whole job on a second device, without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def test_the_whole_job_runs_on_an_accelerator(tmp_path: Path) -> None:
    """In a process of its own: a device that PyTorch once knows stays with the process."""
    environment = {name: value for name, value in os.environ.items() if name != "VISIONLORA_TEST_DEVICE"}
    command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inner'}"]
    done = subprocess.run(
        [sys.executable, *command, "tests/accelerator/on_device.py"],
        cwd=ROOT, env=environment | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert "6 passed" in done.stdout, done.stdout[-300:]


@pytest.mark.slow
def test_the_whole_job_runs_on_the_gpu(tmp_path: Path) -> None:
    seen = torch.accelerator.current_accelerator(check_available=True)
    if seen is None:
        pytest.skip("no GPU: PyTorch sees no accelerator here")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "slow or not slow", "tests/accelerator/on_device.py"],
        cwd=ROOT, env=os.environ | {"VISIONLORA_TEST_DEVICE": seen.type}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
