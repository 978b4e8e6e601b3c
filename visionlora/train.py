"""Teach a pretrained network a handful of pictures: ``python -m visionlora.train data=goldfish``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import launch


def train(config: DictConfig) -> int:
    """One training run; its folder is the one Hydra made."""
    from hydra.core.hydra_config import HydraConfig

    from visionlora.training.run import run

    return run(config, HydraConfig.get().runtime.output_dir)


def main() -> None:
    """Entry point of the command."""
    launch(train, "config")


if __name__ == "__main__":
    main()
