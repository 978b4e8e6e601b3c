"""OFT: W R^T with R orthogonal and block-diagonal (Qiu et al. 2023, https://arxiv.org/abs/2306.07280,
equations 4 and 5).

Each block is R = (I - S)(I + S)^-1, the Cayley transform of a skew-symmetric S that starts at zero. It turns
the inputs of a group, the kernel flattened: (out, in/groups * kernel...), as in PEFT; with `side=output` it
turns the outputs, R W, as in LyCORIS's Diag-OFT. Angles between the rows (columns) of W stay what they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings, Option, ScaledLowRank
from visionlora.adapters.families.rotation import block_size, cayley, cayley_neumann, divisor, skew_symmetric


class Oft(Adapter):
    """OFT's skew-symmetric matrices. The rank is the size of a block, or the divisor closest to it.

    Options:
        side: "input" or "output".
        blocks: their number, instead of their size; 0: the rank gives the size.
        neumann_terms: terms of the truncated series that PEFT has by default; 0: the exact transform.

    Attributes:
        oft_R: (blocks, b * (b - 1) / 2), what stands above the diagonal of each S.
    """

    family: ClassVar[str] = "oft"
    unused: ClassVar[tuple[str, ...]] = ("alpha", "rslora", "init_std")
    peft_type: ClassVar[str | None] = "OFT"
    defaults: ClassVar[Mapping[str, Option]] = {"side": "input", "blocks": 0, "neumann_terms": 0}
    minima: ClassVar[Mapping[str, float]] = {"blocks": 0, "neumann_terms": 0}
    maxima: ClassVar[Mapping[str, float]] = {"neumann_terms": 64}
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("input", "output")}

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        turned = shape[0] if self.option("side") == "output" else torch.Size(shape[1:]).numel()
        count = self.option("blocks")
        self.block = turned // divisor(turned, count) if count else block_size(turned, settings.rank)
        elements = self.block * (self.block - 1) // 2
        self.oft_R = nn.Parameter(torch.zeros(turned // self.block, elements, dtype=dtype))

    def rotations(self) -> Tensor:
        """(blocks, b, b)."""
        skew, terms = skew_symmetric(self.oft_R, self.block), self.option("neumann_terms")
        return cayley_neumann(skew, terms) if terms else cayley(skew)

    def weight(self, base: Tensor) -> Tensor:
        """base @ R^T, or R @ base with `side=output`."""
        R = self.rotations()
        if self.option("side") == "output":
            return torch.einsum("bij,bjn->bin", R, base.reshape(*R.shape[:2], -1)).reshape(base.shape)
        return torch.einsum("bij,obj->obi", R, base.reshape(-1, *R.shape[:2])).reshape(base.shape)

    def scaled_low_rank(self, base: Tensor) -> ScaledLowRank | None:
        """The rotations; None where they mix pixels of the kernel, or the series is no rotation."""
        if self.option("neumann_terms"):
            return None
        if self.option("side") == "output":
            return ScaledLowRank(turn=self.rotations())
        return ScaledLowRank(turn_in=self.rotations()) if base[0, 0].numel() == 1 else None

    @classmethod
    def check_options(cls, options: Mapping[str, Option]) -> None:
        """Two terms are the least that learn."""
        super().check_options(options)
        if options.get("neumann_terms") == 1:
            raise ValueError("option neumann_terms of oft is 1: give 0 or a number of at least 2.")

    def to_peft(self) -> dict[str, Tensor]:
        """PEFT's name."""
        return {"oft_R.weight": self.oft_R.detach()}

    def from_peft(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy from PEFT's name."""
        super().from_peft({"oft_R": tensors["oft_R.weight"]})

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`OFTConfig`'s keys."""
        options = {**cls.defaults, **settings.options}
        return {
            "r": options["blocks"],
            "oft_block_size": 0 if options["blocks"] else settings.rank,
            "use_cayley_neumann": bool(options["neumann_terms"]),
            "num_cayley_neumann_terms": options["neumann_terms"] or 5,
        }

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Rank and options."""
        others = [name for name in ("coft", "block_share") if config.get(name)]
        if others:
            raise ValueError(f"{', '.join(others)} is not known here: convert the adapter in PEFT.")
        terms = config.get("num_cayley_neumann_terms", 5) if config.get("use_cayley_neumann", True) else 0
        options = {"neumann_terms": terms, "blocks": config.get("r", 0)}
        return {"rank": config.get("oft_block_size", 32) or 8, "options": options}

    def peft_obstacle(self, layer: nn.Module) -> str | None:
        """PEFT turns inputs, and of convolutions overlapping patches of the input instead of the kernel."""
        if self.option("side") == "output":
            return "PEFT's OFT turns inputs, not outputs"
        if isinstance(layer, nn.Embedding):
            return "PEFT's OFT turns the vectors of an embedding, not its entries"
        if any(size > 1 for size in getattr(layer, "kernel_size", ())):
            return "PEFT's OFT turns patches of the input, so its output is not that of its merged kernel"
        if not self.option("blocks") and divisor(self.shape[1], self.settings.rank) != self.block:
            return "PEFT's OFT has blocks of one input here, which turn nothing"
        return super().peft_obstacle(layer)
