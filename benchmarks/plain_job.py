"""One job of another method, from the command to its result, as benchmarks.time_to_result times it.

    python -m benchmarks.plain_job METHOD LR SEED THREADS FOLDER JOB

JOB is a :class:`benchmarks.time_tasks.Job` as JSON. FOLDER gets ``network.safetensors``, plain weights, and
``times.json``: the seconds of each phase and the validation curve.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from benchmarks.quality_methods import METHODS, fit, steps_of
from visionlora.data import AugmentConfig, ImageFolder, ImageLoader, scan
from visionlora.data.loading.loaders import ImageLoaders, LoaderOptions
from visionlora.evaluation.predictions import predict_batches
from visionlora.models import Backbone, Head, apply_head, load_backbone
from visionlora.phases import phase, seconds_so_far, timed_phases

BATCH = 32
VALIDATIONS = 8
"""As many as ours makes."""


def loaders_of(
    folder: ImageFolder, backbone: Backbone, head: Head, seed: int
) -> tuple[ImageLoader, ImageLoader]:
    """Training batches, with the product's default augmentation, and those to validate on."""
    options = LoaderOptions(BATCH, seed, cache_mb=1024)
    loaders = ImageLoaders(backbone.preprocessing, AugmentConfig(), options)
    targets = dict(zip(folder.classes, head.targets, strict=True))
    return loaders.training(folder.train, targets), loaders.plain("val", folder.val, targets)


def plain_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights with PEFT's adapters merged, under the plain network's names."""
    merge = getattr(network, "merge_and_unload", None)
    network = merge() if merge else network
    return {name: value.contiguous() for name, value in network.state_dict().items()}


@timed_phases()
def run(name: str, lr: float, seed: int, folder: Path, job: dict[str, Any]) -> None:
    """Train, validate now and then, write the result."""
    method = next(method for method in METHODS if method.name == name)
    images = scan(Path(job["root"]), seed=seed)
    backbone = load_backbone(job["network"], job["weights"], progress=False)
    head = apply_head(backbone, job["head"], images.classes)
    torch.manual_seed(seed)
    assert method.build is not None
    network = method.build(backbone.model, head).to(memory_format=torch.channels_last)
    training, validation = loaders_of(images, backbone, head, seed)
    total = steps_of(len(images.train), BATCH)
    curve: list[tuple[float, float]] = []

    def validate(done: int) -> None:
        if images.val and done % max(1, total // VALIDATIONS) == 0:
            with phase("validation"):
                curve.append((time.time(), predict_batches(network, validation).top(1)))

    with phase("steps"):
        fit(network, training, lr, total, validate)
    with phase("writing"):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(plain_weights(network), folder / "network.safetensors")
    times = {"time": seconds_so_far(), "curve": curve, "steps": total}
    (folder / "times.json").write_text(json.dumps(times), encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Runs the job that the arguments describe."""
    name, lr, seed, threads, folder, job = arguments
    torch.set_num_threads(int(threads))
    run(name, float(lr), int(seed), Path(folder), json.loads(job))


if __name__ == "__main__":
    main(sys.argv[1:])
