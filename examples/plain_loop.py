"""A training loop of one's own: attach, train, save, merge. Needs torch, torchvision and visionlora."""

from pathlib import Path

import torch
import torchvision
from torch.nn import functional as F

from visionlora.adapters import LoraConfig, adapter_parameters, attach, load_adapter, merge, save_adapter


def main(folder: Path = Path("my_adapter"), steps: int = 5) -> float:
    """Train on noise; returns how far the merged network is from the adapted one."""
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=4)  # weights="DEFAULT" is ImageNet's
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    attach(network, LoraConfig(rank=4))  # everything else is frozen
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=1e-3)
    images, labels = torch.randn(8, 3, 64, 64), torch.randint(4, (8,))
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    save_adapter(network, folder, base_model="squeezenet1_1")

    # Later, somewhere else: the same network, and the adapter from its folder.
    again = torchvision.models.squeezenet1_1(weights=None, num_classes=4)
    again.load_state_dict(state)
    load_adapter(again, folder).eval()
    merge(again)  # plain layers of torchvision
    with torch.no_grad():
        return float((again(images) - network.eval()(images)).abs().max())


if __name__ == "__main__":
    print(f"merged and adapted differ by {main():.1e}")
