"""Adapted layers under DistributedDataParallel: two processes with half of the batch each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from tests.adapters.networks import perturb
from visionlora.adapters import LoraConfig, attach
from visionlora.frozen.freeze import freeze
from visionlora.frozen.quantised import quantise


def adapted(family: str, scheme: str | None) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    if scheme is not None:
        freeze(network, ())
        quantise(network, scheme)
    attach(network, LoraConfig(family=family, rank=2), generator=torch.Generator().manual_seed(1))
    perturb(network, 0.1)
    return network.to(memory_format=torch.channels_last)


def gradients(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    network(images).square().mean().backward()
    return {
        name.removeprefix("module."): parameter.grad
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }


def random_images() -> Tensor:
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    return images.contiguous(memory_format=torch.channels_last)


def take_part(rank: int, folder: str, family: str, scheme: str | None) -> None:
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        shared = DistributedDataParallel(adapted(family, scheme).train())
        torch.save(gradients(shared, random_images()[2 * rank : 2 * rank + 2]), f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("family", "scheme", "count"),
    [("lora", None, 8), pytest.param("oft", "nf4", 4, marks=pytest.mark.slow)],
)
def test_two_processes_find_the_gradients_of_one(
    family: str, scheme: str | None, count: int, tmp_path: Path
) -> None:
    multiprocessing.spawn(take_part, (str(tmp_path), family, scheme), nprocs=2)
    expected = gradients(adapted(family, scheme).train(), random_images())
    assert len(expected) == count
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
