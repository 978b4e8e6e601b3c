"""What it brings to compute the frozen layers once: steps a second with and without.

    python -m benchmarks.feature_cache --results benchmarks/RESULTS.md

VGG19 with random weights learns the goldfish that ship with the project, `lora.targets=classifier`, nothing
augmented and nothing distilled: a step is that of its 14 pictures. The two runs take the same number of
steps, so their adapters must be the same; then a longer one shows the step once every picture is known.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from rich.console import Console
from safetensors.torch import load_file, save_file

from benchmarks import results
from benchmarks.machine import machine, versions
from benchmarks.table import markdown_table
from visionlora.files import replacing

HEADINGS = ("run", "steps", "median step, ms", "steps a second", "training, s", "times without")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(options, Path(directory))
    text = _section(figures, shlex.join(["python", "-m", "benchmarks.feature_cache", *given]))
    Console().print(text, markup=False)
    if options.json:
        with replacing(options.json) as beside:
            beside.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if options.results:
        results.write_section(options.results, "feature-cache", text)
    return 0


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures of three runs, and the largest difference between the adapters of the first two."""
    torch.manual_seed(0)
    save_file(
        torchvision.models.get_model(options.network).state_dict(), weights := folder / "weights.safetensors"
    )
    runs = {}
    for name, features, steps in (
        ("without", "false", options.steps),
        ("with", "true", options.steps),
        ("with, longer", "true", options.longer),
    ):
        runs[name] = train(options, weights, folder / name.replace(", ", "_"), features, steps)
    file = "adapter/adapter_model.safetensors"
    one, other = (load_file(folder / name / file) for name in ("without", "with"))
    return {
        "network": options.network,
        "batch": 14,
        "runs": runs,
        "largest_difference": max(float((one[name] - other[name]).abs().max()) for name in one),
        "largest_value": max(float(value.abs().max()) for value in one.values()),
    }


def train(
    options: argparse.Namespace, weights: Path, run: Path, features: str, steps: int
) -> dict[str, float]:
    """One run in a process of its own; its steps and times."""
    command = [
        sys.executable, "-m", "visionlora.train", "data=goldfish", "augment=none", "lora.targets=classifier",
        f"model.name={options.network}", f"model.weights={weights}", f"cache.features={features}",
        f"trainer.precision={options.precision}", f"trainer.max_steps={steps}", "trainer.validations=1",
        "trainer.patience=null", "trainer.progress=false", "retention.weight=0", "retention.budget=null",
        "contrast.anchors=[]", "contrast.root=null",
        f"trainer.threads={options.threads or 'null'}", f"hydra.run.dir={run}",
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((run / "metrics.json").read_text())
    return {"steps": metrics["steps"], **metrics["time"]}


def _section(figures: dict[str, Any], command: str) -> str:
    slow = figures["runs"]["without"]["step_ms"]
    rows = [
        [
            name, str(run["steps"]), f"{run['step_ms']:.1f}", f"{1000 / run['step_ms']:.2f}",
            f"{run['fit_s']:.1f}", f"{slow / run['step_ms']:.1f}",
        ]
        for name, run in figures["runs"].items()
    ]  # fmt: skip
    difference, largest = figures["largest_difference"], figures["largest_value"]
    return "\n\n".join(
        [
            results.facts("Frozen layers computed once", machine(), versions(), command),
            f"{figures['network']}, `lora.targets=classifier`, 14 goldfish a step, nothing augmented or "
            "distilled. Training includes the first step, in which the frozen part is computed, and the "
            "validation.",
            markdown_table(HEADINGS, rows),
            f"The first two runs' adapters differ by at most {difference:.1e} (largest value {largest:.2g}).",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feature_cache",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--network", default="vgg19", metavar="NAME")
    parser.add_argument("--steps", type=int, default=6, help="of the runs that are compared")
    parser.add_argument("--longer", type=int, default=120, help="of the run that shows the settled step")
    parser.add_argument("--precision", default="32-true", choices=("32-true", "bf16-mixed"))
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own number")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--results", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
