"""`lora.targets=auto` means the last layers that together take half of a forward pass."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from visionlora.adapters.network import named_sites
from visionlora.models.upper_layers import upper_layers


class Steps(nn.Sequential):
    """Convolutions that take 1, 1 and 2 times as many multiplications, and a small linear layer."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.Conv2d(8, 3, 3, padding=1, bias=False),
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        )


@pytest.mark.parametrize(
    ("share", "names"), [(0.5, ["5"]), (0.51, ["2", "5"]), (0.9, ["1", "2", "5"]), (1, ["0", "1", "2", "5"])]
)
def test_the_last_layers_within_the_share_are_chosen(share: float, names: list[str]) -> None:
    assert upper_layers(Steps().eval(), 16, share, small=0) == names


def test_a_small_network_is_adapted_whole() -> None:
    taken = 16 * 16 * 27 * (8 + 8 + 16) + 32
    assert upper_layers(Steps().eval(), 16, small=taken) == ["0", "1", "2", "5"]
    assert upper_layers(Steps().eval(), 16, small=taken - 1) == ["5"]


def test_the_last_layer_is_chosen_even_where_it_alone_takes_more() -> None:
    assert upper_layers(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 99, 3)), 16, small=0) == ["1"]


def test_a_transposed_convolution_counts_where_it_multiplies() -> None:
    # 64 positions times 60 weights each; counted at its outputs the second layer would take four times that.
    network = nn.Sequential(
        nn.Conv2d(20, 3, 1), nn.ConvTranspose2d(3, 5, 2, 2), nn.MaxPool2d(2), nn.Conv2d(5, 12, 1)
    )
    first = nn.Sequential(nn.Conv2d(3, 20, 1, bias=False), *network)
    assert upper_layers(first, 8, 0.51, small=0) == ["2", "4"]


def test_an_attention_layer_counts_with_all_of_its_projections() -> None:
    network = torchvision.models.VisionTransformer(
        image_size=16, patch_size=8, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=2
    ).eval()
    chosen = upper_layers(network, 16, small=0)
    assert set(chosen) < set(named_sites(network))
    assert "encoder.layers.encoder_layer_1.self_attention.q_proj" in chosen
    assert "conv_proj" not in chosen


def test_nothing_of_the_network_changes() -> None:
    network = torchvision.models.squeezenet1_1().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    upper_layers(network, 64)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
