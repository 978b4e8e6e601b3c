"""``optimizer.lr=auto``: a learning rate found by short trainings, without knowing what it is."""

from __future__ import annotations

from dataclasses import replace

import torch

from visionlora.training.trainer import Fitting

RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
"""From too slow to too fast for every network and number of images that was tried."""
SHARE = 4
"""A trial has one SHARE-th of the run's steps, in a warm-up and a cosine of its own."""
LEAST_STEPS = 20


def settle_lr(fitting: Fitting) -> list[dict[str, float]] | None:
    """Make the best of :data:`RATES` the job's learning rate; the network is afterwards as it was.

    Every trial starts at the same adapters and sees the same images. The best one ends with the smallest
    ``val/objective``, which chooses the run's checkpoint too: wrong answers, loss, and what was forgotten of
    the anchors.

    Returns:
        What was tried: ``lr`` and its ``val/objective``; None where ``optimizer.lr`` is a number.
    """
    job = fitting.job
    if job.optimizer.lr != "auto":
        return None
    steps = min(job.total_steps, max(LEAST_STEPS, job.total_steps // SHARE))
    trained = [parameter for parameter in job.network.parameters() if parameter.requires_grad]
    start = [parameter.detach().clone() for parameter in trained]
    tried = []
    for lr in RATES:
        trainer = fitting.trainer(steps, validations=1)
        if fitting.fit(trainer, fitting.module(steps, lr)):
            raise KeyboardInterrupt
        tried.append({"lr": lr, "val/objective": float(trainer.callback_metrics["val/objective"])})
        with torch.no_grad():
            for parameter, value in zip(trained, start, strict=True):
                parameter.copy_(value)
                parameter.grad = None
    best = min(tried, key=lambda trial: trial["val/objective"])
    job.optimizer = replace(job.optimizer, lr=best["lr"])
    figures = ", ".join(f"{trial['lr']:g}: {trial['val/objective']:.3f}" for trial in tried)
    job.say(f"optimizer.lr={best['lr']:g}, the best of trials of {steps} steps by val/objective ({figures})")
    return tried
