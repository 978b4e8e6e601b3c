"""Layers whose bias can be changed (`families.bias`)."""

from __future__ import annotations

from torch import Tensor

from visionlora.adapters.families.bias import Bias, changed_bias
from visionlora.adapters.layers import HasWeight
from visionlora.adapters.mixed_batch import ReadsWeight


class HasBias(HasWeight):
    """A convolution or a linear layer.

    Its own forward pass adds the change to the output. Who reads `bias` instead (attention that of its
    `out_proj`, torchvision's Swin those of `qkv` and `proj`, a class with a forward pass of its own) gets the
    bias with the change in it.
    """

    @property
    def base_bias(self) -> Tensor | None:
        """The frozen bias, (out,)."""
        return self._parameters["bias"]

    @property
    def bias(self) -> Tensor | None:
        """The bias that the layer computes with now."""
        if self.mixed is not None:
            raise ReadsWeight("its bias is read")
        changes = [one for one in self.module_adapters() if isinstance(one, Bias)]
        if not changes:
            return self.base_bias
        total = changed_bias(self, changes)
        return total.detach() if self.is_merged else total
