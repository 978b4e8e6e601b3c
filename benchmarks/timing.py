"""Time contenders against each other, and measure their peak memory."""

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

from benchmarks.contenders import Contender, fresh_network
from benchmarks.ready import by_name, make_ready
from benchmarks.worker import Worker, WorkerError
from visionlora.adapters import fold_batch_norm
from visionlora.device import keep_freed_memory
from visionlora.errors import VisionLoraError

FLOOR = "floor"


@dataclass(frozen=True)
class Setting:
    """What is measured.

    `size` is in pixels; `layers` is shared or all; `threads` 0 keeps PyTorch's default; with `reuse_memory`
    every process keeps the memory that it frees, as in training.
    """

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
    """One contender in one setting. Times in seconds, memory in bytes; None if not measured.

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
        """Set the number of adapted layers and of trained parameters."""
        self.layers, self.trainable = size

    def set_peak(self, peak: int) -> None:
        """Set the peak memory."""
        self.peak_memory = peak

    def summarise(self, floor: Sequence[float]) -> None:
        """Compute medians and quartiles from `times` and the floor's times in the same rounds."""
        if not self.times:
            return
        self.median, self.quartiles = _median_and_quartiles(self.times)
        if floor:
            ratios = [own / base for own, base in zip(self.times, floor, strict=True)]
            self.ratio, self.ratio_quartiles = _median_and_quartiles(ratios)


class Trainee:
    """A contender that is ready to train on one fixed batch."""

    def __init__(self, contender: Contender, network: nn.Module, setting: Setting) -> None:
        ready = make_ready(contender, network, setting.rank, setting.layers)
        for module in (ready.model, *ready.companions):
            module.to(setting.device)
        if ready.folds:
            fold_batch_norm(ready.model, torch.zeros(1, 3, setting.size, setting.size, device=setting.device))
        self.layers, self.trainable = ready.layers, ready.trainable
        # CUDA calls return before the device has finished.
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
    # In training mode GoogLeNet and Inception return a tuple with their auxiliary outputs.
    return output if isinstance(output, Tensor) else output[0]


def prepare(setting: Setting) -> tuple[Tensor, Tensor]:
    """Set threads, precision and memory allocation of this process; returns the batch of all contenders."""
    if setting.reuse_memory and not keep_freed_memory():
        raise VisionLoraError(
            "--reuse-memory: only glibc can keep freed memory; do not use this option here."
        )
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
    """Train every contender in every setting in its own process; all take one step per round, in turn.

    The first one changes from round to round; the other processes sleep meanwhile. The row of a contender
    that is not installed or that fails says so.

    Args:
        settings: they differ only in the rank, so one floor serves all of them.
        names: the contenders.
        memory: whether to measure peak memory.

    Returns:
        For each setting the contenders' rows.
    """
    first = settings[0]
    floor = Row(FLOOR)
    rows = [[floor if name == FLOOR else Row(name) for name in names] for _ in settings]
    workers: dict[int, Worker] = {}
    own = {id(row): row for several in rows for row in several}
    try:
        for setting, several in zip(settings, rows, strict=True):
            for row in several:
                if not by_name(row.contender).installed:
                    row.status = "not installed"
                elif id(row) not in workers:
                    workers[id(row)] = Worker(_functions, setting, row.contender)
        for row in own.values():  # they get ready side by side: imports take longer than a GPU's steps
            if id(row) in workers:
                _call(workers, row, "ready", row.set_size)
        for number in range(first.warmup + first.steps):
            order = [own[key] for key in workers]
            begin = number % max(len(order), 1)
            for row in order[begin:] + order[:begin]:
                _call(workers, row, "step", row.times.append if number >= first.warmup else _ignore)
        for row in own.values():
            if memory and id(row) in workers:
                _call(workers, row, "peak", row.set_peak)
            row.summarise(floor.times)
    finally:
        for worker in workers.values():
            worker.close()
    return rows


def _call(workers: dict[int, Worker], row: Row, name: str, keep: Callable[[Any], object]) -> None:
    """Keep the result of a contender's function, or the reason for its failure, which is a result too."""
    try:
        keep(workers[id(row)].call(name))
    except WorkerError as error:
        row.status = f"failed: {error}"
        row.times.clear()
        workers.pop(id(row)).close()


def _ignore(seconds: float) -> None:
    pass


def _functions(setting: Setting, name: str) -> dict[str, Callable[[], Any]]:
    """The functions of a contender's process.

    On CUDA, peak memory is that of PyTorch's allocator. On the CPU it is the peak of the process's resident
    memory minus its size before the network was made. The contender has then already trained a tiny network,
    because what PyTorch and the packages load at their first step does not belong to the network.
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
        # Not ru_maxrss: on Linux it starts at the size of the parent process.
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
