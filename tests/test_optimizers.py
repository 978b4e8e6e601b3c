"""Optimizers and schedules by their names."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from visionlora.optimizers.config import OptimizerConfig
from visionlora.optimizers.make import CLASSES, PAGED, make_optimizer, other_arguments, rate_share

NAMES = sorted(CLASSES)


def test_the_configuration_names_the_optimizers_that_can_be_made() -> None:
    (rule,) = (one.metadata for one in OptimizerConfig.__dataclass_fields__.values() if one.name == "name")
    assert sorted(rule["words"]) == sorted([*NAMES, PAGED])


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_makes_a_parabola_smaller(name: str) -> None:
    x = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = make_optimizer(name, [x], 0.1, 0.0, (0.9, 0.999), {})
    before = float((x**2).sum().detach())
    for _ in range(20):
        optimizer.zero_grad()
        (x**2).sum().backward()
        optimizer.step()
    assert float((x**2).sum().detach()) < before


def test_other_arguments_reach_the_optimizer() -> None:
    x = torch.nn.Parameter(torch.zeros(1))
    made = make_optimizer("sgd", [x], 0.5, 0.25, (0.9, 0.999), {"momentum": 0.75, "nesterov": True})
    (group,) = made.param_groups
    assert (group["lr"], group["weight_decay"], group["momentum"], group["nesterov"]) == (
        0.5,
        0.25,
        0.75,
        True,
    )
    assert "momentum" in other_arguments("sgd")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": "sgd"}, "lr is null.*optimizer.name=sgd"),
        ({"name": "sgd", "lr": "auto"}, "lr is auto"),
        ({"name": "sgd", "lr": 0.1, "betas": (0.8, 0.9)}, "betas is .* sgd has none"),
        ({"name": "sgd", "lr": 0.1, "options": {"momentun": 1}}, "options has 'momentun'.*momentum"),
        ({"options": {"lr": 1}}, "options has 'lr'"),
    ],
)
def test_what_does_not_belong_together_is_refused(values: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        OptimizerConfig(**values)


@given(st.sampled_from(["cosine", "linear", "constant"]), st.integers(1, 50), st.integers(1, 500))
def test_the_rate_rises_to_its_peak_and_never_rises_again(schedule: str, warmup: int, more: int) -> None:
    total = warmup + more
    shares = [rate_share(schedule, step, warmup, total) for step in range(total + 1)]
    assert max(shares) == shares[warmup] == 1
    assert all(low <= high for low, high in pairwise(shares[: warmup + 1]))
    assert all(low >= high for low, high in pairwise(shares[warmup:]))
    assert shares[-1] == pytest.approx(1.0 if schedule == "constant" else 0.0)
