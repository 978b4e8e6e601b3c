"""What a checkpoint holds of a Lightning trainer and its module, and how a new trainer continues from it.

Not Lightning's own checkpoint: that one is a pickle with absolute paths, it goes through the temporary
folder, and its loops repeat or leave out a validation, depending on the hook that saved it. Everything random
here is a function of (seed, step, image), so where a run is in its loops is two numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor, nn

from visionlora.adapters import adapter_state, load_part
from visionlora.errors import VisionLoraError


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """What is trained in a module, and what its adapters know beside it, by name; not copied."""
    trained = {name: one.detach() for name, one in module.named_parameters() if one.requires_grad}
    return trained | adapter_state(module)


class Resumable(Protocol):
    """A loader whose next pass can start in the middle of an epoch."""

    def __len__(self) -> int: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


def capture(trainer: lightning.Trainer, module: lightning.LightningModule) -> dict[str, Any]:
    """The state after an optimizer step, for :func:`restore`.

    Settings are no part of it: a run that continues with others has those.
    """
    (optimizer,), (schedule,) = trainer.optimizers, trainer.lr_scheduler_configs
    state: dict[str, Any] = {
        "step": trainer.global_step,
        "batches": trainer.fit_loop.total_batch_idx + 1,
        "trained": trained_state(module),
        "optimizer": optimizer.state_dict()["state"],
        "schedule": schedule.scheduler.last_epoch,
        "precision": trainer.precision_plugin.state_dict(),
        "callbacks": {one.state_key: held for one in _callbacks(trainer) if (held := one.state_dict())},
    }
    module.on_save_checkpoint(state)
    return state


def restore(
    trainer: lightning.Trainer,
    module: lightning.LightningModule,
    state: Mapping[str, Any],
    loader: Resumable,
) -> None:
    """Continue from ``state``; to be called once the optimizer is there, before the first batch.

    Args:
        trainer: a new one.
        module: its trained tensors are overwritten.
        state: from :func:`capture`.
        loader: of the training images; its first pass will start where the run was.

    Raises:
        VisionLoraError: ``state`` is of other adapters, or made up.
    """
    try:
        _restore(trainer, module, state, loader)
    except VisionLoraError:
        raise
    except Exception as error:  # each part raises errors of its own
        raise VisionLoraError(
            f"the last checkpoint is not one of this run ({type(error).__name__}: {error}); remove it to "
            "continue from the one before it"
        ) from error


def _restore(
    trainer: lightning.Trainer,
    module: lightning.LightningModule,
    state: Mapping[str, Any],
    loader: Resumable,
) -> None:
    _require_same(state["trained"], trained_state(module))
    (optimizer,), (schedule,) = trainer.optimizers, trainer.lr_scheduler_configs
    load_part(module, state["trained"])
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})
    _continue_schedule(schedule.scheduler, state["schedule"])
    if state["precision"]:
        trainer.precision_plugin.load_state_dict(state["precision"])
    for callback in _callbacks(trainer):
        if callback.state_key in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][callback.state_key])
    module.on_load_checkpoint(dict(state))
    trainer.should_stop = any(
        one.wait_count >= one.patience for one in _callbacks(trainer) if isinstance(one, EarlyStopping)
    )
    epoch, place = divmod(state["batches"], len(loader))
    _count(trainer, state["step"], state["batches"], epoch)
    loader.load_state_dict({"epoch": epoch, "batches": place})


def _require_same(held: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> None:
    for name in {**held, **there}:
        shapes = [tuple(of[name].shape) if name in of else "missing" for of in (held, there)]
        if shapes[0] != shapes[1]:
            raise VisionLoraError(
                f"the checkpoint is of other adapters: {name} is {shapes[0]} in it and {shapes[1]} in the "
                "network; resume with the run's own options, or start a new run"
            )


def _continue_schedule(schedule: Any, epoch: int) -> None:
    """Let a LambdaLR continue; the rate is a function of ``epoch`` (which counts steps) alone."""
    schedule.last_epoch = epoch
    schedule._step_count = epoch + 1
    rates = zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
    schedule._last_lr = [base * share(epoch) for base, share in rates]
    for group, lr in zip(schedule.optimizer.param_groups, schedule._last_lr, strict=True):
        group["lr"] = lr


def _count(trainer: lightning.Trainer, step: int, batches: int, epoch: int) -> None:
    """Set what the trainer's loops count."""
    fit_loop = trainer.fit_loop
    loop = fit_loop.epoch_loop
    steps = loop.automatic_optimization.optim_progress.optimizer.step.total
    steps.ready = steps.completed = step
    loop._batches_that_stepped = step  # what loggers count
    for progress, count in (
        (loop.batch_progress.total, batches),
        (fit_loop.epoch_progress.total, epoch),
        (fit_loop.epoch_progress.current, epoch),
    ):
        for counter in ("ready", "started", "processed", "completed"):
            setattr(progress, counter, count)


def _callbacks(trainer: lightning.Trainer) -> list[Callback]:
    return trainer.callbacks  # type: ignore[attr-defined]
