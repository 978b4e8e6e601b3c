"""The effect of the feature cache: steps per second with and without it.

    python -m benchmarks.feature_cache --results benchmarks/RESULTS.md

VGG19 with random weights learns the goldfish that ship with the project, `lora.targets=classifier`,
without augmentation and distillation: a step has 14 images. Two runs have the same number of steps, so their
adapters must be equal; a longer run shows the step time once the features of every image are cached.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.runs import random_weights, train
from benchmarks.table import markdown_table

HEADINGS = ("run", "steps", "median step, ms", "steps per second", "training, s", "times without")
PLAIN = ("augment=none", "lora.targets=classifier", "retention.weight=0")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(options, Path(directory))
    results.write(options, "feature-cache", _section(figures, command), figures)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The times of three runs, and the largest difference between the adapters of the first two."""
    weights = random_weights(options.network, folder)
    runs = {}
    for name, features, steps in (
        ("without", "false", options.steps),
        ("with", "true", options.steps),
        ("with, longer", "true", options.longer),
    ):
        settings = [*PLAIN, f"cache.features={features}"]
        runs[name] = train(
            options, options.network, weights, steps, folder / name.replace(", ", "_"), settings
        )
    file = "adapter/adapter_model.safetensors"
    one, other = (load_file(folder / name / file) for name in ("without", "with"))
    return {
        "network": options.network,
        "batch": 14,
        "runs": runs,
        "largest_difference": max(float((one[name] - other[name]).abs().max()) for name in one),
        "largest_value": max(float(value.abs().max()) for value in one.values()),
    }


def _section(figures: dict[str, Any], command: str) -> str:
    slow = figures["runs"]["without"]["step_ms"]
    rows = [
        [
            name, str(run["steps"]), f"{run['step_ms']:.1f}", f"{1000 / run['step_ms']:.2f}",
            f"{run['steps_s']:.1f}", f"{slow / run['step_ms']:.1f}",
        ]
        for name, run in figures["runs"].items()
    ]  # fmt: skip
    difference, largest = figures["largest_difference"], figures["largest_value"]
    return results.section(
        "Feature cache",
        command,
        f"{figures['network']}, `lora.targets=classifier`, 14 goldfish per step, without augmentation and "
        "distillation. The training time includes the first step, which computes the frozen part, and the "
        "validation.",
        markdown_table(HEADINGS, rows),
        f"The adapters of the first two runs differ by at most {difference:.1e} (largest value "
        f"{largest:.2g}).",
    )


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("feature_cache", __doc__)
    parser.add_argument("--network", default="vgg19", metavar="NAME")
    parser.add_argument("--steps", type=int, default=6, help="of the runs that are compared")
    parser.add_argument("--longer", type=int, default=120, help="of the run with cached features")
    parser.add_argument("--precision", default="32-true", choices=("32-true", "bf16-mixed"))
    add_shared(parser, "json", "results", threads=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
