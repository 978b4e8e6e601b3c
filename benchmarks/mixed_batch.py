"""A batch whose images use eight different adapters beside a batch with one of them: ``python -m
benchmarks.mixed_batch``.

A ResNet50 with random weights holds eight LoRA adapters of rank 8 on every layer. The three ways are measured
in turns, so that a slower minute slows all of them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torchvision.models import resnet50

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

    ways: dict[str, Callable[[], Tensor]] = {
        "one adapter for all images": single,
        "eight adapters, mixed": lambda: predict_mixed(model, images, names),
        "eight adapters, a batch for each": separate,
    }
    activate(model, "adapter0")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for name, compute in ways.items():
            started = time.perf_counter()
            compute()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first is a warm-up
                seconds[name].append(time.perf_counter() - started)
    return {name: median(times) for name, times in seconds.items()}


def main() -> None:
    """Print the table and the ratio."""
    found = measure()
    base = next(iter(found.values()))
    print(
        f"ResNet50, batch of {BATCH} images of {SIZE} x {SIZE}, rank {RANK}, {torch.get_num_threads()} "
        "threads"
    )
    for name, value in found.items():
        print(f"{name:<34} {value:7.3f} s  {value / base:5.2f}")
    if "--json" in sys.argv:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
