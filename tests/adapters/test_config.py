from __future__ import annotations

import copy
import math
import pickle

import pytest

from visionlora.adapters import LoraConfig, LoraError
from visionlora.adapters.base import AdapterSettings, scaling_of


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"rank": 0}, "rank"),
        ({"rank": 1.5}, "rank"),
        ({"rank": True}, "rank"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": math.nan}, "alpha"),
        ({"alpha": "8"}, "alpha"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"init_std": 0.0}, "init_std"),
        ({"targets": []}, "targets"),
        ({"targets": 3}, "targets"),
        ({"targets": ["conv", 3]}, "targets"),
        ({"exclude": "("}, "exclude"),
        ({"rank_pattern": {"fc": 0}}, "rank_pattern"),
        ({"rank_pattern": {"(": 2}}, "rank_pattern"),
        ({"rank_pattern": ["fc"]}, "rank_pattern"),
        ({"alpha_pattern": {"fc": -1}}, "alpha_pattern"),
        ({"rslora": "yes"}, "rslora"),
    ],
)
def test_a_value_out_of_range_is_named_in_one_line(wrong, key):
    with pytest.raises(LoraError, match=key) as caught:
        LoraConfig(**wrong)
    assert "\n" not in str(caught.value)


def test_a_config_is_frozen_and_survives_copies():
    config = LoraConfig(rank=4, targets=["conv", "fc"], rank_pattern={"fc": 2}, rslora=True)
    with pytest.raises(AttributeError):
        config.rank = 2
    with pytest.raises(TypeError):
        config.rank_pattern["fc"] = 3
    assert pickle.loads(pickle.dumps(config)) == config == copy.deepcopy(config)


def test_patterns_match_a_whole_name_or_its_end_after_a_dot():
    config = LoraConfig(rank_pattern={r"layer\d\.0\.conv1": 2, "conv1": 3}, alpha_pattern={"fc": 5})
    assert config.settings_of("layer1.0.conv1").rank == 2
    assert config.settings_of("layer1.1.conv1").rank == 3
    assert config.settings_of("conv1").rank == 3
    assert config.settings_of("conv12").rank == 8
    assert config.settings_of("head.fc").alpha == 5
    assert config.settings_of("headfc").alpha == 8


def test_scaling_is_alpha_over_rank_or_over_its_root():
    assert scaling_of(AdapterSettings(rank=4, alpha=8)) == 2
    assert scaling_of(AdapterSettings(rank=4, alpha=8, rslora=True)) == 4
    assert scaling_of(AdapterSettings(rank=4, alpha=8), strength=0.5) == 1
