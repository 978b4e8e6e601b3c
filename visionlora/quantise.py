"""Write quantised weights: ``python -m visionlora.quantise model=vgg19 output=NAME.safetensors``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.lazy import garbage_kept
from visionlora.models.config import QuantiseConfig
from visionlora.settings import build, plain
from visionlora.terminal import show

COMMAND = Command(
    "quantise",
    "write a network's weights in 4 or 8 bits, to load with model.weights=FILE",
    QuantiseConfig,
    ("visionlora quantise model=vgg19 output=vgg19-nf4.safetensors",),
)


def quantise(config: DictConfig) -> int:
    """Quantise the weights and write them."""
    options = build(QuantiseConfig, plain(config))
    with garbage_kept():
        from visionlora.models.write_quantised import write_quantised_weights

    show(write_quantised_weights(options.model, options.output))
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(quantise, COMMAND)


if __name__ == "__main__":
    main()
