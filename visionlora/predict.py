"""Name new pictures: ``python -m visionlora.predict adapter=RUN images=FOLDER``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import launch

BROKEN_PICTURES = 3


def predict(config: DictConfig) -> int:
    """Show and write what the network says; 3 where a picture could not be read, 0 otherwise."""
    from visionlora.settings import build, plain
    from visionlora.training.predicting import PredictOptions, predict_pictures

    broken = predict_pictures(build(PredictOptions, plain(config), "predict"))
    return BROKEN_PICTURES if broken else 0


def main() -> None:
    """Entry point of the command."""
    launch(predict, "predict")


if __name__ == "__main__":
    main()
