"""The methods: ours as the product trains it, and the others in one plain loop on the same images."""

from __future__ import annotations

import math
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.quality_measure import Evaluator, TaskImages
from benchmarks.quality_tasks import Task, our_config
from benchmarks.runs import run_here
from visionlora.adapters import scaled
from visionlora.data import ImageLoader
from visionlora.errors import VisionLoraError
from visionlora.models import Head, apply_head, head_parameters, load_backbone
from visionlora.models.restore import restore

RANK = 8
EPOCHS = 8
LEAST_STEPS = 160
MOST_OF_OURS = 3
"""Ours may take at most this many times the steps of the others."""
STRENGTHS = (0.2, 0.4, 0.6, 0.8)

Scaled = Callable[[nn.Module, float], Any]


@dataclass(frozen=True)
class Method:
    """A training method, and the learning rates to try."""

    name: str
    lrs: tuple[float, ...]
    build: Callable[[nn.Module, Head], nn.Module] | None = None
    adapter: bool = False
    package: str | None = None


def steps_of(images: int, batch_size: int) -> int:
    """Optimizer steps of all methods but ours: 8 epochs, and a minimum for a handful of images."""
    return max(LEAST_STEPS, EPOCHS * -(-images // batch_size))


def full(network: nn.Module, head: Head) -> nn.Module:
    """Every parameter is trained."""
    return network.requires_grad_(True)


def classifier(network: nn.Module, head: Head) -> nn.Module:
    """The layer that computes the logits is trained."""
    network.requires_grad_(False)
    network.get_submodule(head.layer).requires_grad_(True)
    return network


def _peft(kind: str) -> Callable[[nn.Module, Head], nn.Module]:
    def build(network: nn.Module, head: Head) -> nn.Module:
        import peft

        names = [
            name
            for name, layer in network.named_modules()
            if type(layer) in (nn.Conv2d, nn.Linear) and name not in head.trained
        ]
        settings: dict[str, Any] = {"target_modules": "|".join(map(re.escape, names)), "r": RANK}
        settings["lora_alpha" if kind == "Lora" else "alpha"] = RANK
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model = peft.get_peft_model(network, getattr(peft, f"{kind}Config")(**settings))
        for parameter in head_parameters(network, head):
            parameter.requires_grad_(True)
        return model

    return build


OURS, WITHOUT = "ours", "ours without anchors"
MINE = (OURS, WITHOUT)
METHODS = (
    Method(OURS, (3e-3,), adapter=True),
    Method(WITHOUT, (3e-3,), adapter=True),
    Method("full fine-tuning", (3e-5, 1e-4, 3e-4), full),
    Method("classifier only", (1e-3, 3e-3, 1e-2), classifier),
    Method("PEFT LoRA", (1e-3, 3e-3, 1e-2), _peft("Lora"), adapter=True, package="peft"),
    Method("PEFT LoHa", (1e-3, 3e-3, 1e-2), _peft("LoHa"), adapter=True, package="peft"),
    Method("PEFT LoKr", (1e-3, 3e-3, 1e-2), _peft("LoKr"), adapter=True, package="peft"),
)


def best_lr(records: Sequence[Mapping[str, Any]], task: str, method: Method, seed: int) -> float | None:
    """The learning rate with the best ``learned``, then the best ``kept``; None if none was tried."""
    tried = [
        record
        for record in records
        if (record["task"], record["method"], record["seed"]) == (task, method.name, seed)
        and record["lr"] in method.lrs
        and "cannot" not in record
    ]
    return max(tried, key=lambda r: (r["learned"], r["kept"] or 0.0))["lr"] if tried else None


def run_one(
    task: Task, method: Method, lr: float, seed: int, threads: int, device: str = "cpu"
) -> dict[str, Any]:
    """Train once and measure; returns the figures of one record.

    For a method that cannot adapt the network the record has its error message as ``cannot`` instead.
    """
    torch.set_num_threads(threads)
    train = _ours if method.build is None else _other
    return train(task, method, lr, seed, device)


def _other(task: Task, method: Method, lr: float, seed: int, device: str) -> dict[str, Any]:
    backbone = load_backbone(task.network, task.weights)
    backbone.model.to(device)
    images = TaskImages.of(task, backbone.preprocessing)
    evaluator = Evaluator(task, images, backbone)
    frozen = None if task.head == "new" else evaluator.figures(backbone.model.eval())
    head = apply_head(backbone, task.head, images.folder.classes)
    torch.manual_seed(seed)
    assert method.build is not None
    try:
        network = method.build(backbone.model, head)
    except (ValueError, NotImplementedError, TypeError) as error:
        return {"cannot": " ".join(str(error).split())[:200]}
    network.to(device, memory_format=torch.channels_last)
    total = steps_of(len(images.folder.train), images.batch_size)
    started = time.perf_counter()
    fit(network, images.training(head, seed), lr, total)
    seconds = time.perf_counter() - started
    evaluator.head = head
    return {
        "frozen": frozen,
        **evaluator.figures(network),
        "curve": _curve(evaluator, network, 1.0, rescaled) if method.adapter else [],
        "seconds": round(seconds, 1),
        "steps": total,
        "trained": sum(p.numel() for p in network.parameters() if p.requires_grad),
    }


def fit(
    network: nn.Module,
    loader: ImageLoader,
    lr: float,
    total: int,
    after_step: Callable[[int], object] = lambda done: None,
) -> None:
    """AdamW, bfloat16, one cycle, gradients clipped at 1: the training of ours without anchors.

    Args:
        network: whatever requires a gradient is trained, on the device that it is on.
        loader: its sampler's epoch is set.
        lr: learning rate at its peak.
        total: steps.
        after_step: called with the number of steps done.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    device = trained[0].device
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.0)
    warmup = max(1, round(0.1 * total))

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    network.eval()  # no dropout and frozen statistics, as in ours
    for done, batch in enumerate(_batches(loader, total), 1):
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(batch["images"].to(device))
        F.cross_entropy(logits.float(), batch["labels"].to(device)).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        after_step(done)


def _batches(loader: ImageLoader, total: int) -> Iterator[Mapping[str, torch.Tensor]]:
    taken = 0
    for epoch in count():
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for batch in loader:
            if taken == total:
                return
            taken += 1
            yield batch


@contextmanager
def rescaled(network: nn.Module, factor: float) -> Iterator[None]:
    """Inside, the updates of PEFT's adapters are multiplied by ``factor``."""
    candidates: list[Any] = [getattr(module, "scaling", None) for module in network.modules()]
    holders = [scaling for scaling in candidates if isinstance(scaling, dict)]
    before = [dict(scaling) for scaling in holders]
    try:
        for scaling in holders:
            scaling.update({name: value * factor for name, value in scaling.items()})
        yield
    finally:
        for scaling, values in zip(holders, before, strict=True):
            scaling.update(values)


def _curve(evaluator: Evaluator, network: nn.Module, chosen: float, scaled: Scaled) -> list[dict[str, Any]]:
    points = []
    for strength in (*STRENGTHS, 1.0):
        with scaled(network, strength / chosen):
            points.append({"strength": strength, **evaluator.figures(network)})
    return points


def _ours(task: Task, method: Method, lr: float, seed: int, device: str) -> dict[str, Any]:
    settings = [f"trainer.accelerator={device}"]
    return run_ours(task, our_config(task, lr, seed, method.name == OURS, settings), device)


def run_ours(task: Task, config: Any, device: str = "cpu") -> dict[str, Any]:
    """Train with the product and this configuration, then measure on ``device`` as for the others.

    Raises:
        VisionLoraError: the run took too many steps.
    """
    with tempfile.TemporaryDirectory() as place:
        metrics = run_here(config, Path(place) / "run")
        restored = restore(Path(place) / "run")
    images = TaskImages.of(task, restored.backbone.preprocessing)
    allowed = MOST_OF_OURS * steps_of(len(images.folder.train), images.batch_size)
    if metrics["steps"] > allowed:
        raise VisionLoraError(f"ours took {metrics['steps']} steps, more than the allowed {allowed}")
    evaluator = Evaluator(task, images, restored.backbone)
    if task.head != "new":
        frozen = evaluator.figures(load_backbone(task.network, task.weights).model.eval().to(device))
    evaluator.head = restored.head
    restored.network.to(device)
    chosen = metrics["strength"]["chosen"]
    return {
        "frozen": frozen if task.head != "new" else None,
        **evaluator.figures(restored.network),
        "strength": chosen,
        "curve": _curve(evaluator, restored.network, chosen, scaled) if task.head != "new" else [],
        "seconds": sum(metrics["time"][f"{phase}_s"] for phase in ("teacher", "steps", "validation")),
        "steps": metrics["steps"],
        "trained": metrics["parameters"]["trainable"],
    }
