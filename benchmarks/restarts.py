"""ReLoRA beside LoRA of a higher rank: training loss and effective rank, by start of A and learning rate.

    python -m benchmarks.restarts --records restarts.jsonl --results docs/growing.md

SqueezeNet learns 518 drawings of 142 classes, with photos as anchors. The loss is the mean of the last 40
steps, "trained" how many numbers have a gradient and moments. A layer's effective rank is the exponential of
the entropy of its update's singular values (Roy and Vetterli 2007). Every finished run is a line of the
records; the command continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks import results
from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.quality import Record, append, read_records
from benchmarks.quality_tasks import Task, make_tasks, our_config
from benchmarks.runs import run_here
from benchmarks.table import markdown_table
from visionlora.adapters.truncate import decompose_updates
from visionlora.models.restore import restore

SETTINGS = ("16/16", "4/16", "4/16/75")
RATES = (2e-3, 3e-3, 4e-3)
STARTS = ("default", "contrastive")
LAST = 40
LOGITS = 10
"""Weight of the logits on anchors, with every rank; ``--options retention.logits=...`` sets another."""
HEADINGS = (
    "rank",
    "alpha",
    "restarts",
    "start",
    "learning rate",
    "trained",
    "loss",
    "effective rank",
    "new drawings",
    "lost",
)


def effective_rank(singular: torch.Tensor) -> float:
    """Of an update with these singular values."""
    share = (singular / singular.sum()).double()
    return float(torch.exp(-torch.xlogy(share, share).sum()))


def measure(task: Task, setting: str, start: str, lr: float, seed: int, options: Sequence[str]) -> Record:
    """One run: `setting` is RANK/ALPHA, or RANK/ALPHA/EVERY with restarts; `start` is of A."""
    rank, alpha, *every = setting.split("/")
    settings = (
        f"lora.rank={rank}", f"lora.alpha={alpha}", f"lora.restart_every={every[0] if every else 'null'}",
        f"lora.init={start}", "trainer.validations=1", "trainer.patience=null", "retention.budget=null",
        "contrast.budget=null",
        # The automatic weight grows with the rank, and under another one the loss is another one, too.
        f"retention.logits={LOGITS}",
        # With views that come again the loss is lower, and a timing would decide about them.
        "cache.features=true", *options,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        metrics = run_here(our_config(task, lr, seed, True, settings), run)
        losses = [loss for _, loss in json.loads((run / "status.json").read_text())["loss"]]
        updates = decompose_updates(restore(run).network)
    ranks = [effective_rank(update.S) for update in updates.values()]
    return {
        "trained": metrics["parameters"]["trainable"],
        "losses": losses,
        "loss": fmean(losses[-LAST:]),
        "ranks": [round(one, 2) for one in ranks],
        "learned": metrics["after"]["val/top1"],
        "lost": metrics["retention"]["before/top1"] - metrics["retention"]["after/top1"],
    }


def rows(records: Sequence[Record]) -> list[list[str]]:
    """One row for each setting, start and learning rate, with means over the seeds."""
    found = []
    by_row: dict[tuple[str, str, float], list[Record]] = {}
    for one in records:
        by_row.setdefault((one["setting"], one["start"], one["lr"]), []).append(one)
    for (setting, start, lr), mine in by_row.items():
        rank, alpha, *every = setting.split("/")
        loss, learned, lost = (fmean(one[key] for one in mine) for key in ("loss", "learned", "lost"))
        trained = max(one["trained"] for one in mine)
        least, most = (choose(choose(one["ranks"]) for one in mine) for choose in (min, max))
        found.append([
            rank, alpha, f"every {every[0]}" if every else "none", start, f"{lr:g}",
            f"{trained:,}", f"{loss:.3f}",
            f"{least:.1f} to {most:.1f}", f"{learned:.3f}", f"{lost:.3f}",
        ])  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    torch.set_num_threads(options.threads)
    records = read_records(options.records)
    keys = ("setting", "start", "lr", "seed", "steps", "with")
    done = [tuple(one[key] for key in keys) for one in records]
    further = (f"trainer.max_steps={options.steps}", f"trainer.threads={options.threads}", *options.options)
    with tempfile.TemporaryDirectory() as place:
        task = make_tasks(Path(place), options.real)["illustrated-4"]
        for setting, start, lr, seed in product(
            options.settings, options.starts, options.rates, options.seeds
        ):
            key = (setting, start, lr, seed, options.steps, list(options.options))
            if key in done:
                continue
            found = measure(task, setting, start, lr, seed, further)
            records.append({**dict(zip(keys, key, strict=True)), **found})
            append(options.records, records[-1])
            print({**records[-1], "losses": ...}, flush=True)
    text = results.section("ReLoRA beside rank 16", command, markdown_table(HEADINGS, rows(records)))
    results.write(options, "restarts", text, {"records": records})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("restarts", __doc__)
    add: Callable[..., Any] = parser.add_argument
    add("--settings", nargs="+", default=list(SETTINGS), metavar="RANK/ALPHA[/EVERY]")
    add("--starts", nargs="+", default=list(STARTS), help="of A: lora.init")
    add("--rates", nargs="+", type=float, default=list(RATES), help="learning rates")
    add("--steps", type=int, default=300)
    add("--seeds", nargs="+", type=int, default=[0])
    add("--options", nargs="+", default=[], metavar="KEY=VALUE", help="further options of every run")
    add_shared(parser, "real", "json", "results", threads=2, records="restarts.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
