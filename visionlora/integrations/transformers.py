"""The Trainer of transformers, with checkpoints that are adapter directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import Trainer

from visionlora.adapters import load_adapter, save_adapter


class AdapterTrainer(Trainer):
    """A Trainer whose checkpoints have the adapter in PEFT's format in place of the whole model.

    The model holds adapters (:func:`visionlora.adapters.attach`), itself or in a module of its own.
    `resume_from_checkpoint` reads them again.
    """

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_adapter(self.accelerator.unwrap_model(self.model), folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        network = self.accelerator.unwrap_model(self.model if model is None else model)
        load_adapter(network, resume_from_checkpoint)
