"""Class after class (`adapter=RUN`): what each run learns, what is kept of earlier classes, and photos lost.

    python -m benchmarks.class_after_class --seeds 0 1 2 --results docs/forgetting.md

SqueezeNet learns each class from three or four drawings, with photos as anchors, in one run after the other.
Each is validated on one drawing in an unseen style. *Lost* is top-1 on other photos against the original
network, by all runs so far. The runs of a seed are a line of the records; the command continues where it
stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality import Record, append, read_records
from benchmarks.quality_tasks import Task, link, make_tasks
from benchmarks.table import markdown_table

CLASSES = ("tiger", "ambulance", "pineapple", "accordion", "flamingo")
HEADINGS = ("run", "its class learned", "strength", "earlier classes kept", "lost, all runs", "adapter")


def class_root(folder: Path, real: Path, name: str) -> Path:
    """The drawings of one class: all styles but one to train on, that one to validate on."""
    for part, place in (("train", "train"), ("val", "unseen")):
        link(folder / name / part / name, real / "illustrated" / place / name)
    return folder / name


def measure(
    roots: Sequence[Path], task: Task, seed: int, settings: Sequence[str], folder: Path
) -> list[Record]:
    """One run a class, each continuing from the one before; ``task`` has the network and the photos."""
    given = [
        f"model.name={task.network}", f"model.weights={task.weights}", f"retention.anchors=[{task.anchors}]",
        f"retention.root={task.retention}",
    ]  # fmt: skip
    found: list[Record] = []
    original = 0.0
    for root in roots:
        run = folder / f"run-{root.name}"
        command = [
            sys.executable, "-m", "visionlora.train", f"data.root={root}", f"hydra.run.dir={run}",
            f"seed={seed}", "trainer.progress=false", *given, *settings,
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        given = [f"adapter={run}"]
        metrics = json.loads((run / "metrics.json").read_text())
        original = original if found else metrics["retention"]["before/top1"]
        earlier = metrics.get("earlier", {"classes": ()})["classes"]
        found.append({
            "class": root.name,
            "learned": metrics["after"]["val/top1"],
            "strength": metrics["strength"]["chosen"],
            # What was not learned has nothing to keep.
            "kept": [one["kept"] for one in earlier if one["learned"]],
            "lost": original - metrics["retention"]["after/top1"],
            "bytes": (run / "adapter" / "adapter_model.safetensors").stat().st_size,
        })  # fmt: skip
    return found


def rows(records: Sequence[Record]) -> list[list[str]]:
    """One row a run, with the figures of every seed."""
    found = []
    for several in zip(*(record["runs"] for record in records), strict=True):
        kept = [[share >= 0.9 for share in one["kept"]] for one in several]
        found.append([
            several[0]["class"],
            _each(f"{one['learned']:g}" for one in several),
            _each(f"{one['strength']:g}" for one in several),
            _each(f"{sum(ones)} of {len(ones)}" for ones in kept if ones),
            _each(f"{one['lost']:.3f}" for one in several),
            f"{several[0]['bytes'] / 1e6:.2f} MB",
        ])  # fmt: skip
    return found


def _each(texts: Any) -> str:
    return ", ".join(texts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    records = read_records(options.records)
    further = (f"trainer.threads={options.threads}", *options.options)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        task = make_tasks(folder, options.real)["illustrated-4"]
        roots = [class_root(folder / "classes", options.real, name) for name in CLASSES]
        for seed in options.seeds:
            key = {"seed": seed, "with": list(options.options)}
            if any(key.items() <= record.items() for record in records):
                continue
            runs = measure(roots, task, seed, further, folder / f"seed-{seed}")
            records.append({**key, "runs": runs})
            append(options.records, records[-1])
            print(records[-1], flush=True)
    mine = [one for one in records if one["with"] == list(options.options) and one["seed"] in options.seeds]
    seeds = ", ".join(str(one["seed"]) for one in mine)
    how = f"Seeds {seeds}, in this order in each cell. A class is kept that has at least 0.9 of what it had."
    text = results.section("Class after class", command, how, markdown_table(HEADINGS, rows(mine)))
    results.write(options, "class-after-class", text, {"records": mine})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("class_after_class", __doc__)
    add: Callable[..., Any] = parser.add_argument
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--options", nargs="+", default=[], metavar="KEY=VALUE", help="further options of every run")
    add_shared(parser, "real", "json", "results", threads=2, records="class-after-class.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
