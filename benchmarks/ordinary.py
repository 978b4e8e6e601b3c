"""The ordinary case: a new head on few images. Ours, full fine-tuning, the classifier alone, PEFT's LoRA.

    python -m benchmarks.ordinary --records ordinary.jsonl --results benchmarks/RESULTS.md

Ours is one run of the product with its defaults. The others run with three learning rates each; the
validation images choose the rate, and with ours the moment; all validate eight times. The test images only
report. Every finished run is a line of the records; the command continues where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.ordinary_tasks import Row, make_rows, small_input_weights
from benchmarks.quality import append, read_records
from benchmarks.quality_measure import TaskImages
from benchmarks.quality_methods import METHODS, OURS, Method, fit, steps_of
from benchmarks.quality_tasks import NETWORK
from benchmarks.runs import run_here
from benchmarks.table import markdown_table
from visionlora.data import AugmentConfig, ImageFile, scan
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.evaluation.mirrored import Mirrored
from visionlora.evaluation.predictions import predict_batches
from visionlora.models import Head, apply_head, load_backbone
from visionlora.models.restore import restore
from visionlora.report.intervals import wilson_interval

Record = dict[str, Any]
NAMES = (OURS, "full fine-tuning", "classifier only", "PEFT LoRA")
RATES = {"PEFT LoRA": (3e-4, 1e-3, 3e-3)}
QUICK = ("animals-b-5", "drawings-b-1")
VALIDATIONS = 8
"""As many as the product makes."""


def methods() -> list[Method]:
    """The methods, in the order of the table."""
    known = {method.name: method for method in METHODS}
    return [replace(known[name], lrs=RATES.get(name, known[name].lrs)) for name in NAMES]


@dataclass(frozen=True)
class Trial:
    """One training on the images of a row.

    Attributes:
        row: the images.
        method: of :func:`methods`.
        lr: the learning rate; None: the product's own.
        weights: the network's.
        seed: of everything random.
        settings: further ones of the product.
        mirrored: whether top-1 is that of the mean with the mirrored image.
    """

    row: Row
    method: Method
    lr: float | None
    weights: Path
    seed: int
    settings: Sequence[str] = ()
    mirrored: bool = False


@dataclass(frozen=True)
class Trained:
    """What a trial leaves to be measured.

    Attributes:
        network: that was trained.
        head: of the network.
        images: of the trial's row, as the network takes them.
        about: what the records say of the training.
    """

    network: nn.Module
    head: Head
    images: TaskImages
    about: Record

    def top1(self, files: tuple[ImageFile, ...]) -> float:
        """On images of the row."""
        targets = dict(zip(self.images.folder.classes, self.head.targets, strict=True))
        with torch.inference_mode():
            return predict_batches(self.network, self.images.plain(files, targets)).top(1)


def run_trial(trial: Trial) -> Record:
    """Train once; top-1 on validation and test images, seconds of the processor, seconds that passed."""
    config = _config(trial)
    ours = trial.method.build is None
    if ours:  # importing Lightning takes seconds, and the others do not need it
        import visionlora.training.run  # noqa: F401
    passed, worked = time.perf_counter(), time.process_time()
    trained = _train_ours(trial, config) if ours else _train_other(trial, config)
    spent = {"core_s": time.process_time() - worked, "wall_s": time.perf_counter() - passed}
    if trial.mirrored:
        trained = replace(trained, network=Mirrored(trained.network))
    folder = trained.images.folder
    return {
        **{key: round(value, 1) for key, value in spent.items()},
        "val": trained.top1(folder.val),
        "test": trained.top1(folder.test),
        "images": len(folder.test),
        **trained.about,
    }


def _train_ours(trial: Trial, config: Any) -> Trained:
    """One run of the product."""
    with tempfile.TemporaryDirectory() as place:
        metrics = run_here(config, Path(place) / "run")
        restored = restore(Path(place) / "run")
    about = {"steps": metrics["steps"], "taken": metrics["candidates"]["taken"]}
    images = _images(trial, config, restored.backbone.preprocessing)
    return Trained(restored.network, restored.head, images, about)


def _train_other(trial: Trial, config: Any) -> Trained:
    """A method that is no part of the product, which validates as often."""
    assert trial.method.build is not None and trial.lr is not None
    backbone = load_backbone(NETWORK, str(trial.weights))
    images = _images(trial, config, backbone.preprocessing)
    head = apply_head(backbone, "new", images.folder.classes)
    torch.manual_seed(trial.seed)
    network = trial.method.build(backbone.model, head).to(memory_format=torch.channels_last)
    steps = steps_of(len(images.folder.train), images.batch_size)
    trained = Trained(network, head, images, {"steps": steps})

    def validate(done: int) -> None:
        if done % max(1, steps // VALIDATIONS) == 0:
            trained.top1(images.folder.val)

    fit(network, images.training(head, trial.seed), trial.lr, steps, validate)
    return trained


def _images(trial: Trial, config: Any, preprocessing: Preprocessing) -> TaskImages:
    augment = AugmentConfig(**config.augment)
    return TaskImages(scan(trial.row.root), preprocessing, augment, config.data.batch_size)


def _config(trial: Trial) -> Any:
    from visionlora.command import compose
    from visionlora.train import COMMAND

    given = [
        f"data.root={trial.row.root}", f"model.name={NETWORK}", f"model.weights={trial.weights}",
        "model.head=new", f"seed={trial.seed}", "trainer.progress=false", *trial.settings,
    ]  # fmt: skip
    return compose(COMMAND, given)


def chosen(records: Sequence[Record], row: str, method: str) -> Record | None:
    """The record of the learning rate that the validation images prefer; of equals the middle one."""
    mine = [record for record in records if (record["row"], record["method"]) == (row, method)]
    if not mine:
        return None
    best = [record for record in mine if record["val"] == max(one["val"] for one in mine)]
    return sorted(best, key=lambda record: record["lr"] or 0.0)[len(best) // 2]


def table(records: Sequence[Record], rows: Sequence[Row]) -> str:
    """A line a row: top-1 on the test images with its 95 % interval, and the processor's seconds."""
    lines = []
    for row in rows:
        found = {name: chosen(records, row.name, name) for name in NAMES}
        tested = next((record["images"] for record in found.values() if record), None)
        if tested is not None:
            cells = [_cell(record, _rates(records, row.name, name)) for name, record in found.items()]
            lines.append([f"{row.title}: {row.images} a class", f"{tested}", *cells])
    return markdown_table(("images to learn", "tested on", *NAMES), lines)


def _rates(records: Sequence[Record], row: str, method: str) -> int:
    return sum((record["row"], record["method"]) == (row, method) for record in records)


def _cell(record: Record | None, rates: int) -> str:
    if record is None:
        return "not run"
    low, high = wilson_interval(record["test"], record["images"])
    rate = "" if record["lr"] is None else f", {record['lr']:g}"
    if rate and rates < 3:
        rate += f" ({rates} of 3 rates run)"
    return f"{record['test']:.3f} ({low:.2f} to {high:.2f}), {record['core_s']:.0f} s{rate}"


def verdict(records: Sequence[Record], rows: Sequence[Row]) -> str:
    """Where another method is above the interval of ours, or is faster than ours, in words."""
    lines, compared = [], 0
    for row in rows:
        ours = chosen(records, row.name, OURS)
        for name in NAMES[1:]:
            other = chosen(records, row.name, name)
            if ours is None or other is None:
                continue
            compared += 1
            if other["test"] > wilson_interval(ours["test"], ours["images"])[1]:
                lines.append(f"{row.name}: {name} is above the interval of ours.")
            if name == "full fine-tuning" and other["core_s"] < ours["core_s"]:
                lines.append(f"{row.name}: {name} takes less time than ours.")
    if compared and not lines:
        return "No method is above the interval of ours, and full fine-tuning takes longer."
    return " ".join(lines)


def how(size: int, seed: int) -> str:
    """What the table shows, in words."""
    return (
        f"SqueezeNet 1.0 with ImageNet weights at {size} px, a new head, seed {seed}. Ours is one run of the "
        "product with its defaults. The others train for 8 epochs, at least 160 steps, with the same images, "
        "augmentation, batches and schedule, from a head of zeros, at the best of three learning rates by "
        "the validation images (the rate stands behind the seconds). Top-1 is on test images that chose "
        "nothing, with its 95 % Wilson interval. Seconds are the processor's; those of ours are the whole "
        "run (set-up, test images, sheets and files), those of the others loading and training at one "
        f"learning rate. All validate {VALIDATIONS} times. The product's settings were chosen on other "
        "classes (half a of the tasks), but for three that docs/ordinary.md names."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    console = Console()
    torch.set_num_threads(options.threads)
    records = read_records(options.records)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        known = make_rows(folder, options.real, options.half)
        names = options.only or (QUICK if options.quick else tuple(known))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise VisionLoraError(f"no row is called {unknown[0]!r}; there are {', '.join(known)}")
        weights = small_input_weights(folder, options.real, options.size)
        rows = [known[name] for name in names]
        for row in rows:
            for method in methods() if not options.show else ():
                if options.methods and method.name not in options.methods:
                    continue
                lrs = (None,) if method.build is None else method.lrs[1:2] if options.quick else method.lrs
                for lr in lrs:
                    key = {"row": row.name, "method": method.name, "lr": lr, "seed": options.seed}
                    if any(key.items() <= record.items() for record in records):
                        continue
                    record = {**key, **run_trial(Trial(row, method, lr, weights, options.seed))}
                    records.append(record)
                    append(options.records, record)
                    console.print(", ".join(f"{k} {v}" for k, v in record.items()), highlight=False)
    found = [record for record in records if record["seed"] == options.seed]
    parts = how(options.size, options.seed), table(found, rows), verdict(found, rows)
    text = results.section("The ordinary case", command, *parts)
    results.write(options, "ordinary", text, {"command": command, "records": records})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("ordinary", __doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="two rows, one learning rate for each method")
    add("--only", nargs="+", metavar="ROW", help="everyday-b-5, animals-b-5, things-10, drawings-b-1, ...")
    add("--methods", nargs="+", choices=NAMES, help="all of them where none is named")
    add("--half", choices=("a", "b"), default="b", help="a: the classes for development")
    add("--size", type=int, default=128, help="side of the network's input in pixels")
    add("--seed", type=int, default=0, help="of everything random")
    add_shared(parser, "show", "real", "json", "results", threads=1, records="ordinary.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
