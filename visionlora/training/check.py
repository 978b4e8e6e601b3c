"""What a configuration needs of this machine and of the libraries, checked before anything is loaded."""

from __future__ import annotations

from visionlora.device import choose_device
from visionlora.models.config import ModelConfig
from visionlora.models.registry import check_name
from visionlora.training.config import TrainerConfig


def check_available(model: ModelConfig, trainer: TrainerConfig) -> None:
    """Check that the network's name is known and the accelerator is there.

    Raises:
        VisionLoraError: one of them is not.
    """
    check_name(model.name, others=("auto", "pocket"))
    choose_device(trainer.accelerator)
