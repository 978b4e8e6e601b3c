"""A network of timm: pip install timm."""

import timm
import torch
from torch.nn import functional as F

from visionlora.adapters import LoraConfig, adapter_parameters, attach, merge


def main(steps: int = 3) -> float:
    """Train on noise; returns how far the merged network is from the adapted one."""
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", pretrained=False, num_classes=4)  # pretrained=True has weights
    attach(network, LoraConfig(rank=4, targets=["conv", "classifier"]))
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=1e-3)
    images, labels = torch.randn(4, 3, 64, 64), torch.randint(4, (4,))
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        adapted = network(images)
        return float((merge(network)(images) - adapted).abs().max())


if __name__ == "__main__":
    print(f"merged and adapted differ by {main():.1e}")
