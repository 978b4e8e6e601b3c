"""A learned start (`visionlora meta`) beside the Gaussian one, on classes that it never saw.

    python -m visionlora.meta data.root=../shared/real/illustrated/train model.name=squeezenet1_0 ... \
        meta.held_out=30 start=outputs/start
    python -m benchmarks.learned_start outputs/start --steps 10 --seeds 0 1 2

Both are trained on the same drawing of each held-out class for the same steps, and measured on the other
drawings of these classes and on photos, at strength 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality import Record
from benchmarks.quality_tasks import Task, link, make_tasks, our_config
from benchmarks.runs import learned_and_kept
from benchmarks.table import markdown_table
from visionlora.adapters import read_adapter_config
from visionlora.errors import VisionLoraError

HEADINGS = ("start", "learning rate", "seeds", "new drawings right", "photos, top-1 lost")


def held_out_task(base: Task, unseen: Sequence[str], real: Path, folder: Path, seed: int) -> Task:
    """One drawing of each class to train on, drawn by the seed, and all others to measure on."""
    for name in unseen:
        drawings = sorted((real / "illustrated").glob(f"*/{name}/*.png"))
        if len(drawings) < 2:
            raise VisionLoraError(f"{real / 'illustrated'} has fewer than 2 drawings of {name}")
        chosen = random.Random(f"{seed}/{name}").choice(drawings)
        for drawing in drawings:
            part = "train" if drawing == chosen else "val"
            link(folder / part / name / f"{drawing.parent.parent.name}-{drawing.name}", drawing)
    return replace(base, name="held-out", title="held-out classes, one drawing each", root=folder)


def measure(task: Task, start: str, lr: float, seed: int, steps: int) -> Record:
    """Train from a start, and what is right and lost then."""
    settings = (
        f"lora.init={start}", f"trainer.max_steps={steps}", "trainer.validations=1", "retention.budget=null",
        "contrast.budget=null",
    )  # fmt: skip
    found = learned_and_kept(our_config(task, lr, seed, True, settings))
    lost = found["kept_before"] - found["kept"]
    return {"learned": found["learned"], "lost": lost, "frozen": found["frozen"]}


def rows(records: Sequence[Record]) -> list[list[str]]:
    """One row for each start and learning rate, with means over the seeds."""
    found = []
    for start, lr in dict.fromkeys((one["start"], one["lr"]) for one in records):
        mine = [one for one in records if (one["start"], one["lr"]) == (start, lr)]
        each = ", ".join(f"{one['learned']:.3f}" for one in mine)
        learned, lost = fmean(one["learned"] for one in mine), fmean(one["lost"] for one in mine)
        seeds = ", ".join(str(one["seed"]) for one in mine)
        found.append([start, f"{lr:g}", seeds, f"{learned:.3f} ({each})", f"{lost:.3f}"])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    torch.set_num_threads(options.threads)
    about = read_adapter_config(options.start)["visionlora"].get("meta")
    if not about or not about["unseen"]:
        raise VisionLoraError(f"{options.start} is no start with held-out classes (meta.held_out)")
    starts = {"Gaussian": "default", "learned": str(options.start.resolve())}
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as place:
        base = make_tasks(Path(place), options.real)["illustrated-1"]
        for seed in options.seeds:
            folder = Path(place) / f"held-out-{seed}"
            task = held_out_task(base, about["unseen"], options.real, folder, seed)
            for lr in options.rates:
                for name, start in starts.items():
                    found = measure(task, start, lr, seed, options.steps)
                    records.append({"start": name, "lr": lr, "seed": seed, **found})
                    print(records[-1], flush=True)
    text = results.section(
        "A learned start",
        command,
        f"{len(about['unseen'])} classes that no task had, one drawing each, {options.steps} steps; the "
        f"frozen network has {fmean(one['frozen'] for one in records):.3f} right.",
        markdown_table(HEADINGS, rows(records)),
    )
    results.write(options, "learned-start", text, {"records": records})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("learned_start", __doc__)
    add: Callable[..., Any] = parser.add_argument
    add("start", type=Path, help="what visionlora meta wrote")
    add("--steps", type=int, default=10)
    add("--rates", nargs="+", type=float, default=[3e-3], help="learning rates")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add_shared(parser, "real", "json", "results", threads=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
