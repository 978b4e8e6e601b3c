"""What an adapter family is: how it makes an adapted weight out of a frozen one.

A family that defines `weight` and its parameters works everywhere at once: on every layer kind and number of
groups, with merging, strength, saving, loading and folding. One whose update is low-rank says so with
`low_rank` and gets the fast kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from visionlora.adapters.settings import AdapterSettings, Option, divided_by_rank, scaling_of
from visionlora.frozen.swap import Replicable
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import LayerTensors, merged_weight
from visionlora.text import brief

__all__ = [
    "Adapter",
    "AdapterSettings",
    "LowRank",
    "Option",
    "ScaledLowRank",
    "divided_by_rank",
    "padding_obstacle",
    "scaling_of",
]  # all that a family needs

MOST_OPTION = 2**32 - 1
"""The greatest number that an option of a family takes, unless it says another: a seed."""


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

    def added_to(self, base: Tensor) -> Tensor:
        """base + scaling * B @ A, computed in A's type and cast to the base's."""
        return merged_weight(LayerTensors(DenseWeight(base), None, *self))


class ScaledLowRank(NamedTuple):
    """A weight `scale * (turn @ (base + scaling * B @ A) @ turn_in')`.

    Attributes:
        low_rank: A, B and scaling; None where the base is only scaled or turned.
        scale: of each output, (out, 1...), with as many dimensions as the weight. In the gradients of A and B
            it counts as a constant, and so does `turn`.
        turn: of the outputs, (out / b, b, b): blocks of b outputs, each an orthogonal matrix.
        turn_in: of the inputs of a group, (in/groups / b, b, b), the same; the kernel has one pixel.
    """

    low_rank: LowRank | None = None
    scale: Tensor | None = None
    turn: Tensor | None = None
    turn_in: Tensor | None = None


class Adapter(Replicable):
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
        unused: other settings that have no effect on it.
        defaults: the family's own options with their default values, which also give their types.
        minima: the least values of those that are numbers.
        maxima: the greatest, where it is not `MOST_OPTION`.
        choices: the values of those that are one of a few words.
        strength_in: where a saved adapter keeps its strength: in "alpha" where the update is proportional to
            it, in the "tensors", or in keys of our "own", which PEFT does not read.
        settings_in_peft: whether PEFT's configuration holds ranks, alphas and options.
        lr_factor: how many times LoRA's learning rate suits the family, measured (docs/families.md).
    """

    family: ClassVar[str]
    peft_type: ClassVar[str | None] = None
    uses_dropout: ClassVar[bool] = False
    unused: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[Mapping[str, Option]] = {}
    minima: ClassVar[Mapping[str, float]] = {}
    maxima: ClassVar[Mapping[str, float]] = {}
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    strength_in: ClassVar[str] = "own"
    settings_in_peft: ClassVar[bool] = False
    lr_factor: ClassVar[float] = 1.0

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.settings = settings
        self.strength = 1.0

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Adapter:
        """As `nn.Module`, but a network that is cast to half precision leaves its adapters in single."""

        def exact(tensor: Tensor) -> Tensor:
            found = fn(tensor)
            low = found.is_floating_point() and found.dtype.itemsize < 4
            return tensor.to(found.device, torch.float32) if low else found

        return super()._apply(exact, recurse)

    def weight(self, base: Tensor) -> Tensor:
        """The adapted weight at strength 1, differentiable in the parameters.

        Args:
            base: the frozen weight, (out, in/groups, kernel...), in at least single precision.
        """
        raise NotImplementedError

    def start(self, base: Tensor) -> None:
        """Called once, when the adapter is attached: for parameters whose start depends on the weight.

        Args:
            base: the frozen weight, in at least single precision.
        """

    def low_rank(self) -> LowRank | None:
        """The update as a low-rank product, the strength in its scaling; None where it is none."""
        return None

    def scaled_low_rank(self, base: Tensor) -> ScaledLowRank | None:
        """The adapted weight at strength 1 as scaled or turned outputs of a low-rank change; None where it is
        none.

        Args:
            base: the frozen weight, (out, in/groups, kernel...), in at least single precision.
        """
        return None

    def regularizer(self) -> Tensor | None:
        """A scalar to add to the loss; None for none."""
        return None

    def on_step(self, step: int, total: int) -> None:
        """Called after optimizer step `step` of `total`, counted from 1, while gradients are still there."""

    @classmethod
    def on_step_together(cls, adapters: Sequence[Adapter], step: int, total: int) -> None:
        """`on_step` for all adapters of this family on one network, for families that share a budget."""
        for adapter in adapters:
            adapter.on_step(step, total)

    def on_start(self, step: int, total: int) -> None:
        """Called when training starts (step 0), or continues after step `step` of `total` with the tensors of
        that step: for what a family keeps elsewhere."""

    @classmethod
    def shape_on(cls, layer: Any, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape that the constructor gets for a layer whose weight is of this shape."""
        return tuple(shape)

    @property
    def has_hooks(self) -> bool:
        """Whether the family has a regularizer or does something at each step."""
        hooks = ("regularizer", "on_step", "on_step_together")
        return any(_function(type(self), name) is not _function(Adapter, name) for name in hooks)

    def update(self, base: Tensor) -> Tensor:
        """strength * (weight(base) - base), in the shape of the weight."""
        return self.strength * (self.weight(base) - base)

    @property
    def dropout(self) -> float:
        """The probability that an element of the adapter's input is dropped while it trains."""
        return self.settings.dropout if self.uses_dropout and self.training else 0.0

    @classmethod
    def check_options(cls, options: Mapping[str, Option]) -> None:
        """Raises ValueError, in one line, for an option that is unknown, of a wrong type or out of range."""
        for name, value in options.items():
            if name not in cls.defaults:
                known = ", ".join(cls.defaults) or "none"
                raise ValueError(f"{cls.family} has no option {brief(name)}; it has {known}.")
            wanted = type(cls.defaults[name])
            fits = isinstance(value, bool) == (wanted is bool) and isinstance(
                value, (int, float) if wanted is float else wanted
            )
            if not fits:
                raise ValueError(
                    f"option {name} of {cls.family} is {brief(value)}: give a {wanted.__name__}."
                )
            if name in cls.choices and value not in cls.choices[name]:
                words = " or ".join(cls.choices[name])
                raise ValueError(f"option {name} of {cls.family} is {brief(value)}: give {words}.")
            least, most = cls.minima.get(name, -MOST_OPTION), cls.maxima.get(name, MOST_OPTION)
            # The order refuses nan, too.
            if isinstance(value, (int, float)) and not least <= value <= most:
                raise ValueError(
                    f"option {name} of {cls.family} is {brief(value)}: give a number from {least} to {most}."
                )

    def option(self, name: str) -> Any:
        """The value of one of the family's options."""
        return self.settings.options.get(name, self.defaults[name])

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

    @property
    def saved_settings(self) -> AdapterSettings:
        """The settings that go with the tensors of :meth:`to_peft`."""
        return self.settings

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """The family's own part of PEFT's configuration."""
        return {}

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of `LoraConfig` that PEFT's configuration stands for.

        Raises:
            ValueError: it asks for a variant that is not known here.
        """
        return {}

    def peft_obstacle(self, layer: nn.Module) -> str | None:
        """Why PEFT would compute something else with the saved tensors, as a clause; None where it would not.

        Args:
            layer: the module that the adapter is attached to.
        """
        if self.strength_in == "own" and self.strength != 1:
            return f"PEFT has no strength for {self.family} (here {self.strength:g})"
        return None

    @classmethod
    def part_names(cls) -> tuple[str, ...]:
        """All names that :meth:`to_peft` can give."""
        example = cls((2, 2), AdapterSettings(cls.family, 1), torch.float32, torch.Generator())
        return tuple(example.to_peft())

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


def _function(cls: type, name: str) -> Any:
    """A method of a class, unbound."""
    method = getattr(cls, name)
    return getattr(method, "__func__", method)


def padding_obstacle(layer: nn.Module) -> str | None:
    """Why PEFT's layers that convolve by themselves compute something else; None where they don't."""
    mode = getattr(layer, "padding_mode", "zeros")
    return None if mode == "zeros" else f"PEFT ignores padding_mode={mode}"
