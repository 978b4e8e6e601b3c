"""``optimizer.lr=auto``: the learning rate is chosen by short trial runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from visionlora.adapters import restart_adapters
from visionlora.errors import Diverged, VisionLoraError
from visionlora.notices import Notices
from visionlora.optimizers.config import OptimizerConfig
from visionlora.run_folder.record import Record
from visionlora.run_folder.trainer_state import trained_state
from visionlora.text import counted
from visionlora.training.module import LoraModule
from visionlora.training.trainer import Fitter

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""From too slow to too fast for every network and number of images that was tried."""
SHARE = 4
"""A trial has one SHARE-th of the run's steps, with its own warm-up and cosine."""
LEAST_STEPS = 20

Trials = list[dict[str, float | None]]
"""Of each trial ``lr`` and ``val/objective``; None: it diverged."""


def select_learning_rate(
    options: OptimizerConfig,
    default: float,
    total_steps: int,
    new_module: Callable[[int, OptimizerConfig], LoraModule],
    fitter: Fitter,
    record: Record,
    notices: Notices,
) -> tuple[OptimizerConfig, Trials]:
    """The options with the best of :data:`FACTORS` times the default; the network is unchanged afterwards.

    Every trial starts at the same adapters and sees the same images. The best one ends with the smallest
    ``val/objective``, which chooses the run's checkpoint too.

    Args:
        options: returned as they are where ``lr`` is a number.
        default: the learning rate in the middle, taken where there are no images to compare on.
        total_steps: optimizer steps of the whole run.
        new_module: makes a module from a number of steps and options.
        fitter: trains it.
        record: each trial is recorded when it is done, and those of an interrupted run are not repeated.
        notices: where the choice is announced.

    Returns:
        The options and the trials.

    Raises:
        VisionLoraError: every trial diverges.
    """
    if options.lr != "auto":
        return options, []
    if fitter.validation_loader is None:
        notices.say(
            f"optimizer.lr={default:g}, not chosen: auto compares on validation images, and there are none"
        )
        return replace(options, lr=default), []
    steps = min(total_steps, max(LEAST_STEPS, total_steps // SHARE))
    trials: Trials = list(record.get("learning_rate_trials", []))
    for lr in [factor * default for factor in FACTORS][len(trials) :]:
        trials.append({"lr": lr, "val/objective": _try(new_module(steps, replace(options, lr=lr)), fitter)})
        record.set("learning_rate_trials", trials)
    objectives = {trial["lr"]: trial["val/objective"] for trial in trials}
    finite = {lr: value for lr, value in objectives.items() if lr is not None and value is not None}
    if not finite:
        raise VisionLoraError(
            "optimizer.lr=auto: training diverges at every learning rate; set trainer.precision=32-true, or "
            f"optimizer.lr to less than {FACTORS[0] * default:g}"
        )
    best = min(finite, key=lambda lr: finite[lr])
    figures = ", ".join(
        f"{lr:g}: {'diverged' if value is None else f'{value:.3f}'}" for lr, value in objectives.items()
    )
    length = counted(steps, "step")
    notices.say(f"optimizer.lr={best:g}, the best of trials of {length} by val/objective ({figures})")
    return replace(options, lr=best), trials


def _try(module: LoraModule, fitter: Fitter) -> float | None:
    """``val/objective`` after a short training, None where it diverges; the network is unchanged."""
    start = {name: value.clone() for name, value in trained_state(module).items()}
    trainer = fitter.trainer(module.total_steps)
    try:
        fitter.fit(trainer, module)
        objective = float(trainer.callback_metrics["val/objective"])
    except Diverged:
        objective = math.nan
    module.load_state_dict(start, strict=False)
    restart_adapters(module.network, 0, module.total_steps)
    module.zero_grad()
    return objective if math.isfinite(objective) else None
