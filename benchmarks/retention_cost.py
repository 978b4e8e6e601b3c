"""The cost of retention: step time with distillation and drift penalty, relative to a step without.

    python -m benchmarks.retention_cost --results benchmarks/RESULTS.md

Networks with random weights learn the goldfish that ship with the project. All settings have their defaults
except the number of steps, the precision, and the anchors: one view of each of 48 images, so that the
teacher's logits are soon all cached, as they are for most of a complete run. Runs with and without alternate.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.runs import random_weights, train
from benchmarks.table import markdown_table
from visionlora.paths import shipped

HEADINGS = ("network", "without, ms", "with, ms", "with / without")
Pair = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        figures = {name: measure(options, name, Path(directory)) for name in options.networks}
    results.write(options, "retention-cost", _section(options, figures, command), figures)


def measure(options: argparse.Namespace, network: str, folder: Path) -> list[Pair]:
    """The median step time of each run in milliseconds, in pairs."""
    weights = random_weights(network, folder)
    anchors = ["retention.views=1", "retention.root=null"]
    anchors.append(f"retention.anchors=[{shipped('data/goldfish/contrast/val')}]")

    def step(name: str, number: int, settings: list[str]) -> float:
        run = folder / f"{network}-{number}-{name}"
        return train(options, network, weights, options.steps, run, [*anchors, *settings])["step_ms"]

    return [
        {"without": step("without", number, ["retention.weight=0"]), "with": step("with", number, [])}
        for number in range(options.pairs)
    ]


def _section(options: argparse.Namespace, figures: dict[str, list[Pair]], command: str) -> str:
    rows = []
    for network, pairs in figures.items():
        without, kept = ([pair[name] for pair in pairs] for name in ("without", "with"))
        ratios = [b / a for a, b in zip(without, kept, strict=True)]
        rows.append(
            [
                network,
                f"{statistics.median(without):.1f}",
                f"{statistics.median(kept):.1f}",
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
            ]
        )
    return results.section(
        "Cost of retention",
        command,
        f"14 goldfish and 7 anchors per step, {options.precision}; medians of {options.pairs} pairs of runs, "
        f"each with the median of its {options.steps} steps; in brackets the smallest and the largest ratio.",
        markdown_table(HEADINGS, rows),
    )


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("retention_cost", __doc__)
    add = parser.add_argument
    names = ["squeezenet1_0", "resnet18", "mobilenet_v2"]
    add("--networks", nargs="+", default=names, metavar="NAME")
    add("--steps", type=int, default=40, help="of each run")
    add("--pairs", type=int, default=3, help="of runs, for each network")
    add("--precision", default="bf16-mixed", choices=("32-true", "bf16-mixed"))
    add_shared(parser, "json", "results", threads=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
