"""Write plain torchvision weights: ``python -m visionlora.merge adapter=RUN output=NAME.safetensors``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import launch


def merge(config: DictConfig) -> int:
    """Merge the adapter into the weights and write them, with the class names beside them."""
    from visionlora.models.merge_weights import write_merged
    from visionlora.settings import plain

    options = plain(config)
    write_merged(options["adapter"], options["output"], options["model"], options["weights"])
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(merge, "merge")


if __name__ == "__main__":
    main()
