"""Name new images: ``python -m visionlora.predict adapter=RUN images=FOLDER``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.evaluation.config import PredictConfig
from visionlora.settings import build, plain

COMMAND = Command(
    "predict",
    "name the images of a file, folder or glob with an adapter",
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
    from visionlora.evaluation.predict import predict_images

    return BROKEN_IMAGES if predict_images(options) else 0


def main() -> None:
    """Entry point of the command."""
    launch(predict, COMMAND)


if __name__ == "__main__":
    main()
