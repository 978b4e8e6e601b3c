"""IA3: l * W, learned scales of channels (Liu et al. 2022, https://arxiv.org/abs/2205.05638, section 3.3).

The paper scales activations; a scale of the outputs is one of the weight's output channels, a scale of the
inputs one of its input channels. A bias stays as it is. The scales start at 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings, Option, ScaledLowRank


class Ia3(Adapter):
    """IA3's scales, under PEFT's name.

    Options:
        side: "output", or "input": the channels of one group, shared by all groups.

    Attributes:
        ia3_l: of a matrix (out, 1) or (1, in); of a convolution (1, out, 1...) or (1, in/groups, 1...).
    """

    family: ClassVar[str] = "ia3"
    unused: ClassVar[tuple[str, ...]] = ("rank", "alpha", "rslora", "init_std")
    peft_type: ClassVar[str | None] = "IA3"
    strength_in: ClassVar[str] = "tensors"
    lr_factor: ClassVar[float] = 10.0
    defaults: ClassVar[Mapping[str, Option]] = {"side": "output"}
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("input", "output")}

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, inputs, *kernel = shape
        outputs = self.option("side") == "output"
        size = (out, 1) if outputs and not kernel else (1, out if outputs else inputs, *(1 for _ in kernel))
        self.ia3_l = nn.Parameter(torch.ones(size, dtype=dtype))

    def weight(self, base: Tensor) -> Tensor:
        """base * l."""
        outputs = self.option("side") == "output" and base.ndim > 2
        return base * (self.ia3_l.transpose(0, 1) if outputs else self.ia3_l)

    def scaled_low_rank(self, base: Tensor) -> ScaledLowRank | None:
        """l of the outputs, and no update; None where l is of the inputs."""
        if self.option("side") == "input":
            return None
        return ScaledLowRank(scale=self.ia3_l.transpose(0, 1) if base.ndim > 2 else self.ia3_l)

    def to_peft(self) -> dict[str, Tensor]:
        """The scales with the strength in them: 1 + strength * (l - 1)."""
        return {"ia3_l": torch.lerp(torch.ones_like(self.ia3_l), self.ia3_l, self.strength).detach()}

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`IA3Config`'s keys."""
        side = settings.options.get("side", cls.defaults["side"])
        return {"feedforward_modules": ".*" if side == "input" else []}

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The side: inputs where PEFT scales those of all layers; of some, `peft_parts` reads which."""
        inner, every = config.get("feedforward_modules"), config.get("target_modules")
        whole = inner == ".*" or (bool(inner) and inner == every)
        return {"options": {"side": "input" if whole else "output"}}

    def peft_obstacle(self, layer: nn.Module) -> str | None:
        """PEFT scales the bias with the outputs, and all input channels of a grouped convolution."""
        if self.option("side") == "output" and getattr(layer, "bias", None) is not None:
            return "PEFT's IA3 scales the bias with the outputs"
        if self.option("side") == "input" and getattr(layer, "groups", 1) > 1:
            return "PEFT's IA3 has a scale for each input of all groups"
        return super().peft_obstacle(layer)
