"""A learned start (`visionlora meta`) beside the Gaussian one, on classes that it never saw.

    python -m benchmarks.learned_start outputs/start --seeds 0 1 2

Where there is no start yet, `visionlora meta` makes it with its defaults: SqueezeNet, the drawings of 112 of
142 classes, and photos that are anchors of the runs too. Both starts are trained on the same drawing of each
of the 30 other classes for the same steps, at the start's rank, and measured on the other drawings of these
classes and on other photos, at strength 1. Every finished run is a line of the records; the command continues
where it stopped.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality import Record, append, read_records
from benchmarks.quality_tasks import Task, link, make_tasks, our_config
from benchmarks.runs import learned_and_kept
from benchmarks.table import markdown_table
from visionlora.adapters import read_adapter_config
from visionlora.errors import VisionLoraError

HELD_OUT = 30
HEADINGS = ("start", "learning rate", "seeds", "new drawings right", "photos, top-1 lost")


def make_start(start: Path, base: Task, real: Path, threads: int) -> None:
    """Let the product make the start, from the drawings and the anchors of ``base``."""
    command = [
        sys.executable, "-m", "visionlora.meta", f"data.root={real / 'illustrated' / 'train'}",
        f"model.name={base.network}", f"model.weights={base.weights}", f"retention.anchors=[{base.anchors}]",
        f"meta.held_out={HELD_OUT}", f"start={start}",
    ]  # fmt: skip
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


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


def measure(task: Task, start: str, rank: int, lr: float, seed: int, steps: int) -> Record:
    """Train from a start at a rank, and what is right and lost then."""
    settings = (
        f"lora.init={start}", f"lora.rank={rank}", f"trainer.max_steps={steps}", "trainer.validations=1",
        "retention.budget=null", "contrast.budget=null",
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
    known = read_records(options.records)
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as place:
        base = make_tasks(Path(place), options.real)["illustrated-1"]
        if not options.start.exists():
            make_start(options.start, base, options.real, options.threads)
        config = read_adapter_config(options.start)
        about = config["visionlora"].get("meta")
        if not about or not about["unseen"]:
            raise VisionLoraError(f"{options.start} is no start with held-out classes (meta.held_out)")
        starts = {"Gaussian": "default", "learned": str(options.start.resolve())}
        for seed in options.seeds:
            folder = Path(place) / f"held-out-{seed}"
            task = held_out_task(base, about["unseen"], options.real, folder, seed)
            for lr, (name, start) in product(options.rates, starts.items()):
                key = {"start": name, "lora.init": start, "lr": lr, "seed": seed, "steps": options.steps}
                found = [record for record in known if key.items() <= record.items()]
                if not found:
                    found = [{**key, **measure(task, start, config["r"], lr, seed, options.steps)}]
                    append(options.records, found[0])
                    print(found[0], flush=True)
                records += found
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
    add("start", type=Path, help="what visionlora meta wrote; made where there is none")
    add("--steps", type=int, default=10)
    add("--rates", nargs="+", type=float, default=[3e-3], help="learning rates")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add_shared(parser, "real", "json", "results", threads=2, records="learned-start.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
