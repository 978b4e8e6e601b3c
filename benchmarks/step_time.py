"""Step time of ours, the frozen floor, full fine-tuning and other libraries.

    python -m benchmarks.step_time --networks resnet50 --precision float32 bfloat16

Every contender has its own process, and they take steps in turn, so that other load on the machine affects
all of them alike. Ratios are those of steps in the same round.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, product
from typing import Any

import torch
from rich.console import Console

from benchmarks import results, table
from benchmarks.command import add_shared, at_least, new_parser, run_command
from benchmarks.contenders import CONTENDERS
from benchmarks.machine import machine, versions
from benchmarks.ready import by_name
from benchmarks.timing import Setting, measure
from visionlora.errors import VisionLoraError
from visionlora.files import replacing

NETWORKS = ("vgg19", "resnet50", "efficientnet_b0", "mobilenet_v2", "convnext_tiny")
PRECISIONS = ("float32", "tf32", "bfloat16")
HOW = (
    "AdamW (fused), cross-entropy, channels_last, {size} px, {threads}, random weights; batch norm's running "
    "statistics are frozen for every contender, and ours folds batch norm into the convolutions. {layers} "
    "`floor` is forward and backward to the input of the frozen network in eval mode; `trained` counts "
    "thousands of parameters. Medians and quartiles of {steps} rounds after {warmup} of warm-up; `x floor` "
    "is the median of the ratios within a round. {reuse}Peak memory is {memory}."
)
REUSE = "Every process keeps the memory that it frees (`trainer.reuse_memory`, the trainer's default). "
LAYERS = {
    "shared": "Adapters on the layers that every contender can adapt: linear layers and dense convolutions "
    "with square kernels (no grouped or depthwise ones).",
    "all": "Each contender adapts every layer that it can; see the column `layers`.",
}
MEMORY = {
    "cpu": "the peak resident size of a separate process, minus its size before the network was made",
    "cuda": "the peak of PyTorch's allocator, in a separate process",
}


Done = Sequence[tuple[str | None, table.Measured]]


@dataclass(frozen=True)
class Sweep:
    """Settings that are shown together: as tables, or as a curve over rank or batch."""

    over: str | None
    settings: tuple[Setting, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    if options.device == "cuda" and not torch.cuda.is_available():
        raise VisionLoraError("--device cuda: PyTorch finds no GPU here; omit the option to use the CPU.")
    if options.device == "cpu" and "tf32" in options.precision:
        raise VisionLoraError("--precision tf32 is available on a GPU only: use float32 or bfloat16.")
    names = [by_name(name).name for name in options.contenders]
    console = Console()
    for name in names:
        if not by_name(name).installed:
            console.print(
                f"[bold yellow]{name} is not installed and will have no figures[/] (pip install "
                f"'visionlora\\[bench]')"
            )
    done = []
    for sweep in sweeps(options):
        measured = []
        for settings in together(sweep.settings):
            for setting, rows in zip(settings, measure(settings, names, options.memory), strict=True):
                console.print(table.terminal_table(setting, rows))
                measured.append((setting, rows))
        done.append((sweep.over, measured))
        # After every sweep, so that an interrupted run keeps its results.
        _write(options, command, done)


def _write(
    options: argparse.Namespace, command: str, done: Sequence[tuple[str | None, table.Measured]]
) -> None:
    if options.json:
        with replacing(options.json) as beside:
            beside.write_text(json.dumps(as_json(command, done), indent=1), encoding="utf-8")
    if options.results:
        over, measured = done[-1]
        mode = "compiled" if options.compile else ""
        key = "-".join(filter(None, [options.device, mode, over]))
        results.write_section(
            options.results, options.section or key, _section(options, command, over, measured)
        )


def as_json(command: str, done: Done) -> dict[str, Any]:
    """Everything that the tables show, and every measured time."""
    return {
        "command": command,
        "machine": machine(),
        "versions": versions(),
        "results": [
            {"over": over, "setting": asdict(setting), "contenders": [asdict(row) for row in rows]}
            for over, measured in done
            for setting, rows in measured
        ],
    }


def _section(options: argparse.Namespace, command: str, over: str | None, measured: table.Measured) -> str:
    where = {"cpu": "CPU", "cuda": "GPU"}[options.device]
    title = f"{where}, {'compiled' if options.compile else 'eager'}" + (
        f": step time over {over}" if over else ""
    )
    how = HOW.format(
        size=options.size,
        threads=f"{options.threads or torch.get_num_threads()} threads",
        layers=LAYERS[options.layers],
        steps=options.steps,
        warmup=options.warmup,
        reuse=REUSE if options.reuse_memory else "",
        memory=MEMORY[options.device] if options.memory else "not measured here",
    )
    parts = [how]
    if over is None:
        parts.append(table.markdown(measured))
    else:
        mode = "_compiled" if options.compile else ""
        image = options.results.with_name(f"step_time_{options.device}{mode}_{over}.png")
        table.draw_curves(measured, over, image)
        parts += [table.markdown_curves(measured, over), f"![Step time over {over}]({image.name})"]
    return results.section(title, command, *parts)


def together(settings: Sequence[Setting]) -> list[list[Setting]]:
    """The settings that are measured in the same rounds: adjacent ones that differ only in the rank."""
    return [list(group) for _, group in groupby(settings, key=lambda setting: replace(setting, rank=1))]


def sweeps(options: argparse.Namespace) -> list[Sweep]:
    """The requested measurements: curves if a sweep is named, tables otherwise."""
    asked: list[tuple[str | None, list[int], list[int]]] = []
    if options.sweep_rank:
        asked.append(("rank", options.batch[:1], options.sweep_rank))
    if options.sweep_batch:
        asked.append(("batch", options.sweep_batch, options.rank[:1]))
    base = Setting(
        network="",
        size=options.size,
        device=options.device,
        threads=options.threads,
        layers=options.layers,
        compiled=options.compile,
        reuse_memory=options.reuse_memory,
        steps=options.steps,
        warmup=options.warmup,
    )
    return [
        Sweep(
            over,
            tuple(
                replace(base, network=network, precision=precision, batch=batch, rank=rank)
                for network, precision, batch, rank in product(
                    options.networks, options.precision, batches, ranks
                )
            ),
        )
        for over, batches, ranks in asked or [(None, options.batch, options.rank)]
    ]


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("step_time", __doc__)
    add = parser.add_argument
    everyone = [contender.name for contender in CONTENDERS]
    add("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="torchvision networks")
    add("--precision", nargs="+", default=["float32"], choices=PRECISIONS)
    add("--batch", nargs="+", type=at_least(1), default=[8], metavar="N")
    add("--rank", nargs="+", type=at_least(1), default=[8], metavar="R")
    usual = [contender.name for contender in CONTENDERS if contender.usual]
    add("--contenders", nargs="+", default=usual, metavar="NAME", help="; ".join(everyone))
    add(
        "--layers",
        choices=("shared", "all"),
        default="shared",
        help="adapt what all can, or what each can",
    )
    add("--size", type=at_least(1), default=224, metavar="PIXELS")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--compile", action="store_true", help="torch.compile every contender")
    add("--reuse-memory", action="store_true", help="every process keeps freed memory, as training does")
    add("--steps", type=at_least(7), default=9, help="counted steps, at least 7")
    add("--warmup", type=at_least(1), default=3)
    add("--no-memory", dest="memory", action="store_false", help="skip peak memory (a process a contender)")
    add("--sweep-rank", type=_numbers, metavar="1,2,4",
        help="curve over rank, at the first batch size; all ranks of a network take turns")  # fmt: skip
    add("--sweep-batch", type=_numbers, metavar="1,2,4", help="curve over batch size, at the first rank")
    add_shared(parser, "json", "results", threads=0)
    add("--section", metavar="KEY", help="another name of the section, to keep several runs")
    return parser


def _numbers(text: str) -> list[int]:
    return [at_least(1)(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
