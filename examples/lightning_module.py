"""Lightning: its checkpoints hold the adapter alone (visionlora.integrations.AdapterCheckpoint)."""

from pathlib import Path
from typing import Any

import lightning
import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from visionlora.adapters import LoraConfig, adapter_parameters, attach
from visionlora.integrations.lightning import AdapterCheckpoint


class Classifier(lightning.LightningModule):
    """A network of torchvision with adapters."""

    def __init__(self) -> None:
        super().__init__()
        self.network = torchvision.models.squeezenet1_1(weights=None, num_classes=4)
        attach(self.network, LoraConfig(rank=4))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self.network(images), labels)

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(adapter_parameters(self.network), lr=1e-3)


def main(folder: Path = Path("lightning_example")) -> int:
    """Train on noise; returns the bytes of the checkpoint."""
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(8, 3, 64, 64), torch.randint(4, (8,)))
    options: dict[str, Any] = {
        "default_root_dir": folder, "logger": False, "accelerator": "cpu", "enable_progress_bar": False,
        "enable_model_summary": False, "enable_checkpointing": False,
    }  # fmt: skip
    trainer = lightning.Trainer(max_epochs=1, callbacks=[AdapterCheckpoint()], **options)
    trainer.fit(Classifier(), DataLoader(data, batch_size=4))
    trainer.save_checkpoint(folder / "adapter.ckpt")
    # The frozen weights come from where they always do; the checkpoint brings the adapter and the optimizer.
    trainer = lightning.Trainer(max_epochs=2, callbacks=[AdapterCheckpoint()], **options)
    trainer.fit(Classifier(), DataLoader(data, batch_size=4), ckpt_path=folder / "adapter.ckpt")
    return (folder / "adapter.ckpt").stat().st_size


if __name__ == "__main__":
    print(f"the checkpoint has {main():,} bytes")
