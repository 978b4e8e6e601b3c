"""A network that no library knows: which layers get adapters, of which rank and family."""

import torch
from torch import Tensor, nn

from visionlora.adapters import LoraConfig, adapted_layers, adapter_parameters, adapters_off, attach


class Detector(nn.Module):
    """A small network with depthwise, transposed and dilated convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.depthwise = nn.Conv2d(16, 16, 5, padding=4, dilation=2, groups=16)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = torch.relu(self.depthwise(torch.relu(self.stem(images))))
        return self.head(torch.relu(self.up(features)))


def main(steps: int = 5) -> int:
    """Train on noise; returns the number of trained parameters."""
    torch.manual_seed(0)
    network = Detector()
    config = LoraConfig(
        rank=4,
        targets=["conv"],
        exclude=["stem"],
        rank_pattern={"head": 2},
        family_pattern={"depthwise": "loha"},
    )
    attach(network, config)
    images, target = torch.randn(4, 3, 32, 32), torch.randn(4, 5, 32, 32)
    with torch.no_grad(), adapters_off(network):
        frozen = network(images)
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        (network(images) - target).square().mean().backward()
        optimizer.step()
    with torch.no_grad(), adapters_off(network):
        assert torch.equal(network(images), frozen)  # frozen means frozen
    print("adapters on", ", ".join(adapted_layers(network)))
    return sum(parameter.numel() for parameter in adapter_parameters(network))


if __name__ == "__main__":
    print(f"{main()} parameters were trained")
