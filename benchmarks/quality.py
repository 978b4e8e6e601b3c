"""Learning and forgetting: ours, full fine-tuning, the classifier alone, and PEFT's LoRA, LoHa and LoKr.

    python -m benchmarks.quality --records quality.jsonl --json quality.json --plot quality.png

Every method uses the same images, augmentation, batches and learning-rate schedule. On the first seed each of
the others runs with three learning rates; the best one is used for the other seeds. Ours uses its default.
Every finished run is a line of the records; the command continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import results
from benchmarks.command import add_shared, at_least, new_parser, run_command
from benchmarks.machine import machine, versions
from benchmarks.quality_methods import METHODS, OURS, Method, best_lr, run_one
from benchmarks.quality_plot import draw, markdown, strengths, summarise, terminal_table, verdict
from benchmarks.quality_tasks import NETWORK, Task, make_tasks
from visionlora.errors import VisionLoraError
from visionlora.files import replacing

Record = dict[str, Any]
QUICK_TASKS = ("illustrated-1", "one-tiger", "unknown-extend")
QUICK_METHODS = (OURS, "full fine-tuning", "PEFT LoRA")
HOW = (
    "{network} with ImageNet weights. All methods use the same images, augmentation, batches, and "
    "AdamW with warm-up and cosine decay. The others train for 8 epochs, at least 160 steps, with the "
    "best of three learning rates on the first seed, by top-1 on the unseen drawings. Ours is the "
    "product with its defaults, including its learning rate and its number of steps (at most three "
    "times that of the others). The figures are on the unseen drawings, and on the photos that also "
    "choose the strength of ours. The photos at odd positions in sorted order measure, those at even "
    "positions are anchors of ours. Means over seeds, with the Wilson interval of the mean for so many "
    "images in brackets; seconds are training time on a shared machine."
)


@dataclass(frozen=True)
class Trial:
    """One run to make."""

    task: str
    method: str
    lr: float
    seed: int

    @property
    def key(self) -> tuple[str, str, float, int]:
        return self.task, self.method, self.lr, self.seed


def key_of(record: Record) -> tuple[str, str, float, int]:
    """The trial that a record belongs to."""
    return record["task"], record["method"], record["lr"], record["seed"]


def pending(
    records: Sequence[Record],
    tasks: Sequence[str],
    methods: Sequence[Method],
    seeds: Sequence[int],
    quick: bool,
) -> list[Trial]:
    """The trials to run next: first every learning rate on the first seed, then the best on the others."""
    done = {key_of(record) for record in records}
    impossible = {(record["task"], record["method"]) for record in records if "cannot" in record}
    trials = []
    for task in tasks:
        for method in methods:
            if (task, method.name) in impossible:
                continue
            lrs = (method.lrs[len(method.lrs) // 2],) if quick else method.lrs
            wanted = [Trial(task, method.name, lr, seeds[0]) for lr in lrs]
            missing = [trial for trial in wanted if trial.key not in done]
            best = best_lr(records, task, method, seeds[0])
            if not missing and best is not None:
                wanted = [Trial(task, method.name, best, seed) for seed in seeds[1:]]
                missing = [trial for trial in wanted if trial.key not in done]
            trials += missing
    return trials


def read_records(path: Path) -> list[Record]:
    """The records so far; an incomplete last line, from an interrupted run, is removed from the file.

    Raises:
        VisionLoraError: another line is not a record.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        with replacing(path) as beside:
            beside.write_text("".join(lines[:-1]), encoding="utf-8")
        lines.pop()
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise VisionLoraError(f"{path} has a line that is not a record ({error}); remove it") from error


def carry_out(
    trials: Sequence[Trial], tasks: dict[str, Task], workers: int, threads: int, device: str
) -> Iterator[tuple[Trial, Record]]:
    """Run the trials, in this process or in several; yields each with its figures when it ends."""
    by_name = {method.name: method for method in METHODS}

    def arguments(trial: Trial) -> tuple[Any, ...]:
        task, method = tasks[trial.task], by_name[trial.method]
        return task, method.name, trial.lr, trial.seed, threads, device

    if workers == 1:
        for trial in trials:
            yield trial, run_named(*arguments(trial))
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        futures: dict[Future[Record], Trial] = {
            pool.submit(run_named, *arguments(trial)): trial for trial in trials
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def run_named(task: Task, name: str, lr: float, seed: int, threads: int, device: str) -> Record:
    """:func:`run_one` for the method of this name: a method itself cannot be pickled."""
    warnings.filterwarnings("ignore", category=UserWarning)
    method = next(method for method in METHODS if method.name == name)
    return run_one(task, method, lr, seed, threads, device)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    console = Console()
    seeds = options.seeds[:1] if options.quick else options.seeds
    methods = _methods(options, console)
    records = read_records(options.records)
    if others := {record["network"] for record in records} - {options.network}:
        raise VisionLoraError(
            f"{options.records} has runs of {', '.join(sorted(others))}; give another --records FILE"
        )
    with tempfile.TemporaryDirectory() as folder:
        tasks = make_tasks(Path(folder), options.real, options.network, options.weights)
        names = _chosen(
            options.only or (QUICK_TASKS if options.quick else tuple(tasks)), tuple(tasks), "task"
        )
        while trials := [] if options.show else pending(records, names, methods, seeds, options.quick):
            finished = carry_out(trials, tasks, options.workers, options.threads, options.device)
            for number, (trial, figures) in enumerate(finished, 1):
                record = {"network": options.network, **vars(trial), **figures}
                records.append(record)
                append(options.records, record)
                console.print(f"{number}/{len(trials)} {_line(record)}", highlight=False)
        rows = summarise(records, names, methods, seeds)
        for name in names:
            console.print(terminal_table(tasks[name].title, [row for row in rows if row["task"] == name]))
            if words := verdict(records, name):
                console.print(words, highlight=False)
        _write(options, command, rows, records, {name: tasks[name].title for name in names})


def _methods(options: argparse.Namespace, console: Console) -> list[Method]:
    known = tuple(method.name for method in METHODS)
    names = _chosen(options.methods or (QUICK_METHODS if options.quick else known), known, "method")
    methods = []
    for method in (method for method in METHODS if method.name in names):
        if method.package and find_spec(method.package) is None:
            console.print(f"[bold yellow]{method.name} is skipped[/]: {method.package} is not installed "
                          "(pip install 'visionlora\\[bench]')")  # fmt: skip
        else:
            methods.append(method)
    return methods


def _chosen(names: Sequence[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise VisionLoraError(f"no {what} is called {name!r}; there are {', '.join(known)}")
    return tuple(names)


def append(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _line(record: Record) -> str:
    head = f"{record['task']}, {record['method']}, lr {record['lr']:g}, seed {record['seed']}: "
    if "cannot" in record:
        return head + record["cannot"]
    kept = "" if record["kept"] is None else f", kept {record['kept']:.3f}"
    return f"{head}learned {record['learned']:.3f}{kept}, {record['seconds']:.0f} s"


def _write(
    options: argparse.Namespace,
    command: str,
    rows: list[Record],
    records: list[Record],
    titles: dict[str, str],
) -> None:
    if options.json:
        everything = {"command": command, "machine": machine(), "versions": versions(), "rows": rows}
        with replacing(options.json) as beside:
            beside.write_text(json.dumps({**everything, "records": records}, indent=1), encoding="utf-8")
    if options.plot:
        with replacing(options.plot) as beside:
            draw(records, titles).savefig(beside, format="png", dpi=120)
    if options.results:
        parts = [HOW.format(network=options.network)]
        for name, title in titles.items():
            mine = [row for row in rows if row["task"] == name]
            parts += [f"**{title}**", markdown(mine), strengths(mine), verdict(records, name)]
        if options.plot:
            parts.append(f"![Learning against forgetting]({options.plot.name})")
        usual = options.network == NETWORK
        title = "Learning and forgetting" if usual else f"Learning and forgetting: {options.network}"
        whole = results.section(title, command, *parts)
        section = "quality" if usual else f"quality-{options.network.rpartition('/')[2]}"
        results.write_section(options.results, section, whole)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("quality", __doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="three tasks, three methods, one learning rate, one seed")
    add("--only", nargs="+", metavar="TASK", help="illustrated-4, goldfish, one-tiger, unknown-new, ...")
    add("--methods", nargs="+", metavar="NAME", help="; ".join(method.name for method in METHODS))
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="the first chooses the learning rate")
    add("--network", default=NETWORK, metavar="NAME", help="with ImageNet's outputs, as model.name takes it")
    add("--weights", type=Path, metavar="FILE", help="the network's ImageNet weights")
    add("--workers", type=at_least(1), default=1, help="processes, each with its own runs")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where all methods train")
    add("--plot", type=Path, metavar="FILE", help="learning against forgetting, as a PNG")
    add_shared(parser, "show", "real", "json", "results", threads=2, records="quality.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
