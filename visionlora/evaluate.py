"""Measure an adapter on labelled images: ``python -m visionlora.evaluate adapter=RUN data=goldfish``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from omegaconf import DictConfig

from visionlora.adapters.settings import AUTO
from visionlora.command import Command, launch
from visionlora.evaluation.config import EvaluateConfig
from visionlora.lazy import garbage_kept
from visionlora.options import option, section
from visionlora.processes import joined, of_first, run_in
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.settings import build, plain


@dataclass(frozen=True)
class OldImages(RetentionConfig):
    """Which old images an adapter is measured on."""

    root: str | None = option(
        AUTO, "folder to measure forgetting on; auto: the run's, else the network's; null: not measured",
        words=(AUTO,), path=True,
    )  # fmt: skip


@dataclass(frozen=True)
class ContrastImages(ContrastConfig):
    """Which negative images an adapter is measured on."""

    root: str | None = option(
        AUTO, "folder of negatives for the false-positive rate; auto: the run's; null: not measured",
        words=(AUTO,), path=True,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(EvaluateConfig):
    """Options of ``visionlora evaluate``."""

    retention: OldImages = section(only=("root",))
    contrast: ContrastImages = section(only=("root",))


COMMAND = Command(
    "evaluate",
    "measure an adapter on labelled images that it was not trained on",
    EvaluateOptions,
    (
        "visionlora evaluate adapter=RUN",
        "visionlora evaluate adapter=RUN data.root=FOLDER output=figures.json",
    ),
)


def evaluate(config: DictConfig) -> int:
    """Print, and where ``output`` is given write, the figures."""
    options = build(EvaluateOptions, plain(config))
    return run_in(options.devices, partial(_evaluate, options), _evaluate, options)


def _evaluate(options: EvaluateOptions) -> int:
    with garbage_kept():
        from visionlora.device import choose_device
        from visionlora.evaluation.evaluate import evaluate_adapter

    with joined(choose_device("auto").type):
        writing = of_first(options, "output", "sheet", "figure")
        evaluate_adapter(writing, options.retention.root, options.contrast.root)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(evaluate, COMMAND)


if __name__ == "__main__":
    main()
