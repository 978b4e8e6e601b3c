"""What each training option does to a new head on few images: one run with each, everything else as it is.

    python -m benchmarks.training_options --records outputs/options.jsonl --results docs/ordinary.md

Every finished run is a line of the records; the command continues where it stopped.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.ordinary import Record, Trial, methods, run_trial
from benchmarks.ordinary_tasks import Row, make_rows, small_input_weights
from benchmarks.quality import append, read_records
from benchmarks.quality_tasks import link
from benchmarks.results import replace_in
from benchmarks.table import markdown_table
from visionlora.report.intervals import wilson_interval

COUNTS = (50, 20, 10, 5, 2)
"""Images of each class where the classes are of different sizes."""


@dataclass(frozen=True)
class Option:
    """One change to a run.

    Attributes:
        name: in the table.
        settings: of the command line.
        uneven: whether it is for classes of different sizes.
        mirrored: whether it is ``mirrored=true`` of evaluate.
    """

    name: str
    settings: tuple[str, ...] = ()
    uneven: bool = False
    mirrored: bool = False

    @property
    def written(self) -> str:
        """The settings as one writes them."""
        return shlex.join(self.settings) or ("mirrored=true" if self.mirrored else "")


OPTIONS = (
    Option("the defaults"),
    Option("MixUp", ("augment.mixup=0.2",)),
    Option("CutMix", ("augment.cutmix=1.0",)),
    Option("MixUp and CutMix", ("augment.mixup=0.2", "augment.cutmix=1.0")),
    Option("no label smoothing", ("optimizer.label_smoothing=0",)),
    Option("TrivialAugment", ("augment.trivial=true",)),
    Option("gradient accumulation", ("trainer.accumulate=4",)),
    Option("SGD", ("optimizer.name=sgd", "optimizer.lr=0.05", "optimizer.options={momentum: 0.9}")),
    Option("RMSprop", ("optimizer.name=rmsprop", "optimizer.lr=5e-4")),
    Option("linear schedule", ("optimizer.schedule=linear",)),
    Option("constant rate", ("optimizer.schedule=constant",)),
    Option("test-time augmentation", mirrored=True),
    Option("the defaults", uneven=True),
    Option("class weights", ("optimizer.class_weights=true",), uneven=True),
    Option("balanced sampling", ("data.balance=true",), uneven=True),
)


def uneven(row: Row, folder: Path) -> Row:
    """The row with :data:`COUNTS` training images of its classes, as links below ``folder``."""
    for count, classes in zip(COUNTS, sorted((row.root / "train").iterdir()), strict=True):
        for image in sorted(classes.iterdir())[:count]:
            link(folder / "train" / classes.name / image.name, image)
    for split in ("val", "test"):
        for image in (row.root / split).glob("*/*"):
            link(folder / split / image.parent.name / image.name, image)
    return Row(f"{row.name}-uneven", row.title, max(COUNTS), folder)


def table(records: Sequence[Record]) -> str:
    """A line an option: top-1 on the test images with its interval, the difference, and the seconds."""
    lines = []
    for option in OPTIONS:
        record, usual = found(records, option), found(records, Option("the defaults", uneven=option.uneven))
        if record is None or usual is None:
            continue
        low, high = wilson_interval(record["test"], record["images"])
        change = f"{record['test'] - usual['test']:+.3f}" if option.written else ""
        images = ", ".join(map(str, COUNTS)) if option.uneven else "10 each"
        top1 = f"{record['test']:.3f} ({low:.2f} to {high:.2f})"
        written = f"`{option.written}`" if option.written else ""
        lines.append([images, option.name, written, top1, change, f"{record['core_s']:.0f}"])
    return markdown_table(("images of the classes", "option", "set by", "test top-1", "change", "s"), lines)


def found(records: Sequence[Record], option: Option) -> Record | None:
    """The record of an option."""
    key = {"option": option.name, "uneven": option.uneven}
    return next((record for record in records if key.items() <= record.items()), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    torch.set_num_threads(options.threads)
    records = read_records(options.records)
    ours = methods()[0]
    with tempfile.TemporaryDirectory() as place:
        rows = make_rows(Path(place), options.real, "b")
        weights = small_input_weights(Path(place), options.real, 128)
        unlike = uneven(rows["everyday-b-50"], Path(place) / "uneven")
        for option in OPTIONS:
            if found(records, option) is not None or options.show:
                continue
            row = unlike if option.uneven else rows["everyday-b-10"]
            trial = Trial(row, ours, None, weights, options.seed, option.settings, option.mirrored)
            about = {"option": option.name, "uneven": option.uneven, "seed": options.seed}
            record = {**about, **run_trial(trial)}
            records.append(record)
            append(options.records, record)
            Console().print(record, highlight=False)
    text = f"```sh\n{command}\n```\n\n{table(records)}"
    Console().print(text, markup=False)
    if options.results:
        replace_in(options.results, "training-options", text)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("training_options", __doc__)
    add = parser.add_argument
    add("--seed", type=int, default=0, help="of everything random")
    add_shared(parser, "show", "real", "results", threads=1, records="options.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
