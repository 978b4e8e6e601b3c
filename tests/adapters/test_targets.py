from __future__ import annotations

import pytest
import torchvision
from torch import nn

from tests.adapters.networks import small_network
from visionlora.adapters import LoraConfig, LoraError, adapted_layers, attach


def names(model: nn.Module, **config) -> list[str]:
    return list(adapted_layers(attach(model, LoraConfig(rank=1, **config))))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("all", ["0", "3", "4", "7"]),
        ("conv", ["0", "3", "4"]),
        ("linear", ["7"]),
        ("classifier", ["7"]),
        ("last:2", ["4", "7"]),
        ("last:99", ["0", "3", "4", "7"]),
        ("[34]", ["3", "4"]),
        (["linear", "0"], ["0", "7"]),
    ],
)
def test_targets_choose_layers(targets, expected):
    assert names(small_network(), targets=targets) == expected


def test_excluded_layers_are_left_alone():
    assert names(small_network(), exclude=["classifier", "3"]) == ["0", "4"]


def test_the_classifier_is_the_last_child_that_holds_weights():
    assert names(torchvision.models.vgg11(), targets="classifier") == [
        "classifier.0",
        "classifier.3",
        "classifier.6",
    ]
    assert names(torchvision.models.resnet18(), targets="classifier") == ["fc"]
    assert names(torchvision.models.squeezenet1_1(), targets="classifier") == ["classifier.1"]


def test_a_pattern_matches_the_end_of_a_name():
    chosen = names(torchvision.models.resnet18(), targets=r"layer4\..*conv\d")
    assert chosen == ["layer4.0.conv1", "layer4.0.conv2", "layer4.1.conv1", "layer4.1.conv2"]
    assert names(torchvision.models.resnet18(), targets="^conv1") == ["conv1"]


@pytest.mark.parametrize("key", ["targets", "exclude"])
def test_a_selector_that_matches_nothing_names_close_ones(key):
    with pytest.raises(LoraError, match=r"layer4.0.cnov1.*layer4.0.conv1") as caught:
        attach(torchvision.models.resnet18(), LoraConfig(**{key: ["all", "layer4.0.cnov1"]}))
    assert "\n" not in str(caught.value)


def test_a_misspelt_keyword_is_recognised():
    with pytest.raises(LoraError, match="classifier"):
        attach(small_network(), LoraConfig(targets="clasifier"))


def test_a_pattern_for_ranks_that_matches_nothing_is_an_error():
    with pytest.raises(LoraError, match=r"rank_pattern 'conv9'"):
        attach(torchvision.models.resnet18(), LoraConfig(rank_pattern={"conv9": 2}))


def test_last_needs_a_number():
    with pytest.raises(LoraError, match="last:3"):
        attach(small_network(), LoraConfig(targets="last:none"))


def test_excluding_everything_is_an_error():
    with pytest.raises(LoraError, match="exclude less"):
        attach(small_network(), LoraConfig(exclude="all"))


def test_a_network_without_weights_is_an_error():
    with pytest.raises(LoraError, match="no convolution"):
        attach(nn.Sequential(nn.ReLU()))
