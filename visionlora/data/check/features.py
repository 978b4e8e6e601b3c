"""What a network makes of images before its last layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visionlora.data.images.augment import Normalise, Preprocessing, evaluation_transform
from visionlora.data.images.cache import ImageCache
from visionlora.data.index.fingerprints import Progress

_BATCH = 32


@torch.inference_mode()
def image_features(
    network: nn.Module,
    last: nn.Module,
    preprocessing: Preprocessing,
    paths: Sequence[Path],
    progress: Progress | None = None,
    views: Mapping[Path, NDArray[np.uint8]] | None = None,
) -> NDArray[np.float32]:
    """(N, D) float32: the input of the network's last layer, averaged over places where it is a convolution.

    Args:
        network: in eval mode.
        last: its last layer.
        preprocessing: what the network takes.
        paths: N images that can be read.
        progress: called with (images done, N).
        views: path -> uint8 (crop, crop, 3), what the network sees of an image; the others are decoded.

    Raises:
        BadImage: an image that cannot be read.
    """
    device = next(network.parameters()).device
    transform = evaluation_transform(preprocessing)
    normalise = Normalise(preprocessing.mean, preprocessing.std)
    cache = ImageCache(0, preprocessing.resize, preprocessing.interpolation)
    known = views or {}
    taken: list[Tensor] = []

    def pixels(path: Path) -> Tensor:
        view = known.get(path)
        return transform(cache.decode(path)) if view is None else torch.tensor(view).permute(2, 0, 1)

    def take(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        features = inputs[0]
        taken.append((features.mean((2, 3)) if features.dim() == 4 else features.flatten(1)).float().cpu())

    hook = last.register_forward_pre_hook(take)
    try:
        with ThreadPoolExecutor() as threads:
            for start in range(0, len(paths), _BATCH):
                batch = list(threads.map(pixels, paths[start : start + _BATCH]))
                network(normalise(batch).to(device))
                if progress:
                    progress(min(start + _BATCH, len(paths)), len(paths))
    finally:
        hook.remove()
    return torch.cat(taken).numpy() if taken else np.zeros((0, 1), np.float32)
