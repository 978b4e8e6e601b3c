"""``optimizer.lr=auto``: the learning rate is chosen by short trial runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from visionlora.notices import Notices
from visionlora.training.config import OptimizerConfig
from visionlora.training.module import LoraModule
from visionlora.training.trainer import Fitter

RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
"""From too slow to too fast for every network and number of images that was tried."""
DEFAULT = 2e-3
"""Where there are no images to compare on."""
SHARE = 4
"""A trial has one SHARE-th of the run's steps, with its own warm-up and cosine."""
LEAST_STEPS = 20

Trials = list[dict[str, float]]


def select_learning_rate(
    options: OptimizerConfig,
    total_steps: int,
    new_module: Callable[[int, OptimizerConfig], LoraModule],
    fitter: Fitter,
    notices: Notices,
) -> tuple[OptimizerConfig, Trials]:
    """The options with the best of :data:`RATES`; the network is unchanged afterwards.

    Every trial starts at the same adapters and sees the same images. The best one ends with the smallest
    ``val/objective``, which chooses the run's checkpoint too.

    Args:
        options: returned as they are where ``lr`` is a number.
        total_steps: optimizer steps of the whole run.
        new_module: makes a module from a number of steps and options.
        fitter: trains it.
        notices: where the choice is announced.

    Returns:
        The options, and of each trial ``lr`` and ``val/objective``.
    """
    if options.lr != "auto":
        return options, []
    if fitter.validation_loader is None:
        notices.say(
            f"optimizer.lr={DEFAULT:g}, not chosen: auto compares on validation images, and there are none"
        )
        return replace(options, lr=DEFAULT), []
    steps = min(total_steps, max(LEAST_STEPS, total_steps // SHARE))
    trained = new_module(steps, options).trainable()
    start = [parameter.detach().clone() for parameter in trained]
    trials: Trials = []
    for lr in RATES:
        trainer = fitter.trainer(steps)
        if fitter.fit(trainer, new_module(steps, replace(options, lr=lr))):
            raise KeyboardInterrupt
        trials.append({"lr": lr, "val/objective": float(trainer.callback_metrics["val/objective"])})
        with torch.no_grad():
            for parameter, value in zip(trained, start, strict=True):
                parameter.copy_(value)
                parameter.grad = None
    best = min(trials, key=lambda trial: trial["val/objective"])["lr"]
    figures = ", ".join(f"{trial['lr']:g}: {trial['val/objective']:.3f}" for trial in trials)
    notices.say(f"optimizer.lr={best:g}, the best of trials of {steps} steps by val/objective ({figures})")
    return replace(options, lr=best), trials
