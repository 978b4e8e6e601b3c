"""What the configuration may say about the network."""

from __future__ import annotations

from dataclasses import dataclass

from visionlora.settings import require


@dataclass(frozen=True)
class ModelConfig:
    """Which pretrained network, which weights, and what happens to its last layer."""

    name: str
    weights: str = "imagenet"
    head: str = "auto"
    dropout: bool = False

    def __post_init__(self) -> None:
        require(
            self.head in ("auto", "keep", "extend", "new"), "head is auto, keep, extend or new", self.head
        )
