"""A batch whose images use eight different adapters beside a batch with one of them: ``python -m
benchmarks.mixed_batch``.

A ResNet50 with random weights holds eight LoRA adapters of rank 8 on every layer. The three candidates are
measured in turns, so that a slower minute slows all of them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from benchmarks.command import add_shared, new_parser, run_command
from visionlora.adapters import LoraConfig, activate, active_adapters, attach
from visionlora.adapters.mixed import predict_mixed

ADAPTERS, BATCH, RANK, SIZE, ROUNDS = 8, 32, 8, 224, 5


def network() -> nn.Module:
    """The frozen network with all adapters."""
    torch.manual_seed(0)
    model = resnet50(weights=None).eval()
    for number in range(ADAPTERS):
        attach(model, LoraConfig(rank=RANK), name=f"adapter{number}")
        with torch.no_grad():
            for adapter in active_adapters(model):
                dict(adapter.named_parameters())["lora_B"].normal_(0, 0.01)
    return model


def measure() -> dict[str, float]:
    """Median seconds of a batch, by what it computes."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = network().to(device)
    images = torch.randn(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).to(device)
    names = [f"adapter{place % ADAPTERS}" for place in range(BATCH)]

    def single() -> Tensor:
        with torch.no_grad():
            return model(images)

    def separate() -> Tensor:
        parts = []
        with torch.no_grad():
            for name in dict.fromkeys(names):
                activate(model, name)
                parts.append(model(images[[place for place, one in enumerate(names) if one == name]]))
        activate(model, "adapter0")
        return torch.cat(parts)

    candidates: dict[str, Callable[[], Tensor]] = {
        "one adapter for all images": single,
        "eight adapters, mixed": lambda: predict_mixed(model, images, names),
        "eight adapters, a batch for each": separate,
    }
    activate(model, "adapter0")
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(ROUNDS + 1):
        for name, compute in candidates.items():
            started = time.perf_counter()
            compute()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first is a warm-up
                seconds[name].append(time.perf_counter() - started)
    return {name: median(times) for name, times in seconds.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = new_parser("mixed_batch", __doc__)
    add_shared(parser, "json", threads=0)
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace, command: str) -> None:
    """Print the table and the ratio."""
    if options.threads:
        torch.set_num_threads(options.threads)
    found = measure()
    base = next(iter(found.values()))
    print(
        f"ResNet50, batch of {BATCH} images of {SIZE} x {SIZE}, rank {RANK}, {torch.get_num_threads()} "
        "threads"
    )
    for name, value in found.items():
        print(f"{name:<34} {value:7.3f} s  {value / base:5.2f}")
    if options.json:
        options.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
