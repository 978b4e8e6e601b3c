"""Everything that a GPU is measured by, in one command: ``make gpu``.

    python -m benchmarks.gpu --results benchmarks/RESULTS.md
    python -m benchmarks.gpu --modes eager --networks resnet50 --precision bfloat16    # a minute

The goldfish job, from command to result; then steps at batch 32 in float32, TF32 and bfloat16, eager and
compiled, beside the frozen floor, full fine-tuning and PEFT. Without a GPU it says so, and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import results, step_time
from benchmarks.command import add_shared, new_parser, run_command

NETWORKS = ("vgg19", "resnet50", "convnext_tiny", "efficientnet_b0")
CONTENDERS = ("floor", "full", "ours", "PEFT")
MODES = ("eager", "compiled")
BATCH = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    if not torch.cuda.is_available():
        print("skipped: PyTorch sees no CUDA GPU here, so there are no step times and no goldfish job on one")
        return
    seconds, metrics = goldfish_job()
    after, retention = metrics["after"], metrics["retention"]
    print(f"goldfish job: {seconds:.1f} s, top-1 {after['val/top1']:.3f}")
    if options.results:
        text = (
            f"`{command}`: {seconds:.1f} s from the command to the result, "
            f"top-1 {after['val/top1']:.3f} on validation images, old images "
            f"{retention['before/top1']:.3f} before and {retention['after/top1']:.3f} after, precision "
            f"{metrics['precision']}, {metrics['time']['step_ms']:.1f} ms a step."
        )
        whole = results.section("GPU, goldfish job", command, text)
        results.write_section(options.results, "cuda-goldfish", whole)
    for mode in options.modes:
        step_time.main(step_arguments(mode, options))


def step_arguments(mode: str, options: argparse.Namespace) -> list[str]:
    """What :mod:`benchmarks.step_time` is called with."""
    words = ["--device", "cuda", "--networks", *options.networks, "--contenders", *CONTENDERS]
    words += ["--precision", *options.precision, "--batch", str(BATCH), "--steps", str(options.steps)]
    words += ["--compile"] if mode == "compiled" else []
    return words + (["--results", str(options.results)] if options.results else [])


def goldfish_job() -> tuple[float, dict]:
    """Seconds of the whole job in a new process, and its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "visionlora.train", "data=goldfish", f"hydra.run.dir={run}"]
        started = time.perf_counter()
        subprocess.run([*command, "trainer.accelerator=cuda"], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        return seconds, json.loads((run / "metrics.json").read_text(encoding="utf-8"))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("gpu", __doc__)
    add = parser.add_argument
    add("--modes", nargs="+", default=list(MODES), choices=MODES)
    add("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="torchvision networks")
    add("--precision", nargs="+", default=list(step_time.PRECISIONS), choices=step_time.PRECISIONS)
    add("--steps", type=int, default=15, help="counted steps, at least 7")
    add_shared(parser, "results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
