"""A trained network for programs: its classes, its transform, and predictions for images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.v2.functional import pil_to_tensor

from visionlora.data import Normalise, evaluation_transform, open_image
from visionlora.data.images.decode import upright
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.images.resizing import reduce
from visionlora.evaluation.predictions import require_numbers
from visionlora.models.plain import plain_network
from visionlora.models.restore import restore
from visionlora.tasks.base import Prediction, Task
from visionlora.tasks.choose import task_of
from visionlora.tasks.single_label import SingleLabel

ImageInput: TypeAlias = str | Path | Image.Image | Tensor
"""An image: the path of a file, a Pillow image, or a uint8 tensor (3, H, W)."""


class Classifier(nn.Module):
    """A network in eval mode, with all that is needed to ask it about images.

    Attributes:
        network: a plain network of torchvision, the adapter merged in; adapters that cannot be merged
            (Conv-Adapter, prompts) stay in it as modules.
        classes: the name of each of its outputs.
        preprocessing: how images are resized, cropped and normalised.
        task: what the outputs mean: one class an image, or any number of labels.

    Args:
        network: (batch, 3, S, S) to logits (batch, outputs).
        classes: the name of each output.
        preprocessing: what its images went through in training.
        task: what the outputs mean; None: one class an image.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str],
        preprocessing: Preprocessing,
        task: Task | None = None,
    ) -> None:
        super().__init__()
        self.network = network.eval()
        self.classes = tuple(classes)
        self.preprocessing = preprocessing
        self.task: Task = task or SingleLabel()
        self._resize = evaluation_transform(preprocessing)
        self._normalise = Normalise(preprocessing.mean, preprocessing.std)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, outputs) of images that went through :meth:`transform`, (batch, 3, S, S)."""
        return self.network(images)

    def transform(self, image: ImageInput) -> Tensor:
        """The network's input for one image: float32 (3, S, S).

        Raises:
            visionlora.data.BadImage: a file cannot be read.
            ValueError: a tensor is not uint8 (3, H, W), or a Pillow image has floating-point pixels.
        """
        return self._normalise([self._resize(_pixels(image, self.preprocessing))])[0]

    @torch.inference_mode()
    def predict(
        self, images: ImageInput | Iterable[ImageInput], top: int = 1, batch_size: int = 16
    ) -> list[Prediction]:
        """For each image its most probable classes: a list of (class name, probability from 0 to 1).

        Where an image may have several labels, all that are above their thresholds, which may be none.

        Args:
            images: one or several.
            top: classes of each image, the most probable first; of several labels it limits nothing.
            batch_size: images at a time.

        Raises:
            visionlora.data.BadImage: a file cannot be read.
            ValueError: what is no image, as :meth:`transform` says it, or a number that is below 1.
            VisionLoraError: the outputs are NaN or infinite.
        """
        for name, number in (("top", top), ("batch_size", batch_size)):
            if number < 1:
                raise ValueError(f"{name} is {number}; give a whole number of at least 1")
        device = next(self.parameters()).device
        found: list[Prediction] = []
        for batch in _batches(_listed(images), batch_size):
            inputs = torch.stack([self.transform(one) for one in batch]).to(device)
            logits = require_numbers(self(inputs).float().cpu())
            found += self.task.decode(logits, self.classes, top)
        return found


def load(path: str | Path, *, model: str | None = None, weights: str | None = None) -> Classifier:
    """A trained network, ready to predict: ``load("RUN").predict(["a.jpg", "b.jpg"])``.

    Arguments and errors are those of :func:`visionlora.models.restore.restore`.
    """
    restored = restore(path, model, weights)
    network = plain_network(restored.network)
    return Classifier(network, restored.head.outputs, restored.backbone.preprocessing, task_of(restored))


def _listed(images: ImageInput | Iterable[ImageInput]) -> list[ImageInput]:
    """One image or several as a list; what is neither is taken for one image, which is then refused."""
    if isinstance(images, str | bytes | Path | Image.Image | Tensor) or not isinstance(images, Iterable):
        return [images]
    return list(images)


def _batches(images: Sequence[ImageInput], size: int) -> Iterator[Sequence[ImageInput]]:
    return (images[start : start + size] for start in range(0, len(images), size))


def _pixels(image: ImageInput, preprocessing: Preprocessing) -> Tensor:
    """The image as the commands read it."""
    if isinstance(image, Tensor):
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or not image.numel():
            kind = str(image.dtype).removeprefix("torch.")
            raise ValueError(f"the image is {kind} {tuple(image.shape)}; give uint8 (3, H, W)")
        return image
    side = preprocessing.resize
    if isinstance(image, Image.Image):
        image = upright(image)
    elif isinstance(image, str | os.PathLike):
        image = open_image(Path(image), shorter_side=side)
    else:
        kind = type(image).__name__
        more = ", as Image.fromarray(array) of RGB," if kind == "ndarray" else ""
        raise ValueError(f"an image is a path, a Pillow image{more} or a uint8 tensor (3, H, W), not {kind}")
    return pil_to_tensor(reduce(image, side, preprocessing.interpolation))
