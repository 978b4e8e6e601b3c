"""Heads adapt the last layer to the classes."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.models.conftest import Known
from visionlora.adapters import LoraConfig, attach, merge
from visionlora.errors import VisionLoraError
from visionlora.models import ExtendedHead, apply_head, final_layer, head_parameters, plain_head
from visionlora.models.registry import build_empty

# One of each family: each keeps its last layer in a place of its own.
FAMILIES = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet"),
    *(
        "inception_v3",
        "maxvit_t",
        "mnasnet0_5",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "regnet_y_400mf",
        "resnet18",
    ),
    *("shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_32"),
]


@pytest.fixture(params=["linear", "convolutional"])
def known(request: pytest.FixtureRequest) -> Known:
    return request.getfixturevalue(f"{request.param}_network")


def some_images(known: Known) -> torch.Tensor:
    shape = (3, 3, 8, 8) if isinstance(known.model[0], nn.Conv2d) else (3, 3, 2, 2)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_keep_changes_nothing(known: Known) -> None:
    before = copy.deepcopy(known.model.state_dict())
    head = apply_head(known, "keep", ["Hammerhead", "n1"])
    assert (head.kind, head.targets, head.outputs) == ("keep", (3, 0), known.categories)
    assert head.trained == ()
    assert head_parameters(known.model, head) == []
    after = known.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_keep_names_unknown_classes_with_suggestions(known: Known) -> None:
    with pytest.raises(
        VisionLoraError, match=r"head keep: class 'shark'.*close: great white shark.*1 more: frog"
    ):
        apply_head(known, "keep", ["tabby", "shark", "frog"])


def test_extend_puts_new_outputs_after_the_old_ones(known: Known) -> None:
    images = some_images(known)
    before = known.model(images)
    head = apply_head(known, "extend", ["frog", "tabby", "newt"])
    assert head.kind == "extend"
    assert head.outputs == (*known.categories, "frog", "newt")
    assert head.targets == (4, 1, 5)
    after = known.model(images)
    assert after.shape == (3, 6)
    assert torch.equal(after[:, :4], before)


def test_new_classes_do_not_win_before_they_have_learned(linear_network: Known) -> None:
    images = some_images(linear_network)
    before = linear_network.model(images)
    apply_head(linear_network, "extend", ["frog", "newt"])
    after = linear_network.model(images)
    torch.testing.assert_close(after[:, 4:], before.mean(1, keepdim=True).expand(-1, 2))
    assert torch.equal(after.argmax(1), before.argmax(1))


@pytest.mark.parametrize("kind", ["extend", "new"])
def test_every_new_row_learns_from_the_first_step(known: Known, kind: str) -> None:
    head = apply_head(known, kind, ["frog", "newt"])
    labels = torch.tensor([head.targets[0], head.targets[1], head.targets[0]])
    F.cross_entropy(known.model(some_images(known)), labels).backward()
    for parameter in head_parameters(known.model, head):
        assert parameter.grad is not None
        assert (parameter.grad.flatten(1) if parameter.dim() > 1 else parameter.grad[:, None]).any(1).all()


def test_extend_with_known_classes_only_is_keep(known: Known) -> None:
    head = apply_head(known, "extend", ["tabby"])
    assert (head.kind, head.targets) == ("keep", (1,))
    assert not any(isinstance(module, ExtendedHead) for module in known.model.modules())


def test_new_has_only_the_folders_classes_all_equally_probable(known: Known) -> None:
    layer = final_layer(known.model, 4)
    kind = type(known.model.get_submodule(layer))
    head = apply_head(known, "new", ["frog", "tabby", "newt"])
    assert (head.outputs, head.targets) == (("frog", "tabby", "newt"), (0, 1, 2))
    assert head.trained == (layer,)
    assert type(known.model.get_submodule(layer)) is kind
    torch.testing.assert_close(known.model(some_images(known)).softmax(1), torch.full((3, 3), 1 / 3))
    assert {id(p) for p in head_parameters(known.model, head)} == {
        id(p) for p in known.model.get_submodule(layer).parameters()
    }


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["tabby", "goldfish"], "keep"),
        (["tabby", "frog"], "new"),
        (["newt", "frog"], "new"),
        (["frog"], "extend"),
    ],
)
def test_auto_keeps_the_head_if_every_class_is_known(known: Known, names: list[str], kind: str) -> None:
    assert apply_head(known, "auto", names).kind == kind


def test_the_resolved_kind_makes_the_same_head_again(known: Known) -> None:
    again = Known(copy.deepcopy(known.model), known.categories, known.wnids)
    head = apply_head(known, "auto", ["frog"])
    assert apply_head(again, head.kind, ["frog"]) == head
    again.model.load_state_dict(known.model.state_dict())


@pytest.mark.parametrize(
    ("kind", "names", "reason"),
    [
        ("kep", ["tabby"], "use one of auto, keep, extend, new"),
        ("keep", [], "no classes"),
        ("new", ["frog"], "single class 'frog' cannot separate anything"),
        ("keep", ["tabby", "n2"], "'tabby' and 'n2' both match the network's class 'tabby'"),
        ("extend", ["tabby", "TABBY", "frog"], "both match"),
    ],
)
def test_an_invalid_head_is_refused(known: Known, kind: str, names: list[str], reason: str) -> None:
    with pytest.raises(VisionLoraError, match=reason):
        apply_head(known, kind, names)


@pytest.mark.parametrize("kind", ["keep", "extend", "auto"])
def test_an_ambiguous_name_is_an_error_and_not_a_new_class(known: Known, kind: str) -> None:
    twice = Known(known.model, ("crane", "tabby", "crane", "frog"), known.wnids)
    with pytest.raises(VisionLoraError, match=r"n1 \(crane\), n3 \(crane\)"):
        apply_head(twice, kind, ["crane"])


def test_an_extended_head_survives_adapting_merging_and_saving(known: Known) -> None:
    head = apply_head(known, "extend", ["frog", "newt"])
    exclude = [name.replace(".", r"\.") for name in head.trained]
    attach(known.model, LoraConfig(rank=2, exclude=exclude), generator=torch.Generator().manual_seed(0))
    names = dict(known.model.named_parameters())
    assert f"{head.layer}.old.adapters.default.lora_A" in names
    assert f"{head.layer}.new.adapters.default.lora_A" not in names
    with torch.no_grad():
        for parameter in known.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.1)
    known.model.eval()
    adapted = known.model(some_images(known))

    copied = copy.deepcopy(known.model)
    copied.load_state_dict(known.model.state_dict())
    assert torch.equal(copied(some_images(known)), adapted)

    plain = plain_head(merge(known.model))
    assert type(plain.get_submodule(head.layer)) in (nn.Linear, nn.Conv2d)
    assert final_layer(plain, 6) == head.layer
    torch.testing.assert_close(plain(some_images(known)), adapted, atol=1e-5, rtol=1e-5)
    assert not any("lora" in key or ".new." in key for key in plain.state_dict())


@settings(max_examples=30, deadline=None)
@given(old=st.integers(1, 6), new=st.integers(1, 4), bias=st.booleans(), seed=st.integers(0, 99))
def test_one_plain_layer_computes_the_same_as_the_two_parts(
    old: int, new: int, bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    for first, second, features in (
        (nn.Linear(5, old, bias), nn.Linear(5, new, bias), torch.randn(2, 5)),
        (nn.Conv2d(5, old, 1, bias=bias), nn.Conv2d(5, new, 1, bias=bias), torch.randn(2, 5, 3, 4)),
    ):
        extended = ExtendedHead(first, second)
        torch.testing.assert_close(extended.plain()(features), extended(features))


def test_a_plain_network_stays_as_it_is(known: Known) -> None:
    modules = list(known.model.modules())
    assert list(plain_head(known.model).modules()) == modules


@pytest.mark.parametrize("kind", ["extend", "new"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_head_fits_every_architecture(name: str, kind: str) -> None:
    known = Known(build_empty(name, 4).to_empty(device="cpu"), ("a", "b", "c", "d"), ("",) * 4)
    head = apply_head(known, kind, ["frog", "newt"])
    layer = known.model.get_submodule(head.layer)
    assert isinstance(layer, ExtendedHead) == (kind == "extend")
    assert [len(parameter) for parameter in head_parameters(known.model, head)] in ([2], [2, 2])
