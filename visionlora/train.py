"""Teach a pretrained network a handful of images: ``python -m visionlora.train data=goldfish``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from visionlora.command import in_sweep, launch


def train(config: DictConfig) -> int:
    """One training run; its folder is the one Hydra made."""
    from hydra.core.hydra_config import HydraConfig

    from visionlora.training.cross_validation import run_folds
    from visionlora.training.run import run

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        return run(config, folder) if config.data.get("folds") is None else run_folds(config, folder)
    finally:
        # A run that failed before it wrote anything leaves no trace; in a sweep Hydra still logs to it.
        if not in_sweep() and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def main() -> None:
    """Entry point of the command."""
    launch(train, "config")


if __name__ == "__main__":
    main()
