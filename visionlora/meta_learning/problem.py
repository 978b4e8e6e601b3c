"""What a task minimises: cross-entropy on its images, and distillation on anchors, on cached features."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from visionlora.adapters import adapters_off
from visionlora.data import ImageDataset, ImageFile, scan_images
from visionlora.device import has_bfloat16
from visionlora.frozen.split import Split, Values
from visionlora.models.known import PHOTO_LIKE
from visionlora.notices import Notices
from visionlora.tasks import single_label as task

View = tuple[int, int]
"""An image's place, and how it is seen: 0 as it is, 1 flipped, from 2 on an augmented view of this number."""
ANCHORS_PER_STEP = 8
BATCH = 32
SOFTENED = 2.0
"""The temperature of the predictions that an anchor's label is drawn from. At 1, labels that the frozen
network finds improbable hardly count, but steps on new classes raise their logits (docs/growing.md)."""


def lower_precision(device: torch.device) -> AbstractContextManager:
    """Mixed precision in bfloat16 where the device multiplies it in hardware."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))


@dataclass
class Features:
    """The frozen part's values of images, computed when they are needed first.

    Attributes:
        dataset: the images, labelled or not.
        parts: the network's frozen part; None: there is none.
        augmented: the same with a random transform; None: they have no augmented views.
        most_bytes: kept in memory; what is beyond is computed again each time.
    """

    dataset: ImageDataset
    parts: Split | None
    augmented: ImageDataset | None = None
    most_bytes: float = 2**31
    _kept: dict[View, Values] = field(default_factory=dict)
    _bytes: int = 0

    @torch.no_grad()
    def get(self, views: Sequence[View], device: torch.device) -> list[Tensor]:
        """What is left to compute from, a row for each view."""
        missing = [view for view in dict.fromkeys(views) if view not in self._kept]
        rows = {view: self._kept[view] for view in views if view in self._kept}
        for view in missing:
            # Alone: what else is in a batch decides the last bits, and a run that continues misses others.
            rows[view] = self._compute(view, device)
            size = sum(value.nbytes for value in rows[view])
            if self._bytes + size <= self.most_bytes:
                self._kept[view], self._bytes = rows[view], self._bytes + size
        return [
            torch.stack(values).to(device) for values in zip(*(rows[view] for view in views), strict=True)
        ]

    def _compute(self, view: View, device: torch.device) -> Values:
        place, number = view
        dataset, key = (self.dataset, place) if number < 2 else (self.augmented, (number, place))
        assert dataset is not None
        image = dataset.collate([dataset[key]])["images"].to(device)
        batch = image.flip(-1) if number == 1 else image
        with lower_precision(device):
            values = (batch,) if self.parts is None else self.parts.prefix(batch)
        return tuple(value[0].cpu() for value in values)


@dataclass
class Problem:
    """What every task has in common.

    Attributes:
        network: adapted, on its device, in eval mode.
        compute: what of it is left to compute.
        images: the labelled ones.
        anchors: unlabelled images; None: nothing is distilled.
        weight, temperature: of the distillation.
    """

    network: nn.Module
    compute: nn.Module
    images: Features
    anchors: Features | None
    weight: float
    temperature: float
    _frozen: dict[View, Tensor] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def loss(self, places: Sequence[int], draw: random.Random) -> Tensor:
        """On these images, each flipped or not, and on some anchors; a scalar.

        Args:
            places: of the images.
            draw: decides about flips and anchors.
        """
        views = [(place, draw.random() < 0.5) for place in places]
        labels = torch.tensor([self.images.dataset.targets[place] for place in places], device=self.device)
        inputs = self.images.get(views, self.device)
        if self.anchors is None:
            return task.loss(self.logits(inputs), labels)
        count = len(self.anchors.dataset)
        chosen = draw.sample(range(count), min(ANCHORS_PER_STEP, count))
        anchors = [(place, draw.random() < 0.5) for place in chosen]
        values = self.anchors.get(anchors, self.device)
        both = [torch.cat(pair) for pair in zip(inputs, values, strict=True)]
        logits = self.logits(both)
        kept = task.distillation(logits[len(places) :], self._frozen_logits(anchors), self.temperature)
        return task.loss(logits[: len(places)], labels) + self.weight * kept

    @torch.no_grad()
    def accuracy(self, places: Sequence[int]) -> float:
        """Top-1 on these images as they are."""
        right = 0
        for start in range(0, len(places), BATCH):
            part = places[start : start + BATCH]
            logits = self.logits(self.images.get([(place, False) for place in part], self.device))
            labels = torch.tensor([self.images.dataset.targets[place] for place in part], device=self.device)
            right += int((logits.argmax(1) == labels).sum())
        return right / len(places)

    @torch.no_grad()
    def agreement(self) -> float:
        """Share of the anchors that get the frozen network's name."""
        assert self.anchors is not None
        same, count = 0, len(self.anchors.dataset)
        for start in range(0, count, BATCH):
            views = [(place, False) for place in range(start, min(start + BATCH, count))]
            logits = self.logits(self.anchors.get(views, self.device))
            same += int((logits.argmax(1) == self._frozen_logits(views).argmax(1)).sum())
        return same / count

    def image_loss(self, place: int) -> Tensor:
        """Cross-entropy of one image as it is, without anchors; a scalar."""
        labels = torch.tensor([self.images.dataset.targets[place]], device=self.device)
        return task.loss(self.logits(self.images.get([(place, False)], self.device)), labels)

    def anchor_loss(self, view: View, draw: torch.Generator) -> Tensor:
        """Cross-entropy of one anchor for a label drawn from what the network predicts for it, both at the
        temperature SOFTENED; a scalar."""
        assert self.anchors is not None
        logits = self.logits(self.anchors.get([view], self.device)) / SOFTENED
        label = torch.multinomial(logits.detach().cpu().softmax(1), 1, generator=draw)[:, 0]
        return task.loss(logits, label.to(self.device))

    def logits(self, inputs: Sequence[Tensor]) -> Tensor:
        """From what :meth:`Features.get` gives."""
        with lower_precision(self.device):
            return self.compute(*inputs).float()

    @torch.no_grad()
    def _frozen_logits(self, views: Sequence[View]) -> Tensor:
        assert self.anchors is not None
        with adapters_off(self.network):
            for view in views:
                if view not in self._frozen:  # alone, as in Features.get
                    self._frozen[view] = self.logits(self.anchors.get([view], self.device))[0]
        return torch.stack([self._frozen[view] for view in views])


def anchor_images(folders: str | Sequence[str], own: Sequence[Path], notices: Notices) -> Sequence[ImageFile]:
    """The images that the start is to keep; shipped ones where no folder is named and the network has none.

    Without anchors A starts in the directions of the new images alone, and a run forgets more
    (docs/growing.md).
    """
    if isinstance(folders, str):
        if not own:
            notices.say(
                "no photos as anchors (retention.anchors): shipped images serve instead; a folder of any "
                "photos keeps more of what the network knew"
            )
        return scan_images([str(one) for one in own or [PHOTO_LIKE]])
    return scan_images(list(folders)) if folders else ()
