"""Options about the network, and of the command that merges an adapter into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from visionlora.adapters.errors import LoraError
from visionlora.adapters.patterns import check_patterns
from visionlora.options import Section, option, section
from visionlora.text import counted

FIRST, HEAD = "first", "head"
"""What `quantise_skip` calls the first layer and the last one."""
WEIGHT_FILES = (".safetensors", ".pth", ".pt")
MOST_ADAPTERS = 256


@dataclass(frozen=True)
class ModelConfig(Section):
    """Which pretrained network, which weights, and what happens to its last layer."""

    name: str = option(
        "auto",
        "a network of torchvision, or timm/NAME; auto: VGG19 if its weights are available, else pocket",
        words=("auto", "pocket"), free="a network's name", sweeps=True, also=("backbone", "network", "arch"),
    )  # fmt: skip
    weights: str = option(
        "imagenet", "torchvision's ImageNet weights, a file (.safetensors, .pth, .ckpt), or none (random)",
        words=("imagenet", "none"), path=True,
    )  # fmt: skip
    head: str = option(
        "auto",
        "outputs: the network's, extended, or new; auto: keep if every class is known, extend for one more",
        words=("auto", "keep", "extend", "new"),
    )  # fmt: skip
    expand: int = option(
        0, "new blocks, copies that start as the identity: they are trained instead of adapters",
        at_least=0, at_most=1000,
    )  # fmt: skip
    dropout: bool = option(False, "whether the network's own dropout layers are active in training")
    factory: str | None = option(None, "package.module:function of yours that returns the network")
    quantise: str | None = option(
        None,
        "the frozen weights in 4 bits (nf4, QLoRA) or 8 (int8); null: as they are",
        words=("nf4", "int8"),
    )
    quantise_skip: Sequence[str] = option(
        (FIRST, HEAD), "layers that stay as they are: first, head, and regular expressions of names"
    )

    def check(self) -> None:
        """A function's name is the network's name."""
        try:
            check_patterns("quantise_skip", self.quantise_skip)
        except LoraError as error:
            raise ValueError(str(error)) from None
        if self.factory is None:
            return
        module, _, function = self.factory.partition(":")
        if not module or not function.isidentifier():
            raise ValueError(f"factory is {self.factory!r}; it takes package.module:function")
        if self.name not in ("auto", self.factory):
            raise ValueError(f"factory makes the network, so leave out model.name={self.name}")
        object.__setattr__(self, "name", self.factory)


@dataclass(frozen=True, kw_only=True)
class AdapterSource(Section):
    """Which adapter, and the network under it."""

    adapter: str | Sequence[str] = option(
        help="a run folder, an adapter directory, hf://user/name on a hub, or a list that acts together",
        path=True, also=("run",),
    )  # fmt: skip
    adapter_weights: Sequence[float] | None = option(
        None, "what the update of each adapter is multiplied by; null: 1 each", at_least=-100, at_most=100
    )
    model: str | None = option(
        None, "the network's name, if the adapter does not say it or your own code makes it"
    )
    weights: str | None = option(
        None, "other weights than those the adapter was trained on: imagenet, none or a file; null: the same",
        words=("imagenet", "none"), path=True,
    )  # fmt: skip

    @property
    def adapters(self) -> tuple[str, ...]:
        """All of them."""
        return (self.adapter,) if isinstance(self.adapter, str) else tuple(self.adapter)

    def check(self) -> None:
        """As many weights as adapters."""
        if not 1 <= len(self.adapters) <= MOST_ADAPTERS:
            raise ValueError(f"adapter has {len(self.adapters)} adapters; give 1 to {MOST_ADAPTERS}")
        if self.adapter_weights is not None and len(self.adapter_weights) != len(self.adapters):
            raise ValueError(
                f"adapter_weights has {counted(len(self.adapter_weights), 'number')} for "
                f"{counted(len(self.adapters), 'adapter')}; give one for each"
            )


def strength_option() -> Any:
    """How strongly an adapter is applied."""
    return option(
        1.0, "the update is multiplied by it: 0 is the frozen network, 1 as trained", at_least=0, at_most=100
    )


@dataclass(frozen=True, kw_only=True)
class MergeConfig(AdapterSource):
    """Options of ``visionlora merge``."""

    strength: float = strength_option()

    output: str = option(help="the file of merged weights to write", path=True, suffixes=WEIGHT_FILES)
    quantise: str | None = option(
        None, "quantise the merged weights again: nf4 or int8; null: dense weights", words=("nf4", "int8")
    )

    def check(self) -> None:
        """What a format does not have."""
        super().check()
        if self.quantise is not None and not self.output.lower().endswith(".safetensors"):
            raise ValueError(
                f"output is {self.output!r}; quantised weights are written to a .safetensors file"
            )


@dataclass(frozen=True, kw_only=True)
class QuantiseConfig(Section):
    """Options of ``visionlora quantise``."""

    output: str = option(help="the file of quantised weights to write", path=True, suffixes=(".safetensors",))
    model: ModelConfig = section(only=("name", "weights", "quantise", "quantise_skip"), quantise="nf4")

    def check(self) -> None:
        if self.model.quantise is None:
            raise ValueError("model.quantise is null; it takes nf4 or int8")
