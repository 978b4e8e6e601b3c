"""Options of the commands that combine, extract and convert adapters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visionlora.models.config import MOST_ADAPTERS
from visionlora.options import Section, option
from visionlora.text import counted

FORMATS = ("visionlora", "peft", "lycoris", "loralib")


@dataclass(frozen=True, kw_only=True)
class CombineConfig(Section):
    """Options of ``visionlora combine``."""

    adapters: Sequence[str] = option(help="run folders or adapter directories of one network", path=True)
    output: str = option(help="the adapter directory to write", path=True)
    method: str = option(
        "average", "ties keeps each adapter's largest numbers, dare random ones; dare_ties: dare, then ties",
        words=("add", "subtract", "average", "ties", "dare", "dare_ties"),
    )  # fmt: skip
    weights: Sequence[float] | None = option(
        None, "the weight of each adapter; null: 1 each", at_least=-100, at_most=100
    )
    rank: int | None = option(
        None, "rank of each layer's update, at most; null: nothing is lost", at_least=1, at_most=4096
    )
    density: float = option(0.5, "the share of the numbers that ties and dare keep", above=0, at_most=1)
    seed: int = option(0, "seed of the choice of numbers that dare drops", at_least=0, at_most=2**32 - 1)
    model: str | None = option(None, "the network's name, for adapters that another library saved")
    base: str | None = option(
        None, "other base weights than those the adapters name: imagenet, none or a file",
        words=("imagenet", "none"), path=True,
    )  # fmt: skip

    def check(self) -> None:
        """As many weights as adapters."""
        if not 1 <= len(self.adapters) <= MOST_ADAPTERS:
            raise ValueError(f"adapters has {len(self.adapters)} adapters; give 1 to {MOST_ADAPTERS}")
        if self.weights is not None and len(self.weights) != len(self.adapters):
            raise ValueError(
                f"weights has {counted(len(self.weights), 'number')} for "
                f"{counted(len(self.adapters), 'adapter')}; give one for each"
            )
        if self.density != 0.5 and not self.method.startswith(("ties", "dare")):
            raise ValueError(f"density is for ties and dare; method is {self.method}")


@dataclass(frozen=True, kw_only=True)
class ExtractConfig(Section):
    """Options of ``visionlora extract``."""

    model: str = option(help="the network's name")
    base: str = option(
        "imagenet", "the weights before the fine-tuning: imagenet, none or a file",
        words=("imagenet", "none"), path=True,
    )  # fmt: skip
    tuned: str = option(help="the weights after it, a .safetensors or .pth file", path=True)
    rank: int | str = option(
        8, "rank of each layer's update, at most; full: nothing is lost", words=("full",), at_least=1,
        at_most=4096,
    )  # fmt: skip
    output: str = option(help="the adapter directory to write", path=True)


@dataclass(frozen=True, kw_only=True)
class ConvertConfig(Section):
    """Options of ``visionlora convert``."""

    source: str = option(
        help="a run folder, an adapter directory, or a file of LyCORIS or loralib; from=PATH is the same",
        path=True, also=("adapter", "input"),
    )  # fmt: skip
    to: str = option("visionlora", "the format to write", words=FORMATS)
    output: str = option(help="the folder (visionlora, peft) or file (lycoris, loralib) to write", path=True)
    model: str | None = option(None, "the network's name, for an adapter that does not say it")
    weights: str | None = option(
        None, "other base weights than the adapter's: imagenet, none or a file", words=("imagenet", "none"),
        path=True,
    )  # fmt: skip
    alpha: float | None = option(
        None,
        "lora_alpha of a file of A and B (loralib, PEFT, diffusers) that does not hold it",
        above=0,
        at_most=1e6,
    )
