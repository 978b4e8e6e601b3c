"""Measure an adapter on a labelled folder: ``python -m visionlora.evaluate adapter=RUN data=goldfish``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import launch


def evaluate(config: DictConfig) -> int:
    """Print, and where ``output`` is given write, the figures."""
    from visionlora.evaluation.evaluate import EvaluateOptions, evaluate_adapter
    from visionlora.settings import plain

    evaluate_adapter(EvaluateOptions.of(plain(config)))
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(evaluate, "evaluate")


if __name__ == "__main__":
    main()
