"""Memory and step time of LoRA on a dense base and on quantised ones.

    python -m benchmarks.quantised --networks vgg19 --precision float32 --json FILE

Every layer is adapted at rank 8. Each base is measured in a process of its own, which keeps the memory that
it frees, as a run does, or with --give-back gives it back (trainer.reuse_memory=false). In a round the
bases take turns. The peak is the largest resident size during the steps, minus the size before the network
was made, with all libraries imported. A ratio is the median of those within a round.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from benchmarks.command import add_shared, new_parser, run_command
from benchmarks.machine import machine, versions
from visionlora.adapters import LoraConfig, adapter_parameters, attach
from visionlora.device import keep_freed_memory
from visionlora.files import replacing
from visionlora.frozen.folding import fold_batch_norm
from visionlora.frozen.quantised import dequantise, stored_bytes
from visionlora.models.quantise import best_codec, quantise_base
from visionlora.models.registry import build, final_layer

NETWORKS = ("vgg19", "resnet50", "convnext_tiny", "mobilenet_v2")
BASES = ("dense", "int8", "nf4")
TYPES = {"float32": None, "bfloat16": torch.bfloat16}
SIZE = 224
STEPS = 3  # counted ones of a process
_STATUS = Path("/proc/self/status")


def network_on(name: str, base: str) -> nn.Module:
    """The network with random weights, frozen or not, and no adapters."""
    model = build(name)
    if base != "dense":
        quantise_base(model, base, ("first", "head"), final_layer(model, 1000), SIZE)
    return model


def training_step(model: nn.Module, batch: int, rank: int, low: torch.dtype | None) -> Callable[[], None]:
    """A function that takes one training step; with `low` a dense base is stored in this type."""
    if low is not None:
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and type(module.weight) is nn.Parameter:
                module.weight.data = module.weight.data.to(low)
    attach(model, LoraConfig(rank=rank), generator=torch.Generator().manual_seed(0))
    model.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, SIZE, SIZE, generator=generator).to(memory_format=torch.channels_last)
    labels = torch.randint(1000, (batch,), generator=generator)
    with torch.autocast("cpu", low or torch.bfloat16, enabled=low is not None):
        fold_batch_norm(model, images[:1])
    optimizer = torch.optim.AdamW(adapter_parameters(model), lr=1e-4, fused=True)

    def step() -> None:
        with torch.autocast("cpu", low or torch.bfloat16, enabled=low is not None):
            loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def measure_steps(
    name: str, base: str, batch: int, rank: int, precision: str, kept: bool = True
) -> dict[str, float]:
    """Megabytes (10^6 bytes) of the weights, of the peak until the network is there, and of that of a step; a
    step's seconds, and those of the processor."""
    best_codec()  # imports bitsandbytes, whose code is no part of the network
    before = _resident("VmRSS")
    model = network_on(name, base)
    keep_freed_memory(kept)  # now, as in a run
    made = _resident("VmHWM") - before
    step = training_step(model, batch, rank, TYPES[precision])
    step()  # chooses implementations, which takes memory that later steps do not
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    wall, processor = [], []
    for _ in range(STEPS):
        starts = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - starts[0])
        processor.append(time.process_time() - starts[1])
    return {
        "weights_mb": _weights(model) / 1e6,
        "made_mb": made,
        "peak_mb": _resident("VmHWM") - before,
        "step_s": statistics.median(wall),
        "processor_s": statistics.median(processor),
    }


@torch.no_grad()
def measure_logits(name: str, base: str) -> dict[str, float]:
    """Relative differences of the logits of random images: to the dense network, and to the dense network
    with weights that went through the quantisation once."""
    images = torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    dense, quantised = network_on(name, "dense")(images), network_on(name, base)
    ours = quantised(images)
    dequantise(quantised)
    return {"to_dense": _difference(ours, dense), "to_round_trip": _difference(ours, quantised(images))}


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def _weights(model: nn.Module) -> int:
    """Bytes of the base, without the adapters."""
    own = sum(parameter.nbytes for parameter in adapter_parameters(model))
    return stored_bytes(model) - own


def _resident(field: str) -> float:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


def _run(options: argparse.Namespace, command: str) -> None:
    if options.threads:
        torch.set_num_threads(options.threads)
    console, results = Console(), []
    for name in options.networks:
        for precision in options.precision:
            if options.only:
                about = options.only, options.batch, options.rank, precision, not options.give_back
                print(json.dumps(measure_steps(name, *about)))
                return
            rounds: list[dict[str, dict[str, float]]] = [{} for _ in range(options.rounds)]
            for one in rounds:
                for base in BASES:
                    one[base] = _in_own_process(name, base, precision, options)
                    console.print(name, precision, base, json.dumps(one[base]))
            row: dict[str, Any] = {"network": name, "precision": precision, "rounds": rounds}
            if precision == "float32":
                row["logits"] = {base: measure_logits(name, base) for base in BASES[1:]}
            results.append(row)
            console.print(json.dumps(row, indent=1))
            if options.json:  # after each, so that an interrupted run keeps its results
                content = {
                    "command": command,
                    "machine": machine(),
                    "versions": versions(),
                    "results": results,
                }
                with replacing(options.json) as beside:
                    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    console.print(markdown(results), markup=False)


def _in_own_process(name: str, base: str, precision: str, options: argparse.Namespace) -> dict[str, float]:
    words = ["--networks", name, "--precision", precision, "--batch", str(options.batch)]
    words += [
        "--rank",
        str(options.rank),
        "--threads",
        str(torch.get_num_threads()),
        "--only",
        base,
        *(["--give-back"] if options.give_back else []),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.quantised", *words], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """The table of docs/quantised.md."""
    lines = [
        "| network | compute | base | weights, MB | peak of a step, MB | x dense | step, s | x dense | "
        "processor, x dense |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results:
        for base in BASES:
            each = [one[base] for one in row["rounds"]]
            weights, peak, step = (
                statistics.median(one[key] for one in each) for key in ("weights_mb", "peak_mb", "step_s")
            )
            ratios = [
                statistics.median(one[base][key] / one["dense"][key] for one in row["rounds"])
                for key in ("peak_mb", "step_s", "processor_s")
            ]
            peaks = [one["peak_mb"] for one in each]
            lines.append(
                f"| {row['network']} | {row['precision']} | {base} | {weights:.1f} | {peak:.0f} "
                f"({min(peaks):.0f} to {max(peaks):.0f}) | {ratios[0]:.2f} | {step:.2f} | {ratios[1]:.2f} | "
                f"{ratios[2]:.2f} |"
            )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("quantised", __doc__)
    add = parser.add_argument
    add("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="torchvision networks")
    add("--precision", nargs="+", default=["float32"], choices=tuple(TYPES))
    add("--batch", type=int, default=8)
    add("--rank", type=int, default=8)
    add("--rounds", type=int, default=3, help="processes of each base")
    add_shared(parser, "json", threads=0)
    add("--give-back", action="store_true", help="as a run with trainer.reuse_memory=false")
    add("--only", choices=BASES, help="one base, in this process")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    return run_command(_parser(), _run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
