"""Times contenders against each other, and reads the memory that each of them takes."""

from __future__ import annotations

import gc
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.contenders import Contender, by_name, copy_for, fresh_network, make_ready
from visionlora.lora import fold_batch_norm
from visionlora.training.allocator import keep_freed_memory

_Result = TypeVar("_Result")
FLOOR = "floor"


@dataclass(frozen=True)
class Setting:
    """What is measured in one process: `size` in pixels; `layers` is shared or all; `threads` 0 keeps
    PyTorch's own number."""

    network: str
    precision: str = "float32"
    batch: int = 8
    rank: int = 8
    size: int = 224
    device: str = "cpu"
    threads: int = 0
    layers: str = "shared"
    compiled: bool = False
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
    """Sets threads, allocator and precision for this process; the batch that all contenders see."""
    keep_freed_memory()
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


def time_contenders(setting: Setting, names: Sequence[str]) -> list[Row]:
    """Every contender takes one step a round; who begins changes from round to round.

    A contender that isn't installed or that fails has a row that says so.
    """
    images, labels = prepare(setting)
    network = fresh_network(setting.network, setting.size).to(setting.device)
    rows = {name: Row(name) for name in names}
    trainees: dict[str, Trainee] = {}
    for name, row in rows.items():
        contender = by_name(name)
        if not contender.installed:
            row.status = "not installed"
            continue
        trainee = _or_failed(row, _make, contender, network, setting)
        if trainee is not None:
            trainees[name] = trainee
            row.layers, row.trainable = trainee.layers, sum(p.numel() for p in trainee.trainable)
    for number in range(setting.warmup + setting.steps):
        order = list(trainees)
        begin = number % max(len(order), 1)
        gc.collect()
        for name in order[begin:] + order[:begin]:
            seconds = _or_failed(rows[name], trainees[name].step, images, labels)
            if seconds is None:
                del trainees[name]
            elif number >= setting.warmup:
                rows[name].times.append(seconds)
    floor = rows[FLOOR].times if FLOOR in trainees else []
    for row in rows.values():
        row.summarise(floor)
    return list(rows.values())


def _make(contender: Contender, network: nn.Module, setting: Setting) -> Trainee:
    return Trainee(contender, copy_for(contender, network), setting)


def _or_failed(row: Row, act: Callable[..., _Result], *arguments: Any) -> _Result | None:
    """What `act` returns, or None with the reason in the row: a peer's failure is a result too."""
    try:
        return act(*arguments)
    except Exception as error:
        row.status = f"failed: {_one_line(error)}"
        row.times.clear()
        return None


def peak_memory(setting: Setting, name: str, steps: int = 3) -> int:
    """Bytes that a contender takes at its peak over a few steps; call it in a process of its own.

    On CUDA the allocator's peak. On the CPU the peak of the process's resident memory less what it held
    before the network was made, when the contender had already trained a tiny one: what PyTorch and the
    packages load at their first step is theirs, not the network's. Where `time_contenders` ran before, our
    first step times nothing either: what was decided is in the cache file.
    """
    contender = by_name(name)
    images, labels = prepare(setting)
    _train_a_tiny_network(contender, setting)
    before = 0 if setting.device == "cuda" else resident_memory()
    network = fresh_network(setting.network, setting.size).to(setting.device)
    trainee = Trainee(contender, network, setting)
    for _ in range(steps):
        trainee.step(images, labels)
    peak = torch.cuda.max_memory_allocated() if setting.device == "cuda" else resident_memory(peak=True)
    return peak - before


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


def in_own_process(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Calls a function of this package in a fresh interpreter.

    Raises:
        RuntimeError: the process died, for example for want of memory.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise RuntimeError("the process died, perhaps for want of memory") from error


def measure(setting: Setting, names: Sequence[str], memory: bool = True) -> list[Row]:
    """Times of all contenders in one process, then the memory of each in one of its own."""
    try:
        rows = in_own_process(time_contenders, setting, list(names))
    except RuntimeError as error:
        return [Row(name, f"failed: {error}") for name in names]
    for row in rows:
        if memory and row.status == "ok":
            try:
                row.peak_memory = in_own_process(peak_memory, setting, row.contender)
            except Exception as error:
                row.status = f"no memory figure: {_one_line(error)}"
    return rows


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _median_and_quartiles(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    if len(values) == 1:
        return values[0], (values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, (low, high)
