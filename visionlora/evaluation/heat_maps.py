"""Grad-CAM of a few images before and after training, as images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor, nn

from visionlora.adapters import adapters_off, merged
from visionlora.data import ImageDataset
from visionlora.evaluation.grad_cam import grad_cam, last_feature_map
from visionlora.report.run_page import HeatMap

_COLOURS = np.array([(20, 20, 90), (120, 30, 140), (230, 80, 60), (255, 190, 40), (255, 250, 190)], float)
"""From parts that do not matter to those that do."""


def heat_maps(
    network: nn.Module,
    dataset: ImageDataset,
    places: Sequence[int],
    outputs: Sequence[str],
    old_outputs: int,
) -> list[HeatMap] | str:
    """Which parts of some images speak for their prediction, in the frozen network and in the adapted one.

    Args:
        network: adapted, on any device.
        dataset: labelled images.
        places: which of them.
        outputs: the name of each output.
        old_outputs: how many of them the frozen network has; 0: it predicts none of them.

    Returns:
        The maps, or why there are none, in words.
    """
    items = [dataset[place] for place in places]
    if not items:
        return "not drawn: there are no validation images"
    images = dataset.collate(items)["images"].to(next(network.parameters()).device)
    with merged(network):
        layer = last_feature_map(network, images)
        if layer is None:
            return "not drawn: Grad-CAM needs a feature map, and this network's last layers have none"
        after, said = grad_cam(network, images, layer)
    with adapters_off(network):
        before, first = (
            grad_cam(_First(network, old_outputs), images, f"network.{layer}")
            if old_outputs
            else (None, None)
        )
    found = []
    for row, (place, (pixels, label, _)) in enumerate(zip(places, items, strict=True)):
        old = None
        if before is not None and first is not None:
            old = (_overlaid(pixels, before[row]), outputs[int(first[row])])
        new = (_overlaid(pixels, after[row]), outputs[int(said[row])])
        image = dataset.images[place]
        truth = outputs[label] if isinstance(label, int) else ", ".join(image.names) or "no label"
        found.append(HeatMap(image.path, truth, old, new))
    return found


class _First(nn.Module):
    """A network without the outputs that were added to its head."""

    def __init__(self, network: nn.Module, outputs: int) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[:, : self.outputs]


def _overlaid(pixels: Tensor, heat: Tensor) -> Image.Image:
    """The image with its map over it: uint8 (3, H, W) and 0 to 1 (H, W)."""
    grey = pixels.permute(1, 2, 0).numpy().mean(2, keepdims=True)
    position = heat.numpy() * (len(_COLOURS) - 1)
    low = np.floor(position).astype(int).clip(max=len(_COLOURS) - 2)
    share = (position - low)[..., None]
    colour = _COLOURS[low] * (1 - share) + _COLOURS[low + 1] * share
    return Image.fromarray((0.5 * grey + 0.5 * colour).clip(0, 255).astype(np.uint8))
