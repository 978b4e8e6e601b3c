"""Name new images: ``python -m visionlora.predict adapter=RUN images=FOLDER``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import launch

BROKEN_IMAGES = 3


def predict(config: DictConfig) -> int:
    """Show and write what the network says; 3 where an image could not be read, 0 otherwise."""
    from visionlora.evaluation.predict import PredictOptions, predict_images
    from visionlora.settings import build, plain

    broken = predict_images(build(PredictOptions, plain(config), "predict"))
    return BROKEN_IMAGES if broken else 0


def main() -> None:
    """Entry point of the command."""
    launch(predict, "predict")


if __name__ == "__main__":
    main()
