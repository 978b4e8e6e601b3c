from __future__ import annotations

import re
from collections import OrderedDict

import pytest
import torch
import torchvision
from torch import nn

from tests.adapters.networks import small_network
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapted_layers,
    adapters_off,
    attach,
    detach,
    load_adapter,
    merged,
    named_adapters,
    save_adapter,
)


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


@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: nn.Sequential(OrderedDict(net=net))])
@pytest.mark.parametrize("wraps", [1, 2])
def test_a_wrapped_network_has_the_classifier_that_it_had(wrap, wraps):
    network = torchvision.models.resnet18()
    for _ in range(wraps):
        network = wrap(network)
    assert [name.split(".")[-1] for name in names(network, targets="classifier")] == ["fc"]


@pytest.mark.parametrize("pattern", ["(?i)CONV1", "(?x) conv 1", "conv1|fc"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pattern_with_flags_or_alternatives_selects_the_same_wrapped_or_not(pattern, wrapped):
    network = torchvision.models.resnet18()
    expected = names(torchvision.models.resnet18(), targets=pattern)
    assert "conv1" in expected and "layer1.0.conv1" in expected
    found = names(nn.Sequential(OrderedDict(net=network)) if wrapped else network, targets=pattern)
    assert [name.removeprefix("net.") for name in found] == expected


@pytest.mark.parametrize("targets", ["classifier", "last:1", "7"])
def test_only_layers_that_are_trained_whole_may_be_all_that_is_targeted(targets):
    network = attach(small_network(), LoraConfig(targets=targets), trained_whole=["7"])
    assert not adapted_layers(network)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with merged(network), adapters_off(network):
        pass
    assert type(detach(network)[1]) is nn.BatchNorm2d


def test_attention_projections_are_layers_of_their_own():
    network = torchvision.models.vit_b_16()
    block = "encoder.layers.encoder_layer_0.self_attention"
    chosen = names(network, targets=rf"{block}\..*")
    assert chosen == [block, f"{block}.out_proj"]
    parts = named_adapters(network)
    assert list(parts) == [f"{block}.{part}" for part in ("q_proj", "k_proj", "v_proj", "out_proj")]
    network = torchvision.models.vit_b_16()
    attach(network, LoraConfig(rank=1, targets=r".*\.[qv]_proj"))
    assert len(named_adapters(network)) == 24


@pytest.mark.parametrize("key", ["targets", "exclude"])
def test_a_selector_that_matches_nothing_names_close_ones(key):
    with pytest.raises(LoraError, match=r"layer4.0.cnov1.*layer4.0.conv1") as caught:
        attach(torchvision.models.resnet18(), LoraConfig(**{key: ["all", "layer4.0.cnov1"]}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("targets", "advice"),
    [
        ("conv,classifier", r"'conv,classifier' matches no layer; several are a list: \[conv,"),
        ("clasifier", "classifier"),
        ("last:none", "last:3"),
        ("layer1.*.cnov1", r"close names: layer1\.\d\.conv1"),
        ("layer1.0.conv*", r"it is a regular expression, so write 'layer1\.0\.conv\.\*'"),
        ("layer?.0.conv1", r"it is a regular expression, so write 'layer\.\.0\.conv1'"),
        ("*.0.conv1", r"nothing to repeat at position 0\): write '\.\*\.0\.conv1'"),
    ],
)
def test_targets_that_match_nothing_are_refused_with_what_may_be_meant(targets: str, advice: str):
    with pytest.raises(LoraError, match=advice):
        attach(torchvision.models.resnet18(), LoraConfig(targets=targets))


def test_the_regular_expression_that_a_refusal_names_matches():
    network = torchvision.models.resnet18()
    with pytest.raises(LoraError) as refused:
        attach(network, LoraConfig(rank_pattern={"layer1*": 2}))
    (expression,) = re.findall(r"write '(.+)'", str(refused.value))
    attach(network, LoraConfig(rank_pattern={expression: 2}))
    ranks = {name: adapter.settings.rank for name, adapter in named_adapters(network).items()}
    assert all((rank == 2) == name.startswith("layer1.") for name, rank in ranks.items())


def test_a_pattern_for_ranks_that_matches_nothing_is_an_error():
    with pytest.raises(LoraError, match=r"rank_pattern 'conv9'"):
        attach(torchvision.models.resnet18(), LoraConfig(rank_pattern={"conv9": 2}))


def test_excluding_everything_is_an_error():
    with pytest.raises(LoraError, match="exclude less"):
        attach(small_network(), LoraConfig(exclude="all"))


def test_a_network_without_weights_is_an_error():
    with pytest.raises(LoraError, match="no layer to adapt"):
        attach(nn.Sequential(nn.ReLU()))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_torchscript_is_called_by_its_name(tmp_path):
    network = torch.jit.trace(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 2, 2))
    for use in (attach, lambda one: save_adapter(one, tmp_path), lambda one: load_adapter(one, tmp_path)):
        with pytest.raises(LoraError, match="is TorchScript, which cannot be adapted"):
            use(network)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_a_part_in_torchscript_is_frozen_or_refused():
    network = nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 1)), nn.Conv2d(4, 2, 1))
    assert list(adapted_layers(attach(network))) == ["1"]
    assert not network[0].weight.requires_grad
    network(torch.zeros(1, 3, 2, 2)).sum().backward()
    network = nn.Sequential(nn.Conv2d(3, 4, 1), torch.jit.script(nn.BatchNorm2d(4)))
    with pytest.raises(LoraError, match=r"1 is TorchScript with buffers, .*can't be frozen"):
        attach(network)
    assert network[0].weight.requires_grad  # nothing was changed
