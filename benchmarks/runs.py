"""Complete training runs on the goldfish that ship with the project, and their times."""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import save_file


def random_weights(network: str, folder: Path) -> Path:
    """Write a weight file of a torchvision network with random weights from a fixed seed."""
    torch.manual_seed(0)
    path = folder / f"{network}.safetensors"
    save_file(torchvision.models.get_model(network).state_dict(), path)
    return path


def run_here(config: Any, folder: Path) -> dict[str, Any]:
    """One run in this process, without its output; returns the content of its ``metrics.json``."""
    # Importing Lightning takes seconds, and the other methods do not need it.
    from visionlora.run_folder.folder import RunFolder
    from visionlora.signals import stoppable
    from visionlora.training.run import run

    with redirect_stdout(io.StringIO()), stoppable() as stop:
        run(config, RunFolder.start(folder, config), stop)
    return json.loads((folder / "metrics.json").read_text())


def learned_and_kept(config: Any) -> dict[str, float]:
    """One run in this process: top-1 on its validation images and on its labelled old images, before it and
    after it at the strength that it chose."""
    with tempfile.TemporaryDirectory() as place:
        metrics = run_here(config, Path(place) / "run")
    return {
        "frozen": metrics["before"]["val/top1"],
        "learned": metrics["after"]["val/top1"],
        "kept_before": metrics["retention"]["before/top1"],
        "kept": metrics["retention"]["after/top1"],
    }


def train(
    options: argparse.Namespace, network: str, weights: Path, steps: int, run: Path, settings: Sequence[str]
) -> dict[str, float]:
    """One run in its own process, with one validation and strength 1; returns its steps and times.

    Args:
        options: ``precision`` and ``threads``.
        network: name of a torchvision network.
        weights: its weight file.
        steps: optimizer steps.
        run: the run's folder.
        settings: further configuration overrides.
    """
    command = [
        sys.executable, "-m", "visionlora.train", "data=goldfish", f"model.name={network}",
        f"model.weights={weights}", f"trainer.precision={options.precision}", f"trainer.max_steps={steps}",
        "trainer.validations=1", "trainer.patience=null", "trainer.progress=false", "retention.budget=null",
        "contrast.anchors=[]", "contrast.root=null", f"trainer.threads={options.threads or 'null'}",
        f"hydra.run.dir={run}", *settings,
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((run / "metrics.json").read_text())
    return {"steps": metrics["steps"], **metrics["time"]}
