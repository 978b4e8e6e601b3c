"""Train an adapter: ``python -m visionlora.train data=goldfish``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from visionlora.command import Command, in_sweep, launch
from visionlora.errors import VisionLoraError
from visionlora.training.config import RunConfig, read_config

COMMAND = Command(
    "train",
    "train a pretrained network on a handful of images with LoRA, and keep what it knew",
    RunConfig,
    (
        "visionlora train data=goldfish",
        "visionlora train data.root=my_images model=vgg19 lora.rank=4",
        "visionlora train -m data=goldfish lora.rank=1,2,4,8",
    ),
)


def train(config: DictConfig) -> int:
    """One training run; its folder is the one that Hydra made."""
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        _require_utf8(folder)
        options = read_config(config)
        # Only now: torch and Lightning take seconds to import.
        from visionlora.training.cross_validation import run_folds
        from visionlora.training.run import run
        from visionlora.training.setup import check_available

        check_available(options.model, options.trainer)
        return run(config, folder) if options.data.folds is None else run_folds(config, folder)
    finally:
        # In a sweep Hydra still logs to it.
        if not in_sweep():
            _remove_if_empty(folder)


def _require_utf8(folder: Path) -> None:
    """Refuse a run's folder that TensorBoard cannot write to, before anything is trained.

    Raises:
        VisionLoraError: the name of the folder, or of one around it, is not UTF-8.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise VisionLoraError(
            f"the run's folder {folder} has a name that is not UTF-8, which TensorBoard cannot write to; set "
            "hydra.run.dir=FOLDER (in a sweep hydra.sweep.dir=FOLDER)"
        ) from error


def _remove_if_empty(folder: Path) -> None:
    """Remove a run's folder, and those around it, where the run wrote nothing."""
    for one in (folder, *folder.parents):
        if one == Path.cwd() or not one.is_dir() or any(one.iterdir()):
            return
        one.rmdir()


def main() -> None:
    """Entry point of the command."""
    launch(train, COMMAND)


if __name__ == "__main__":
    main()
