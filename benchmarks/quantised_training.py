"""Learning and forgetting on a dense base and on quantised ones: the same runs, on real weights.

    python -m benchmarks.quantised_training --seeds 0 1 2 --steps 96

SqueezeNet learns one drawing of each of 142 classes, with photos as anchors, and is measured at strength 1.
What is lost is counted from the dense frozen network, so it includes what the quantisation itself costs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality import Record
from benchmarks.quality_tasks import make_tasks, our_config
from benchmarks.runs import learned_and_kept
from benchmarks.table import markdown_table
from visionlora.errors import VisionLoraError

BASES = {
    "dense": (),
    "int8": ("model.quantise=int8",),
    "nf4": ("model.quantise=nf4",),
    "nf4, Gaussian": ("model.quantise=nf4", "lora.init=default"),
    "nf4, loftq": ("model.quantise=nf4", "lora.init=loftq"),
}
HEADINGS = (
    "base",
    "new drawings, top-1",
    "photos before training",
    "photos after",
    "lost from the dense network",
)


def rows(records: Sequence[Record]) -> list[list[str]]:
    """One row for each base, with means over the seeds.

    Raises:
        VisionLoraError: no record is of the dense base.
    """
    dense = [one["kept_before"] for one in records if one["base"] == "dense"]
    if not dense:
        raise VisionLoraError("what is lost is counted from the dense network; give --bases dense too")
    found = []
    for base in dict.fromkeys(one["base"] for one in records):
        mine = [one for one in records if one["base"] == base]
        learned, before, kept = (
            fmean(one[key] for one in mine) for key in ("learned", "kept_before", "kept")
        )
        each = ", ".join(f"{one['learned']:.3f}" for one in mine)
        each_lost = ", ".join(f"{dense[0] - one['kept']:.3f}" for one in mine)
        found.append([
            base, f"{learned:.3f} ({each})", f"{before:.3f}", f"{kept:.3f}",
            f"{dense[0] - kept:.3f} ({each_lost})",
        ])  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    torch.set_num_threads(options.threads)
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as place:
        task = make_tasks(Path(place), options.real)["illustrated-1"]
        for seed in options.seeds:
            for base in options.bases:
                settings = (
                    f"trainer.max_steps={options.steps}", "trainer.validations=1", "trainer.patience=null",
                    f"lora.rank={options.rank}", "retention.budget=null", "contrast.budget=null",
                    *BASES[base],
                )  # fmt: skip
                found = learned_and_kept(our_config(task, options.lr, seed, True, settings))
                records.append({"base": base, "seed": seed, **found})
                print(records[-1], flush=True)
    table = markdown_table(HEADINGS, rows(records))
    text = results.section("Training on a quantised base", command, table)
    results.write(options, "quantised-training", text, {"records": records})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("quantised_training", __doc__)
    add: Callable[..., Any] = parser.add_argument
    add("--bases", nargs="+", default=list(BASES), choices=tuple(BASES))
    add("--steps", type=int, default=96)
    add("--rank", type=int, default=8)
    add("--lr", type=float, default=3e-3, help="learning rate")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add_shared(parser, "real", "json", "results", threads=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
