"""New blocks in a frozen network, which compute nothing at first: x + 0 is x to the bit.

A block that has one *is* its block, a subclass with one more child, `growth`, that its output goes through.
So the names of the frozen tensors stay what they are, and with its growth off the block computes what it did.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from visionlora.frozen.swap import Swapped, swap


class Gate(nn.Module):
    """The end of a new block's branch: multiplies it with a strength, 1 as trained."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W), scaled."""
        return x if self.strength == 1 else x * self.strength

    def extra_repr(self) -> str:
        return f"strength={self.strength:g}"


class Growth(nn.Module):
    """What a block's output goes through.

    Args:
        block: (N, C, H, W) to the same shape; holds one `Gate`.

    Attributes:
        off: how many `adapters_off()` are open around it.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.off = 0

    @property
    def gate(self) -> Gate:
        """The end of the block's branch."""
        return next(module for module in self.block.modules() if isinstance(module, Gate))

    def forward(self, x: Tensor) -> Tensor:
        """x as it is while this is off."""
        return x if self.off else self.block(x)


class GrownBlock(Swapped):
    """A block whose output goes through a `Growth`."""

    prefix = "Grown"
    growth: Growth

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the block computes, and then the growth."""
        return self.growth(super().forward(*inputs))


class ChannelAffine(nn.Module):
    """w * x + b for each channel, both trained: what a batch norm with fixed statistics is."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    @classmethod
    def of(cls, norm: Any) -> ChannelAffine:
        """The map that a batch norm in eval mode is."""
        scale = (norm.running_var + norm.eps).rsqrt()
        weight = scale if norm.weight is None else scale * norm.weight
        bias = -norm.running_mean * weight
        return cls(
            weight.detach().clone(), (bias if norm.bias is None else bias + norm.bias).detach().clone()
        )

    def zero(self) -> None:
        """Make it give zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), scaled and shifted."""
        return x * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class IdentityConv(nn.Module):
    """relu(x + conv(x)), with a convolution that starts at zero: an identity kernel plus what is learned. For
    x of at least zero it starts as the identity, to the bit.

    Args:
        channels: C.
        size: of the kernel.
        like: has the device, type and memory format.
    """

    def __init__(self, channels: int, size: int, like: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, size, padding=size // 2, device=like.device, dtype=like.dtype
        )
        self.gate = Gate()
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return F.relu(x + self.gate(self.conv(x)))


def grow(block: nn.Module, new: nn.Module) -> None:
    """Let a block's output go through a new one, in place."""
    swap(block, GrownBlock).growth = Growth(new).train(block.training)


def growths(model: nn.Module) -> dict[str, Growth]:
    """The growths of a network by their full names, in the model's order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Growth)}


def without_norms(block: nn.Module) -> None:
    """Replace every batch norm in a block by the affine map that it is, in place."""
    for name, module in list(block.named_modules()):
        if isinstance(module, _BatchNorm):
            block.set_submodule(name, ChannelAffine.of(module))


def set_growth_strength(model: nn.Module, strength: float) -> None:
    """Give every growth this strength."""
    for growth in growths(model).values():
        growth.gate.strength = strength


def growth_modules(model: nn.Module) -> set[nn.Module]:
    """Every module inside a growth: they are trained, so nothing of them is frozen."""
    return {module for growth in growths(model).values() for module in growth.modules()}


def growth_parameters(model: nn.Module) -> list[nn.Parameter]:
    """What is trained in the growths."""
    return [parameter for growth in growths(model).values() for parameter in growth.parameters()]
