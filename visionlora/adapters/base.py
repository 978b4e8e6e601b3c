"""What an adapter family is: how it makes an adapted weight out of a frozen one.

A family that defines `weight` and its parameters works everywhere at once: on every layer kind and number of
groups, with merging, strength, saving, loading and folding. One whose update is low-rank says so with
`low_rank` and gets the fast kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from visionlora.adapters.settings import AdapterSettings, scaling_of

__all__ = ["Adapter", "AdapterSettings", "LowRank", "scaling_of"]  # all that a family needs


class LowRank(NamedTuple):
    """An update `scaling * B @ A` of a weight (out, in/groups, kernel...).

    Attributes:
        A: (r, in/groups, kernel...).
        B: (out, r, 1...), with as many dimensions as A.
        scaling: a number.
    """

    A: Tensor
    B: Tensor
    scaling: float


class Adapter(nn.Module):
    """One adapter of one weight; owns its parameters.

    Args:
        shape: of the weight, (out, in/groups, kernel...).
        settings: of this layer.
        dtype: of the parameters, at least single precision: half is too coarse for an adapter's small steps.
        generator: draws the start.

    Attributes:
        strength: the update is multiplied with it; 1 as trained.
        family: the name in the configuration.
        peft_type: what PEFT calls the family; None where PEFT has no such family.
        uses_dropout: whether the family applies `settings.dropout`.
    """

    family: ClassVar[str]
    peft_type: ClassVar[str | None] = None
    uses_dropout: ClassVar[bool] = False

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.settings = settings
        self.strength = 1.0

    def weight(self, base: Tensor) -> Tensor:
        """The adapted weight at strength 1, differentiable in the parameters.

        Args:
            base: the frozen weight, (out, in/groups, kernel...), in at least single precision.
        """
        raise NotImplementedError

    def low_rank(self) -> LowRank | None:
        """The update as a low-rank product, the strength in its scaling; None where it is none."""
        return None

    def regularizer(self) -> Tensor | None:
        """A scalar to add to the loss; None for none."""
        return None

    def on_step(self, step: int, total: int) -> None:
        """Called after optimizer step `step` of `total`, counted from 1."""

    def update(self, base: Tensor) -> Tensor:
        """strength * (weight(base) - base), in the shape of the weight."""
        return self.strength * (self.weight(base) - base)

    @property
    def dropout(self) -> float:
        """The probability that an element of the adapter's input is dropped while it trains."""
        return self.settings.dropout if self.uses_dropout and self.training else 0.0

    # The file format. PEFT's where PEFT has the family; otherwise parameters under their own names.

    def to_peft(self) -> dict[str, Tensor]:
        """The tensors that are saved, by the names that follow the layer's."""
        return {name: parameter.detach() for name, parameter in self.named_parameters()}

    def from_peft(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy what :meth:`to_peft` gave into the parameters.

        Raises:
            KeyError: a tensor is missing.
        """
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(tensors[name])

    def peft_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of what :meth:`to_peft` gives."""
        return {name: tuple(tensor.shape) for name, tensor in self.to_peft().items()}

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The rank of saved tensors; None where they don't tell."""
        return None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        # Weights of the plain network load with strict=True: an adapter that they lack stays as it is.
        if any(key.startswith(prefix) for key in state_dict):
            super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        return f"{self.family}, rank={self.settings.rank}, alpha={self.settings.alpha:g}"
