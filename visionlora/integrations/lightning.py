"""Lightning's checkpoints with the adapter alone."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from visionlora.adapters import adapter_state


class AdapterCheckpoint(Callback):
    """Keeps of a module's weights in a checkpoint only what is trained, and what its adapters know beside it.

    A checkpoint of a frozen network with an adapter is then as small as the adapter and the optimizer. The
    module has to build the frozen network itself, with the same weights, and attach the same adapters. It may
    be in the callbacks of `Trainer` beside `ModelCheckpoint`.
    """

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave the frozen weights out."""
        trained = {name for name, one in module.named_parameters() if one.requires_grad}
        kept = trained | set(adapter_state(module))
        weights = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: one for name, one in weights.items() if name in kept}

    def setup(self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str) -> None:
        """Let the module load a checkpoint in which the frozen weights are missing."""
        module.strict_loading = False
