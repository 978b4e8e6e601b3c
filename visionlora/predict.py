"""Name new images: ``python -m visionlora.predict adapter=RUN images=FOLDER``."""

from __future__ import annotations

from functools import partial

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.evaluation.config import PredictConfig
from visionlora.lazy import garbage_kept
from visionlora.processes import joined, of_first, run_in
from visionlora.settings import build, plain

COMMAND = Command(
    "predict",
    "predict the class of each image of a file, folder or glob with an adapter",
    PredictConfig,
    (
        "visionlora predict adapter=RUN images=FOLDER",
        "visionlora predict adapter=RUN images='photos/**/*.jpg' output=names.csv compare=true",
    ),
)

BROKEN_IMAGES = 3


def predict(config: DictConfig) -> int:
    """Show and write what the network says; 3 where an image could not be read, 0 otherwise."""
    options = build(PredictConfig, plain(config))
    return run_in(options.devices, partial(_predict, options), _predict, options)


def _predict(options: PredictConfig) -> int:
    with garbage_kept():
        from visionlora.device import choose_device
        from visionlora.evaluation.predict import predict_images

    with joined(choose_device("auto").type):
        return BROKEN_IMAGES if predict_images(of_first(options, "output", "sheet")) else 0


def main() -> None:
    """Entry point of the command."""
    launch(predict, COMMAND)


if __name__ == "__main__":
    main()
