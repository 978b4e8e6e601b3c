"""Families that LyCORIS has: the same parameters give the same merged weights there and here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import only, perturb
from visionlora.adapters import LoraConfig, adapted_layers, attach

modules = pytest.importorskip("lycoris.modules", reason="LyCORIS is not installed: pip install lycoris-lora")

Layer = Callable[[], nn.Module]
LAYERS: dict[str, Layer] = {
    "linear": lambda: nn.Linear(12, 8),
    "conv1d": lambda: nn.Conv1d(4, 8, 3),
    "conv2d": lambda: nn.Conv2d(4, 8, 3, padding=1),
    "conv3d": lambda: nn.Conv3d(4, 8, 2),
    "grouped": lambda: nn.Conv2d(8, 8, 3, groups=2),
}
INPUTS = {
    "linear": (2, 12),
    "conv1d": (2, 4, 9),
    "conv2d": (2, 4, 6, 5),
    "conv3d": (2, 4, 4, 4, 4),
    "grouped": (2, 8, 6, 5),
}
UNGROUPED = ("linear", "conv1d", "conv2d", "conv3d")


def lora(theirs: Any, ours: dict[str, Tensor]) -> None:
    theirs.lora_down.weight.copy_(ours["lora_A"])
    theirs.lora_up.weight.copy_(ours["lora_B"])


def same_names(theirs: Any, ours: dict[str, Tensor]) -> None:
    for name, tensor in ours.items():
        getattr(theirs, name).copy_(tensor)


def glora(theirs: Any, ours: dict[str, Tensor]) -> None:
    for name in ("a1", "a2", "b1", "b2"):
        weight = getattr(theirs, name).weight
        weight.copy_(ours[name].reshape(weight.shape))


def rotated_outputs(theirs: Any, ours: dict[str, Tensor]) -> None:
    blocks = theirs.oft_blocks
    rows, columns = torch.triu_indices(blocks.shape[1], blocks.shape[1], 1)
    blocks.zero_()
    blocks[:, rows, columns] = ours["oft_R"]


def butterfly(theirs: Any, ours: dict[str, Tensor]) -> None:
    """LyCORIS interleaves the two halves of a block, turns the other way, and does not halve the difference
    from the transpose."""
    size = ours["boft_R"].shape[-1]
    order = torch.arange(size).view(2, -1).t().flatten()
    theirs.oft_blocks.copy_(ours["boft_R"][..., order, :][..., order] / -2)
    theirs.rescale.copy_(ours["boft_s"].reshape(theirs.rescale.shape))


def scales(theirs: Any, ours: dict[str, Tensor]) -> None:
    theirs.weight.copy_((ours["ia3_l"] - 1).reshape(theirs.weight.shape))


def dynamic(theirs: Any, ours: dict[str, Tensor]) -> None:
    for place, (down, up) in enumerate(zip(theirs.down_list, theirs.up_list, strict=True)):
        down.copy_(ours["lora_A"].flatten(1)[place : place + 1])
        up.copy_(ours["lora_B"].flatten(1)[:, place : place + 1])


CASES: list[tuple[str, dict[str, Any], str, dict[str, Any], Callable, tuple[str, ...]]] = [
    ("lora", {}, "locon.LoConModule", {}, lora, UNGROUPED),
    # LyCORIS multiplies the updates of LoHa and LoKr with alpha / rank twice, so only alpha = rank compares.
    ("loha", {"alpha": 2.0}, "loha.LohaModule", {}, same_names, (*UNGROUPED, "grouped")),
    ("lokr", {"rank": 1, "alpha": 1.0}, "lokr.LokrModule", {}, same_names, (*UNGROUPED, "grouped")),
    (
        "lokr", {"rank": 1, "alpha": 1.0, "options": {"factor": 2, "decompose_both": True}},
        "lokr.LokrModule", {"factor": 2, "decompose_both": True}, same_names, UNGROUPED,
    ),
    ("glora", {}, "glora.GLoRAModule", {}, glora, UNGROUPED),
    (
        "oft", {"rank": 2, "options": {"side": "output"}},
        "diag_oft.DiagOFTModule", {}, rotated_outputs, (*UNGROUPED, "grouped"),
    ),
    (
        "boft", {"rank": 4, "options": {"side": "output", "factors": 2}},
        "boft.ButterflyOFTModule", {"rescaled": True}, butterfly, (*UNGROUPED, "grouped"),
    ),
    ("ia3", {}, "ia3.IA3Module", {}, scales, (*UNGROUPED, "grouped")),
    ("ia3", {"options": {"side": "input"}}, "ia3.IA3Module", {"train_on_input": True}, scales, UNGROUPED),
]  # fmt: skip
EACH = [
    pytest.param(*case[:-1], layer, id=f"{case[0]} {case[1]} {layer}") for case in CASES for layer in case[-1]
]


def theirs_of(path: str, layer: nn.Module, settings: LoraConfig, **fields: Any) -> Any:
    module, name = path.split(".")
    kind = getattr(getattr(__import__(f"lycoris.modules.{module}").modules, module), name)
    return kind("layer", layer, 1.0, lora_dim=settings.rank, alpha=settings.alpha, **fields).eval()


@pytest.mark.parametrize(("family", "fields", "path", "theirs_fields", "copy", "layer"), EACH)
def test_lycoris_merges_the_same_weight_and_computes_the_same_output(
    family: str, fields: dict[str, Any], path: str, theirs_fields: dict[str, Any], copy: Callable, layer: str
) -> None:
    torch.manual_seed(0)
    plain, config = LAYERS[layer](), LoraConfig(family=family, **{"rank": 2, "alpha": 3.0, **fields})
    theirs = theirs_of(path, LAYERS[layer](), config, **theirs_fields)
    theirs.org_module[0].load_state_dict(plain.state_dict())
    model = attach(nn.Sequential(plain), config)
    perturb(model)
    (adapted,) = adapted_layers(model).values()
    with torch.no_grad():
        copy(theirs, {name: value.detach() for name, value in only(adapted).named_parameters()})
        expected = theirs.get_merged_weight(1, adapted.base_weight.shape)[0]
        torch.testing.assert_close(adapted.adapted_weight(), expected, rtol=1e-4, atol=1e-5)
        x = torch.randn(INPUTS[layer])
        torch.testing.assert_close(model.eval()(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_lycoris_cuts_dylora_to_the_same_weight(rank: int) -> None:
    torch.manual_seed(0)
    plain, config = nn.Conv2d(4, 8, 3), LoraConfig(family="dylora", rank=4, alpha=3)
    model = attach(nn.Sequential(plain), config)
    perturb(model)
    theirs = theirs_of("dylora.DyLoraModule", nn.Conv2d(4, 8, 3), config, block_size=1)
    theirs.org_module[0].load_state_dict(
        {"weight": adapted_layers(model)["0"].base_weight, "bias": plain.bias}
    )
    adapter: Any = only(adapted_layers(model)["0"])
    with torch.no_grad():
        dynamic(theirs, dict(adapter.named_parameters()))
        adapter.cut(rank)
        # LyCORIS counts the blocks before the one that is trained.
        expected = theirs.get_merged_weight(rank=rank - 1)[0]
        torch.testing.assert_close(
            adapted_layers(model)["0"].adapted_weight(), expected, rtol=1e-4, atol=1e-5
        )
    assert math.isclose(adapter.scaling, 3 / rank)
