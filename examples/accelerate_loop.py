"""Hugging Face accelerate: the loop stays, the adapter is saved from the unwrapped network."""

from pathlib import Path

import torch
import torchvision
from accelerate import Accelerator
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from visionlora.adapters import LoraConfig, adapter_parameters, attach, save_adapter


def main(folder: Path = Path("my_adapter")) -> Path:
    """Train on noise; returns the adapter's file."""
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=not torch.accelerator.is_available())
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=4)
    attach(network, LoraConfig(rank=4))
    data = TensorDataset(torch.randn(8, 3, 64, 64), torch.randint(4, (8,)))
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=1e-3)
    network, optimizer, loader = accelerator.prepare(network, optimizer, DataLoader(data, batch_size=4))
    for images, labels in loader:
        optimizer.zero_grad()
        accelerator.backward(F.cross_entropy(network(images), labels))
        optimizer.step()
    if accelerator.is_main_process:
        save_adapter(accelerator.unwrap_model(network), folder, base_model="squeezenet1_1")
    return folder / "adapter_model.safetensors"


if __name__ == "__main__":
    print(f"the adapter is in {main()}")
