"""Each family says which of the general settings have no effect on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from visionlora.adapters import FAMILIES
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.adapters.settings import AdapterSettings

CHANGES = {"rank": 4, "alpha": 3.0, "rslora": True, "init_std": 0.5}


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def result(settings: AdapterSettings) -> list[torch.Tensor]:
    """The start of an adapter, and what it does with the same parameters wherever they have the same size."""
    family = FAMILIES[settings.family]
    adapter = family((8, 8, 3, 3), settings, torch.float32, torch.Generator().manual_seed(0))
    start = [parameter.detach().clone() for parameter in adapter.parameters()]
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.copy_(noise(*parameter.shape))
    if isinstance(adapter, ModuleAdapter):
        layer = torch.nn.Conv2d(8, 8, 3, padding=1)
        branch = adapter.branch(noise(1, 8, 8, 8), layer, 1.0)
        return [*start, *([] if branch is None else [branch.detach()])]
    return [*start, adapter.weight(noise(8, 8, 3, 3)).detach()]


@pytest.mark.parametrize("setting", CHANGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_setting_has_an_effect_or_the_family_says_that_it_has_none(family: str, setting: str) -> None:
    options = {"size": 8, "width": 2} if family == "visual_prompt" else {}
    settings = AdapterSettings(family=family, rank=2, options=options)
    plain, changed = result(settings), result(replace(settings, **{setting: CHANGES[setting]}))
    same = all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(plain, changed, strict=True))
    assert same == (setting in FAMILIES[family].unused)
