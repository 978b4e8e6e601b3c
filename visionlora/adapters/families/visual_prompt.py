"""Visual prompt: a learned frame that is added to the input image (Bahng et al. 2022,
https://arxiv.org/abs/2203.17274, section 3.2, padding prompts).

It stands at the network's first convolution, whose input is the image after normalisation, and is the same
for every image. It starts at zero. Nothing about the weights changes, so there is nothing to merge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import AdapterSettings, Option
from visionlora.adapters.errors import LoraError
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.adapters.unsaved import HasUnsaved


class VisualPrompt(HasUnsaved, ModuleAdapter):
    """The frame.

    Options:
        size: height and width of the images, in pixels.
        width: of the frame, in pixels; the paper's 30.

    Attributes:
        frame: (channels, pixels of the frame), row by row.
        place: which pixels of an image are the frame's, (size * size,), not saved.
    """

    family: ClassVar[str] = "visual_prompt"
    unused: ClassVar[tuple[str, ...]] = ("rank", "alpha", "rslora", "init_std")
    layers: ClassVar[tuple[type[nn.Module], ...]] = (nn.Conv2d,)
    one_layer: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, Option]] = {"size": 224, "width": 30}
    minima: ClassVar[Mapping[str, float]] = {"size": 1, "width": 1}
    maxima: ClassVar[Mapping[str, float]] = {"size": 4096, "width": 2048}
    place: Tensor

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        self.register_unsaved()
        self.frame = nn.Parameter(torch.zeros(shape[1], int(self.place.sum()), dtype=dtype))

    def unsaved(self) -> dict[str, Tensor]:
        """The place of the frame."""
        size, width = self.option("size"), self.option("width")
        inside = torch.arange(size).sub((size - 1) / 2).abs() < size / 2 - width
        return {"place": (~(inside[:, None] & inside)).flatten()}

    @classmethod
    def shape_on(cls, layer: Any, shape: Sequence[int]) -> tuple[int, ...]:
        """With the channels of all groups, which an image has."""
        out, _, *kernel = shape
        return (out, layer.in_channels, *kernel)

    def change_input(self, x: Tensor, layer: Any) -> Tensor:
        """x + strength * frame.

        Raises:
            LoraError: x has another size.
        """
        size = self.option("size")
        if tuple(x.shape[-3:]) != (len(self.frame), size, size):
            raise LoraError(
                f"visual_prompt is for {len(self.frame)} channels of {size}x{size}, its input is "
                f"{tuple(x.shape[-3:])}: let targets hold the first layer, and leave size out of options or "
                f"give the size of the images."
            )
        image = self.frame.new_zeros(len(self.frame), size * size)
        image = image.masked_scatter(self.place.expand_as(image), self.frame * self.strength)
        return x + image.view(-1, size, size).to(x.dtype)

    @classmethod
    def check_options(cls, options: Mapping[str, Option]) -> None:
        """A frame fits into the image."""
        super().check_options(options)
        given: dict[str, Any] = {**cls.defaults, **options}
        if not 0 < 2 * given["width"] <= given["size"]:
            raise ValueError(
                f"visual_prompt: a frame of width {given['width']} does not fit into "
                f"{given['size']} pixels: give less width."
            )
