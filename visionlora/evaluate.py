"""Measure an adapter on a labelled folder: ``python -m visionlora.evaluate adapter=RUN data=goldfish``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.evaluation.config import EvaluateConfig
from visionlora.settings import build, plain

COMMAND = Command(
    "evaluate",
    "measure an adapter on a labelled folder: its test images, else val, else all of them",
    EvaluateConfig,
    (
        "visionlora evaluate adapter=RUN data=goldfish",
        "visionlora evaluate adapter=RUN data.root=FOLDER output=figures.json",
    ),
)


def evaluate(config: DictConfig) -> int:
    """Print, and where ``output`` is given write, the figures."""
    options = build(EvaluateConfig, plain(config))
    from visionlora.evaluation.evaluate import evaluate_adapter

    evaluate_adapter(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(evaluate, COMMAND)


if __name__ == "__main__":
    main()
