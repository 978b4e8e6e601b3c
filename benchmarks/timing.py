"""Times contenders against each other, and reads the memory that each of them takes."""

from __future__ import annotations

import gc
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.contenders import Contender, by_name, fresh_network, make_ready
from benchmarks.stall import Stall, StallError
from visionlora.adapters import fold_batch_norm
from visionlora.device import keep_freed_memory
from visionlora.errors import VisionLoraError

FLOOR = "floor"


@dataclass(frozen=True)
class Setting:
    """What is measured: `size` in pixels; `layers` is shared or all; `threads` 0 keeps
    PyTorch's own number; with `reuse_memory` every process keeps the memory that it frees, as training
    does."""

    network: str
    precision: str = "float32"
    batch: int = 8
    rank: int = 8
    size: int = 224
    device: str = "cpu"
    threads: int = 0
    layers: str = "shared"
    compiled: bool = False
    reuse_memory: bool = False
    steps: int = 9
    warmup: int = 3

    def __str__(self) -> str:
        return f"{self.network}, {self.precision}, batch {self.batch}, rank {self.rank}"


@dataclass
class Row:
    """One contender in one setting. Times in seconds, memory in bytes; None where there is no figure.

    `ratio` is the median over the rounds of this contender's step by the floor's step in the same round.
    """

    contender: str
    status: str = "ok"
    layers: int | None = None
    trainable: int | None = None
    times: list[float] = field(default_factory=list)
    median: float | None = None
    quartiles: tuple[float, float] | None = None
    ratio: float | None = None
    ratio_quartiles: tuple[float, float] | None = None
    peak_memory: int | None = None

    def set_size(self, size: tuple[int, int]) -> None:
        """Takes the number of adapted layers and of trained parameters."""
        self.layers, self.trainable = size

    def set_peak(self, peak: int) -> None:
        """Takes the peak memory."""
        self.peak_memory = peak

    def summarise(self, floor: Sequence[float]) -> None:
        """Fills in the medians and quartiles from `times` and the floor's times of the same rounds."""
        if not self.times:
            return
        self.median, self.quartiles = _median_and_quartiles(self.times)
        if floor:
            ratios = [own / base for own, base in zip(self.times, floor, strict=True)]
            self.ratio, self.ratio_quartiles = _median_and_quartiles(ratios)


class Trainee:
    """A contender that is ready to take steps on one fixed batch."""

    def __init__(self, contender: Contender, network: nn.Module, setting: Setting) -> None:
        ready = make_ready(contender, network, setting.rank, setting.layers)
        for module in (ready.model, *ready.companions):
            module.to(setting.device)
        if ready.folds:
            fold_batch_norm(ready.model, torch.zeros(1, 3, setting.size, setting.size, device=setting.device))
        self.layers, self.trainable = ready.layers, ready.trainable
        # Without this, CUDA runs steps that the host has not asked for yet while the clock stands still.
        self.synchronise = torch.cuda.synchronize if setting.device == "cuda" else lambda: None
        self.model = torch.compile(ready.model) if setting.compiled else ready.model
        self.optimizer = torch.optim.AdamW(ready.trainable, lr=1e-4, fused=True) if ready.trainable else None
        self.setting = setting

    def step(self, images: Tensor, labels: Tensor) -> float:
        """One training step; its wall time in seconds."""
        images = images.detach().requires_grad_(self.optimizer is None)
        self.synchronise()
        start = time.perf_counter()
        with autocast(self.setting):
            loss = F.cross_entropy(_logits(self.model(images)), labels)
        loss.backward()
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        self.synchronise()
        return time.perf_counter() - start


def autocast(setting: Setting) -> AbstractContextManager[Any]:
    if setting.precision == "bfloat16":
        return torch.autocast(setting.device, torch.bfloat16)
    return nullcontext()


def _logits(output: Any) -> Tensor:
    # GoogLeNet and Inception give a tuple with their auxiliary outputs in training mode.
    return output if isinstance(output, Tensor) else output[0]


def prepare(setting: Setting) -> tuple[Tensor, Tensor]:
    """Sets threads, precision and what happens to freed memory for this process; the batch that all
    contenders see."""
    if setting.reuse_memory and not keep_freed_memory():
        raise VisionLoraError("--reuse-memory: only glibc can keep freed memory; leave it out here.")
    if setting.threads:
        torch.set_num_threads(setting.threads)
    if setting.device == "cuda":
        precision = "tf32" if setting.precision == "tf32" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = precision
        torch.backends.cudnn.conv.fp32_precision = precision  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(setting.batch, 3, setting.size, setting.size, generator=generator)
    labels = torch.randint(1000, (setting.batch,), generator=generator)
    images = images.to(setting.device, memory_format=torch.channels_last)
    return images, labels.to(setting.device)


def measure(settings: Sequence[Setting], names: Sequence[str], memory: bool = True) -> list[list[Row]]:
    """Every contender in every setting trains in a process of its own, and all take a step in turn.

    Who begins changes from round to round; the others' processes sleep meanwhile. A contender that isn't
    installed or that fails has a row that says so.

    Args:
        settings: they differ in nothing but the rank, so that there is one floor for all of them.
        names: the contenders.
        memory: whether peak memory is read.

    Returns:
        For each setting the contenders' rows.
    """
    first = settings[0]
    floor = Row(FLOOR)
    rows = [[floor if name == FLOOR else Row(name) for name in names] for _ in settings]
    stalls: dict[int, Stall] = {}
    own = {id(row): row for several in rows for row in several}
    try:
        for setting, several in zip(settings, rows, strict=True):
            for row in several:
                if not by_name(row.contender).installed:
                    row.status = "not installed"
                elif id(row) not in stalls:
                    stalls[id(row)] = Stall(_answers, setting, row.contender)
                    _ask(stalls, row, "ready", row.set_size)
        for number in range(first.warmup + first.steps):
            order = [own[key] for key in stalls]
            begin = number % max(len(order), 1)
            for row in order[begin:] + order[:begin]:
                _ask(stalls, row, "step", row.times.append if number >= first.warmup else _ignore)
        for row in own.values():
            if memory and id(row) in stalls:
                _ask(stalls, row, "peak", row.set_peak)
            row.summarise(floor.times)
    finally:
        for stall in stalls.values():
            stall.close()
    return rows


def _ask(stalls: dict[int, Stall], row: Row, question: str, keep: Callable[[Any], object]) -> None:
    """Keep a contender's answer, or why there is none: a peer's failure is a result too."""
    try:
        keep(stalls[id(row)].ask(question))
    except StallError as error:
        row.status = f"failed: {error}"
        row.times.clear()
        stalls.pop(id(row)).close()


def _ignore(seconds: float) -> None:
    pass


def _answers(setting: Setting, name: str) -> dict[str, Callable[[], Any]]:
    """What a contender's process can be asked.

    Peak memory is on CUDA the allocator's. On the CPU it is that of the process's resident memory less what
    it held before the network was made, when the contender had already trained a tiny one: what PyTorch and
    the packages load at their first step is theirs, not the network's.
    """
    contender = by_name(name)
    images, labels = prepare(setting)
    _train_a_tiny_network(contender, setting)
    before = 0 if setting.device == "cuda" else resident_memory()
    network = fresh_network(setting.network, setting.size).to(setting.device)
    trainee = Trainee(contender, network, setting)
    trained = sum(parameter.numel() for parameter in trainee.trainable)

    def peak() -> int:
        most = torch.cuda.max_memory_allocated() if setting.device == "cuda" else resident_memory(peak=True)
        return most - before

    return {
        "ready": lambda: (trainee.layers, trained),
        "step": lambda: trainee.step(images, labels),
        "peak": peak,
    }


def _train_a_tiny_network(contender: Contender, setting: Setting) -> None:
    importlib.import_module("torchvision.models")
    tiny = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000))
    images = torch.randn(1, 3, 8, 8, device=setting.device)
    Trainee(contender, tiny, setting).step(images, torch.zeros(1, dtype=torch.long, device=setting.device))
    gc.collect()
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def resident_memory(peak: bool = False) -> int:
    """This process's resident memory in bytes, now or at its highest."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux that starts from the size of the process that started this one.
        key = "VmHWM:" if peak else "VmRSS:"
        line = next(line for line in status.read_text().splitlines() if line.startswith(key))
        return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _median_and_quartiles(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    if len(values) == 1:
        return values[0], (values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, (low, high)
