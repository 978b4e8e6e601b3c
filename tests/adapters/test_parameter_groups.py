from __future__ import annotations

import pytest
import torch

from tests.adapters.networks import WEIGHT_FAMILIES, small_network
from visionlora.adapters import LoraConfig, LoraError, adapter_parameters, attach
from visionlora.adapters.parameter_groups import adapter_parameter_groups


def test_b_learns_faster_than_a() -> None:
    network = attach(small_network(), LoraConfig(rank=2))
    A, B = adapter_parameter_groups(network, 1e-3, 8)
    assert (A["name"], A["lr"], B["name"], B["lr"]) == ("A", 1e-3, "B", 8e-3)
    assert [parameter.shape[0] for parameter in A["params"]] == [2, 2, 2, 2]
    assert [parameter.shape[0] for parameter in B["params"]] == [8, 8, 12, 5]
    torch.optim.AdamW([A, B])


@pytest.mark.parametrize("family", WEIGHT_FAMILIES)
def test_every_parameter_is_in_one_group(family: str) -> None:
    network = attach(small_network(), LoraConfig(family=family, rank=2))
    grouped = [id(one) for group in adapter_parameter_groups(network, 1e-3) for one in group["params"]]
    assert sorted(grouped) == sorted(id(one) for one in adapter_parameters(network))


@pytest.mark.parametrize(
    ("lr", "ratio", "complaint"), [(0, 16, "lr is 0"), (1, float("nan"), "ratio is nan")]
)
def test_wrong_rates_are_refused(lr: float, ratio: float, complaint: str) -> None:
    with pytest.raises(LoraError, match=complaint):
        adapter_parameter_groups(attach(small_network(), LoraConfig()), lr, ratio)
