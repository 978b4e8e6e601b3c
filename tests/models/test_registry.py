"""Every classification network of torchvision can be built."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visionlora.errors import VisionLoraError
from visionlora.models import final_layer, list_backbones, load_backbone
from visionlora.models.classes import imagenet_wnids
from visionlora.models.download import _expected_hash
from visionlora.models.known import known_outputs
from visionlora.models.registry import build, build_empty, check_name, default_weights, imagenet_categories


def test_all_architectures_are_listed() -> None:
    assert len(list_backbones()) >= 80
    assert {"alexnet", "vgg19", "squeezenet1_1", "inception_v3", "vit_b_16", "swin_v2_t"} <= set(
        list_backbones()
    )


@pytest.mark.parametrize("name", list_backbones())
def test_a_network_is_built_without_memory_and_its_final_layer_is_found(name: str) -> None:
    model = build_empty(name, 7)
    assert not model.training
    layer = model.get_submodule(final_layer(model, 7))
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    assert layer.weight.shape[0] == 7
    assert layer.weight.is_meta
    with pytest.raises(VisionLoraError, match="8 outputs"):
        final_layer(model, 8)


@pytest.mark.parametrize("name", list_backbones())
def test_a_networks_metadata_is_complete(name: str) -> None:
    assert len(imagenet_categories(name)) == 1000
    assert all(imagenet_categories(name))
    url = default_weights(name).url
    assert url.startswith("https://")
    assert _expected_hash(url) is not None


def test_random_weights_depend_on_the_seed_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = (build("squeezenet1_1", 5, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_are_off_and_images_are_converted(name: str) -> None:
    model = build_empty(name)
    assert model.transform_input
    assert not any("aux" in key.lower() for key in model.state_dict())


def test_an_unknown_name_gets_suggestions() -> None:
    with pytest.raises(VisionLoraError, match=r"'vgg20'.*did you mean model=vgg19"):
        check_name("vgg20")
    with pytest.raises(VisionLoraError, match="did you mean model=pocket"):
        check_name("poket", others=("pocket",))


def test_a_network_without_layers_has_no_final_layer() -> None:
    with pytest.raises(VisionLoraError, match="no such layer"):
        final_layer(nn.Sequential(nn.ReLU()), 3)


def test_the_shipped_names_of_outputs_are_those_of_torchvision() -> None:
    assert known_outputs("auto", "imagenet") == (imagenet_categories("vgg19"), imagenet_wnids())
    pocket = load_backbone("pocket", progress=False)
    assert known_outputs("pocket", "imagenet") == (pocket.categories, pocket.wnids)
    assert known_outputs("resnet18", "imagenet") is known_outputs("auto", "x.safetensors") is None
