"""What it costs to keep: the time of a step with distillation and drift over that of one without.

    python -m benchmarks.keeping_cost --results benchmarks/RESULTS.md

Networks with random weights learn the goldfish that ship with the project. Everything is as by default but
for the number of steps, the precision, and the anchors: one view of each of 48, so that the frozen network's
answers are soon all known, as they are for most of a whole run. Runs with and without take turns.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision
from rich.console import Console
from safetensors.torch import save_file

from benchmarks import results
from benchmarks.machine import machine, versions
from benchmarks.table import markdown_table
from visionlora.files import replacing
from visionlora.paths import shipped

HEADINGS = ("network", "without, ms", "with, ms", "with / without")
Pair = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    with tempfile.TemporaryDirectory() as directory:
        figures = {name: measure(options, name, Path(directory)) for name in options.networks}
    text = _section(options, figures, shlex.join(["python", "-m", "benchmarks.keeping_cost", *given]))
    Console().print(text, markup=False)
    if options.json:
        with replacing(options.json) as beside:
            beside.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if options.results:
        results.write_section(options.results, "keeping-cost", text)
    return 0


def measure(options: argparse.Namespace, network: str, folder: Path) -> list[Pair]:
    """The median step of every run, in pairs."""
    torch.manual_seed(0)
    weights = folder / f"{network}.safetensors"
    save_file(torchvision.models.get_model(network).state_dict(), weights)
    return [
        {
            name: train(options, network, weights, folder / f"{network}-{number}-{name}", extra)
            for name, extra in (("without", ["retention.weight=0"]), ("with", []))
        }
        for number in range(options.pairs)
    ]


def train(options: argparse.Namespace, network: str, weights: Path, run: Path, extra: Sequence[str]) -> float:
    """The median step of one run in a process of its own, milliseconds."""
    command = [
        sys.executable, "-m", "visionlora.train", "data=goldfish", f"model.name={network}",
        f"model.weights={weights}", f"trainer.max_steps={options.steps}", "trainer.validations=1",
        "trainer.patience=null", "trainer.progress=false", f"trainer.precision={options.precision}",
        f"trainer.threads={options.threads or 'null'}", "retention.views=1", "retention.root=null",
        f"retention.anchors=[{shipped('data/goldfish/contrast/val')}]", "retention.budget=null",
        "contrast.anchors=[]", "contrast.root=null", f"hydra.run.dir={run}", *extra,
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return float(json.loads((run / "metrics.json").read_text())["time"]["step_ms"])


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
    return "\n\n".join(
        [
            results.facts("What keeping costs", machine(), versions(), command),
            f"14 goldfish a step, 7 anchors beside them, {options.precision}; medians of {options.pairs} "
            f"pairs of runs, each the median of its {options.steps} steps; in brackets the smallest and the "
            "largest ratio.",
            markdown_table(HEADINGS, rows),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.keeping_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = ["squeezenet1_0", "resnet18", "mobilenet_v2"]
    add("--networks", nargs="+", default=names, metavar="NAME")
    add("--steps", type=int, default=40, help="of every run")
    add("--pairs", type=int, default=3, help="of runs, for every network")
    add("--precision", default="bf16-mixed", choices=("32-true", "bf16-mixed"))
    add("--threads", type=int, default=0, help="0: PyTorch's own number")
    add("--json", type=Path, metavar="FILE")
    add("--results", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
