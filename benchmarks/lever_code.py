"""Changes to training that were tried and not adopted, as code around the product's training.

Each is a context manager; a run inside it has the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.quality_tasks import Task, link
from visionlora.adapters import adapters_off
from visionlora.data import open_image
from visionlora.retention.anchor_views import View
from visionlora.retention.generated import generate_images
from visionlora.retention.stream import AnchorStream
from visionlora.retention.teacher import AnchorTeacher
from visionlora.training import setup
from visionlora.training.module import LoraModule

Batch = Mapping[str, Tensor]
PLAIN = 24
"""Largest difference of a background pixel from a corner's colour, summed over the channels."""


@contextmanager
def hard_anchors() -> Iterator[None]:
    """The half of the anchors with the least confident frozen predictions come three times as often."""
    prepare, drawn = AnchorTeacher.prepare, AnchorStream.drawn
    hard: dict[int, list[str]] = {}

    def find_hard_anchors(self: AnchorTeacher, network: torch.nn.Module) -> None:
        prepare(self, network)
        with torch.no_grad(), adapters_off(network):
            logits = torch.cat([network(batch["images"]) for batch in self.stream.batches(32)])
        first, second = logits.float().topk(2, dim=1).values.unbind(1)
        names = self.stream.identities
        hard[id(self.stream)] = [names[place] for place in (first - second).argsort()[: len(logits) // 2]]

    def prefer(self: AnchorStream, step: int) -> list[View]:
        views, chosen = drawn(self, step), hard.get(id(self), [])
        place_of = {name: place for place, name in enumerate(self.identities)}

        def preferred(name: str) -> str:
            place = place_of[name]
            return name if name in chosen or (place + step) % 2 else chosen[place % len(chosen)]

        return [(preferred(name), number) for name, number in views]

    with (
        patch.object(AnchorTeacher, "prepare", find_hard_anchors),
        patch.object(AnchorStream, "drawn", prefer),
    ):
        yield


@contextmanager
def layer_features(weight: float) -> Iterator[None]:
    """Distillation of the last feature map on anchors, beside the logits: squared distance to the frozen one,
    relative to its energy (Romero et al. 2015, equation 3, https://arxiv.org/abs/1412.6550)."""
    step_loss = LoraModule._loss

    def with_features(self: LoraModule, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        seen: list[Tensor] = []
        features = self.network.get_submodule("features")
        hook = features.register_forward_hook(lambda _, __, output: seen.append(output))
        try:
            loss, figures = step_loss(self, batch)
            assert self.teacher is not None
            stream = self.teacher.stream
            anchors = stream.images(stream.drawn(self.global_step))
            with torch.no_grad(), adapters_off(self.network):
                features(anchors)
        finally:
            hook.remove()
        # The teacher's own passes come first; the training step's batch is the last but one.
        student, frozen = seen[-2][len(batch["labels"]) :].float(), seen[-1].float()
        return loss + weight * (student - frozen).square().sum() / frozen.square().sum(), figures

    with patch.object(LoraModule, "_loss", with_features):
        yield


@contextmanager
def frozen_a() -> Iterator[None]:
    """A stays where it starts, and B alone is trained (LoRA-FA: Zhang et al. 2023,
    https://arxiv.org/abs/2308.03303)."""
    start_from_data = setup.start_from_data

    def start_and_freeze(network: torch.nn.Module, *arguments: Any) -> None:
        start_from_data(network, *arguments)
        for name, parameter in network.named_parameters():
            if name.endswith(".lora_A"):
                parameter.requires_grad_(False)

    with patch.object(setup, "start_from_data", start_and_freeze):
        yield


def with_backgrounds(task: Task, folder: Path) -> Task:
    """Add a copy with a generated background for each training image on a plain background."""
    images = sorted((task.root / "train").glob("*/*"))
    grounds = generate_images(len(images), 224, seed=7)
    for image, ground in zip(images, grounds, strict=True):
        place = folder / "train" / image.parent.name
        link(place / image.name, image)
        before = _before(image, Image.fromarray(ground.permute(1, 2, 0).numpy()))
        if before is not None:
            before.save(place / f"{image.stem}-before.png")
    for image in (task.root / "val").glob("*/*"):
        link(folder / "val" / image.parent.name / image.name, image)
    return replace(task, root=folder)


def _before(file: Path, ground: Image.Image) -> Image.Image | None:
    """The image's subject on another background; None if its own is not plain."""
    canvas = open_image(file)  # transparency over white
    filled, marker = canvas.copy(), (255, 0, 255)
    right, below = canvas.width - 1, canvas.height - 1
    for corner in ((0, 0), (right, 0), (0, below), (right, below)):
        ImageDraw.floodfill(filled, corner, marker, thresh=PLAIN)
    plain = (np.asarray(filled) == marker).all(2)
    if not 0.2 < plain.mean() < 0.95:
        return None
    canvas.paste(ground.resize(canvas.size), mask=Image.fromarray(plain))
    return canvas
