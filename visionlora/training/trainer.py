"""Lightning trainers for one network's images, as many as a run needs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, distributed, nn

from visionlora.adapters import FrozenBatchNorm, folded
from visionlora.data import ImageLoader
from visionlora.device import choose_device, reading_interval
from visionlora.errors import Diverged, VisionLoraError
from visionlora.models.config import ModelConfig
from visionlora.models.sources import check_source
from visionlora.notices import Notices
from visionlora.optimizers.make import require_optimizer
from visionlora.phases import phase
from visionlora.text import listed
from visionlora.this_process import this_process
from visionlora.training.config import TrainerConfig
from visionlora.training.module import LoraModule


class OtherAccelerator(Accelerator):
    """An accelerator that PyTorch knows and Lightning has no class for (XPU)."""

    def setup_device(self, device: torch.device) -> None:
        torch.accelerator.set_device_index(device.index or 0)

    def teardown(self) -> None:
        """Nothing is held."""

    @staticmethod
    def parse_devices(devices: int) -> int:
        return devices

    @staticmethod
    def get_parallel_devices(devices: int) -> list[torch.device]:
        seen = torch.accelerator.current_accelerator()
        assert seen is not None
        return [torch.device(seen.type, index) for index in range(devices)]

    @staticmethod
    def auto_device_count() -> int:
        return torch.accelerator.device_count()

    @staticmethod
    def is_available() -> bool:
        return torch.accelerator.is_available()

    @staticmethod
    def name() -> str:
        return "other"

    def get_device_stats(self, device: object) -> dict[str, Any]:
        """None are read."""
        return {}


class OneDevice(SingleDeviceStrategy):
    """Training on one device, where the network stays: Lightning's own moves it to the CPU at the end."""

    def teardown(self) -> None:
        module, self._lightning_module = self._lightning_module, None
        super().teardown()
        self._lightning_module = module


class Traffic(Callback):
    """Counts the bytes of gradients that a process of several sends in a step."""

    def __init__(self) -> None:
        self.step_bytes = 0
        self._sent = 0

    def average(self, gradients: Sequence[Tensor]) -> None:
        """Make each gradient its mean over the processes: one message for those of a type."""
        for dtype in dict.fromkeys(gradient.dtype for gradient in gradients):
            own = [gradient for gradient in gradients if gradient.dtype == dtype]
            message = torch.cat([gradient.reshape(-1) for gradient in own]).div_(this_process().count)
            distributed.all_reduce(message)
            self._sent += message.nbytes
            for gradient, mean in zip(own, message.split([one.numel() for one in own]), strict=True):
                gradient.copy_(mean.view(gradient.shape))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Log ``train/sent_bytes``."""
        self.step_bytes, self._sent = self._sent, 0
        if self.step_bytes and trainer.global_step % reading_interval(module.device) == 0:
            module.log("train/sent_bytes", float(self.step_bytes))


class ManyDevices(DDPStrategy):
    """Training in several processes: after each step all have the same adapters.

    Each process loads the frozen network itself: nothing of it is sent, neither at the start nor in a step.
    Gradients travel when all of them are there, and not while they are computed (DistributedDataParallel): a
    process that runs out of memory computes its own again, and the others wait. They are small.
    """

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self.traffic = traffic

    def configure_ddp(self) -> None:
        """Start from the first process's adapters: some starts (PiSSA) differ from machine to machine."""
        assert self.lightning_module is not None
        for parameter in self.lightning_module.parameters():
            if parameter.requires_grad:
                distributed.broadcast(parameter.data, 0)

    def post_backward(self, closure_loss: Tensor) -> None:
        """The step's gradients are the mean over the processes."""
        assert self.lightning_module is not None
        gradients = (parameter.grad for parameter in self.lightning_module.parameters())
        self.traffic.average([gradient for gradient in gradients if gradient is not None])

    def teardown(self) -> None:
        """As :meth:`OneDevice.teardown`."""
        module, self._lightning_module = self._lightning_module, None
        super().teardown()
        self._lightning_module = self.model = module


@dataclass(frozen=True)
class Fitter:
    """Trains and validates modules on the same images.

    Attributes:
        device: where it is done; networks are there already.
        precision: as Lightning calls it.
        gradient_clip_val: the largest gradient norm; None: any.
        train_loader: the images to learn.
        validation_loader: those to validate on; None: there is no validation.
        strategy: ``auto`` or ``ddp``.
        traffic: what is sent where several processes train.
    """

    device: torch.device
    precision: str
    gradient_clip_val: float | None
    train_loader: ImageLoader
    validation_loader: ImageLoader | None
    strategy: str = "auto"
    traffic: Traffic = field(default_factory=Traffic)

    def trainer(
        self,
        steps: int,
        validations: int = 1,
        logger: Logger | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> lightning.Trainer:
        """A trainer of ``steps`` steps; without a logger it writes no file."""
        here = this_process()
        several = here.count > 1 or self.strategy == "ddp"
        trainer = lightning.Trainer(
            accelerator=self.device.type if self.device.type in AcceleratorRegistry else OtherAccelerator(),
            strategy=ManyDevices(self.traffic) if several else OneDevice(self.device),
            devices=here.local_count,
            num_nodes=here.count // here.local_count,
            use_distributed_sampler=False,  # the loaders share the images themselves
            precision=self.precision,  # type: ignore[arg-type]
            max_steps=steps,
            max_epochs=-1,
            val_check_interval=max(1, steps // validations),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=self.gradient_clip_val,
            log_every_n_steps=reading_interval(self.device),
            logger=logger or False,
            callbacks=[*callbacks, self.traffic] if several else list(callbacks),
            enable_checkpointing=logger is not None,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
        # Before every batch Lightning asks the first process whether a SIGTERM came, and waits for the device
        # to tell; here the first process handles signals itself and ends the others.
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        return trainer

    @phase("steps")
    def fit(self, trainer: lightning.Trainer, module: LoraModule) -> None:
        """Train.

        Raises:
            Stopped: SIGINT or SIGTERM ended it.
            Diverged: the loss or a parameter is no number; some of the step's images are named.
        """
        try:
            trainer.fit(module, self.train_loader, self.validation_loader)
        except Diverged as error:
            images = getattr(self.train_loader.dataset, "images", ())
            names = [str(images[place].path) for place in error.images if place < len(images)]
            raise Diverged(error.what, error.advice, names=listed(names, most=4)) from error

    def objective(self, module: LoraModule) -> float:
        """The module's ``val/objective`` as it is now."""
        trainer = self.trainer(steps=1)
        (figures,) = trainer.validate(module, self.validation_loader, verbose=False)
        return float(figures["val/objective"])


def sent_in_words(step_bytes: int, network: nn.Module) -> str:
    """What each of several processes sent in a step, beside what full fine-tuning would send."""
    whole = sum(parameter.nbytes for parameter in network.parameters())
    return (
        f"{this_process().count} processes: each sent {step_bytes:,} bytes of gradients a step, those of the "
        f"adapters; full fine-tuning would send {whole:,}"
    )


@contextmanager
def folded_batch_norms(
    network: nn.Module, options: TrainerConfig, sample: Tensor, notices: Notices
) -> Iterator[list[str]]:
    """Inside, frozen batch norms are folded where that is wanted; gives the names of those that are.

    What is evaluated before and after training is the network as it will be used: not folded.
    """
    norms = sum(isinstance(module, FrozenBatchNorm) for module in network.modules())
    if not (norms and options.fold_batch_norm):
        yield []
        return
    with folded(network, sample) as names:
        notices.say(f"{len(names)} of {norms} batch norms are computed by the convolution before them")
        yield names


def silence_warnings() -> None:
    """Hide Lightning's advice for other kinds of training."""
    # Some of it would be wrong here: frozen layers belong in eval mode.
    for text in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*module\\(s\\) in eval mode at the start of training.*",
        ".*treespec, LeafSpec.*",
        ".*It is recommended to use `self.log.*sync_dist=True.*",  # every process has all figures
        ".*You defined a `validation_step` but have no `val_dataloader`.*",  # announced in words of our own
    ):
        warnings.filterwarnings("ignore", text)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def check_available(model: ModelConfig, trainer: TrainerConfig, optimizer: str = "adamw") -> None:
    """Check, before anything is loaded, that the network is known and the accelerator can run the optimizer,
    in the precision that is asked for.

    Raises:
        VisionLoraError: one of them is not.
    """
    check_source(model.name, others=("auto", "pocket"))
    device = choose_device(trainer.accelerator)
    require_optimizer(optimizer, device)
    if trainer.precision == "16-mixed" and device.type == "cpu":  # Lightning would take bf16-mixed
        raise VisionLoraError(
            "trainer.precision is 16-mixed, and a CPU trains in no float16; set bf16-mixed, 32-true or auto"
        )
