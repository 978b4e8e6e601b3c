"""The effect of single changes to training (levers), on one task of the quality benchmark.

    python -m benchmarks.levers --steps 200 --records outputs/levers.jsonl
    python -m benchmarks.levers base "rank 16: lora.rank=16 lora.alpha=16" --task one-tiger --seeds 0 1 2

A lever is one of the names below, or `NAME: key=value ...` with any settings. Every finished run is a line of
the records; the command continues where it stopped.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from rich.console import Console

from benchmarks import lever_code, results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality import Record, append, read_records
from benchmarks.quality_methods import run_ours
from benchmarks.quality_tasks import Task, make_tasks, our_config
from benchmarks.table import markdown_table
from visionlora.errors import VisionLoraError

LR = 2e-3
HEADINGS = ("lever", "seeds", "learned at 1 / 0.8 / 0.6", "lost at 1 / 0.8 / 0.6", "as chosen", "s")
SHOWN = (1.0, 0.8, 0.6)


@dataclass(frozen=True)
class Lever:
    """One change to training.

    Attributes:
        name: in the records and the table.
        settings: configuration overrides.
        inside: a context manager around the run.
        images: makes other training images, in an empty folder.
    """

    name: str
    settings: tuple[str, ...] = ()
    inside: Callable[[], AbstractContextManager[None]] = nullcontext
    images: Callable[[Task, Path], Task] | None = None


LEVERS = (
    Lever("base"),
    Lever("LoRA+ 4", ("optimizer.b_factor=4",)),
    Lever("LoRA+ 16, lr 5e-4", ("optimizer.lr=5e-4", "optimizer.b_factor=16")),
    Lever("rsLoRA", ("lora.rslora=true",)),
    Lever("weight decay 0.1", ("optimizer.weight_decay=0.1",)),
    Lever("dropout 0.1", ("lora.dropout=0.1",)),
    Lever("TrivialAugment", ("augment.trivial=true",)),
    Lever("mixup 0.2", ("augment.mixup=0.2",)),
    Lever("hard anchors", inside=lever_code.hard_anchors),
    Lever("A frozen", inside=lever_code.frozen_a),
    Lever("layer features", inside=lambda: lever_code.layer_features(3.0)),
    Lever("random backgrounds", images=lever_code.with_backgrounds),
)


def lever(words: str) -> Lever:
    """The lever of this name, or the one that `NAME: key=value ...` describes.

    Raises:
        VisionLoraError: ``words`` is neither.
    """
    for known in LEVERS:
        if known.name == words:
            return known
    name, colon, settings = words.partition(":")
    if not colon:
        names = ", ".join(known.name for known in LEVERS)
        raise VisionLoraError(f"there is no lever {words!r}; give one of {names}, or 'NAME: key=value'")
    return Lever(name.strip(), tuple(shlex.split(settings)))


def run_lever(
    task: Task, chosen: Lever, seed: int, settings: Sequence[str], anchors: bool, folder: Path
) -> Record:
    """One run with the lever; returns a record as in the quality benchmark."""
    if chosen.images is not None:
        task = chosen.images(task, folder)
    config = our_config(task, LR, seed, anchors, (*settings, *chosen.settings))
    with chosen.inside():
        return run_ours(task, config)


def table(records: Sequence[Record], task: str) -> list[list[str]]:
    """One row per lever, with means over its seeds."""
    mine = [record for record in records if record["task"] == task]
    rows = []
    for name in dict.fromkeys(record["lever"] for record in mine):
        runs = [record for record in mine if record["lever"] == name]
        seeds = ", ".join(str(run["seed"]) for run in runs)
        points = [_mean([_at(run, strength) for run in runs]) for strength in SHOWN]
        learned, lost = zip(*points, strict=True)
        chosen = _mean([_outcome(run, run) for run in runs])
        rows.append(
            [name, seeds, *(" / ".join(f"{value:.3f}" for value in values) for values in (learned, lost)),
             f"{chosen[0]:.3f}, {chosen[1]:.3f}", f"{fmean(run['seconds'] for run in runs):.0f}"]
        )  # fmt: skip
    return rows


def _at(run: Record, strength: float) -> tuple[float, float]:
    return _outcome(run, next(point for point in run["curve"] if point["strength"] == strength))


def _outcome(run: Record, figures: Record) -> tuple[float, float]:
    return figures["learned"], run["frozen"]["kept"] - figures["kept"]


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    first, second = zip(*pairs, strict=True)
    return fmean(first), fmean(second)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    warnings.filterwarnings("ignore", category=UserWarning)
    console = Console()
    torch.set_num_threads(options.threads)
    levers = [lever(words) for words in options.levers or [known.name for known in LEVERS]]
    settings = [] if options.steps is None else [f"trainer.max_steps={options.steps}"]
    records = read_records(options.records)
    with tempfile.TemporaryDirectory() as place:
        tasks = make_tasks(Path(place), options.real)
        if options.task not in tasks:
            raise VisionLoraError(f"there is no task {options.task!r}; give one of {', '.join(tasks)}")
        for number, (seed, chosen) in enumerate((s, one) for s in options.seeds for one in levers):
            what = {"task": options.task, "lever": chosen.name, "seed": seed}
            if any(what.items() <= record.items() for record in records):
                continue
            folder = Path(place) / f"lever-{number}"
            figures = run_lever(tasks[options.task], chosen, seed, settings, not options.no_anchors, folder)
            records.append({**what, **figures})
            append(options.records, records[-1])
            console.print(f"{chosen.name}, seed {seed}: {table(records[-1:], options.task)[0][2:]}")
    rows = table(records, options.task)
    text = markdown_table(HEADINGS, rows)
    console.print(text, highlight=False)
    steps = "the default number of steps" if options.steps is None else f"{options.steps} steps"
    how = f"Task {options.task}, {steps}; the product with one change. Means over the seeds."
    whole = results.section("Effect of single changes", command, how, text)
    results.write(options, "levers", whole, {"records": records})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("levers", __doc__, "levers: " + "; ".join(known.name for known in LEVERS))
    add: Callable[..., Any] = parser.add_argument
    add("levers", nargs="*", metavar="LEVER", help="default: all of them")
    add("--task", default="illustrated-4", help="of the quality benchmark")
    add("--seeds", nargs="+", type=int, default=[0])
    add("--steps", type=int, help="of each run; default: the product's")
    add("--no-anchors", action="store_true", help="use generated anchors only")
    add_shared(parser, "real", "json", "results", threads=2, records="levers.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
