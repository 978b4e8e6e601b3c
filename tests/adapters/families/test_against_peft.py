"""Families that PEFT has: the same file gives the same outputs and the same merged weights there and here."""

from __future__ import annotations

import copy
import json
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import perturb
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    attach,
    load_adapter,
    merge,
    save_adapter,
    save_peft,
    scale,
)
from visionlora.adapters.io.peft_config import peft_refusal, read_adapter_config

Build = Callable[[], nn.Module]


class Doubled(nn.Linear):
    """A layer with a forward pass of its own."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(2 * input)


class DoubledConv(nn.Conv2d):
    """The same."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(2 * input)


LAYERS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(12, 8), (2, 12)),
    "conv2d": (lambda: nn.Conv2d(4, 8, 3, padding=1), (2, 4, 6, 5)),
    "strided": (lambda: nn.Conv2d(4, 8, 3, stride=2), (2, 4, 6, 5)),
    "pointwise": (lambda: nn.Conv2d(4, 8, 1), (2, 4, 6, 5)),
    "dilated": (lambda: nn.Conv2d(4, 8, 3, dilation=2), (2, 4, 7, 6)),
    "grouped": (lambda: nn.Conv2d(4, 8, 3, groups=2), (2, 4, 6, 5)),
    "reflected": (lambda: nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"), (2, 4, 6, 5)),
    "conv1d": (lambda: nn.Conv1d(4, 8, 3), (2, 4, 9)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 2), (2, 2, 4, 4, 4)),
    "linear, no bias": (lambda: nn.Linear(12, 8, bias=False), (2, 12)),
    "conv2d, no bias": (lambda: nn.Conv2d(4, 8, 3, bias=False), (2, 4, 6, 5)),
    "conv3d, no bias": (lambda: nn.Conv3d(2, 4, 2, bias=False), (2, 2, 4, 4, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 8, 3), (2, 4, 6, 5)),
    "embedding": (lambda: nn.Embedding(9, 8), (2, 4)),
    "padded embedding": (lambda: nn.Embedding(9, 8, padding_idx=0), (2, 4)),
    "limited embedding": (lambda: nn.Embedding(9, 8, max_norm=1.0), (2, 4)),
    "own forward": (lambda: Doubled(12, 8), (2, 12)),
    "grouped, own forward": (lambda: DoubledConv(4, 8, 3, groups=2), (2, 4, 6, 5)),
    "attention": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 4, 8)),
}
CASES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("lora", {}, ("linear", "conv2d", "strided", "pointwise", "conv1d", "conv3d")),
    ("lora", {"rslora": True, "rank": 3}, ("linear", "conv2d")),
    ("lora", {"init": "pissa"}, ("linear", "conv2d", "conv1d", "conv3d")),
    ("lora", {"init": "pissa", "rslora": True}, ("linear",)),
    ("dora", {}, ("linear", "conv2d", "strided", "pointwise", "conv1d", "conv3d")),
    ("dora", {"init": "pissa"}, ("linear", "conv2d")),
    ("lokr", {"rank": 1}, ("linear", "conv2d", "strided", "pointwise", "conv1d")),
    ("lokr", {"rank": 5}, ("linear", "conv2d", "dilated", "grouped")),
    ("lokr", {"rank": 1, "options": {"factor": 4, "decompose_both": True}}, ("linear", "conv2d")),
    ("oft", {"rank": 4}, ("linear", "pointwise")),
    ("oft", {"rank": 4, "options": {"neumann_terms": 3}}, ("linear",)),
    ("oft", {"rank": 4, "options": {"neumann_terms": 5}}, ("linear",)),
    ("oft", {"options": {"blocks": 3}}, ("linear",)),
    ("boft", {"rank": 4, "options": {"factors": 1}}, ("linear", "conv2d", "strided", "pointwise")),
    ("ia3", {}, ("linear, no bias", "conv2d, no bias", "conv3d, no bias")),
    ("ia3", {"options": {"side": "input"}}, ("linear", "conv2d", "strided", "conv3d")),
    ("adalora", {"rank": 3}, ("linear", "conv2d", "strided", "pointwise")),
    ("dylora", {"rank": 3}, ("linear", "conv2d")),
    ("loha", {}, ("linear", "conv2d", "strided", "pointwise", "dilated", "grouped", "conv1d")),
    # PEFT has no rsLoRA for these: the scaling is in the file's alpha.
    ("lora", {}, ("embedding", "padded embedding")),
    ("dora", {}, ("embedding",)),
    ("dylora", {}, ("embedding",)),
    ("loha", {"rslora": True, "rank": 3}, ("conv2d",)),
    ("lokr", {"rslora": True, "rank": 3}, ("linear",)),
]
EACH = [
    pytest.param(family, fields, layer, id=f"{family} {fields} {layer}")
    for family, fields, layers in CASES
    for layer in layers
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """PEFT warns about keys, shapes and missing compilers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def build(layer: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    make, shape = LAYERS[layer]
    numbers = torch.randn(shape)
    return nn.Sequential(make()).eval(), numbers.abs().mul(4).long() if "embedding" in layer else numbers


def in_peft(plain: nn.Module, directory: Path) -> Any:
    """The network as PEFT adapts it with what was saved here."""
    return peft.PeftModel.from_pretrained(copy.deepcopy(plain), directory).eval()


@pytest.mark.parametrize(("family", "fields", "layer"), EACH)
def test_peft_computes_the_same_with_our_file(
    family: str, fields: dict[str, Any], layer: str, tmp_path: Path
) -> None:
    plain, x = build(layer)
    model = attach(copy.deepcopy(plain), LoraConfig(family=family, **{"rank": 2, "alpha": 3.0, **fields}))
    perturb(model)
    directory = save_adapter(model, tmp_path / "adapter")
    assert peft_refusal(read_adapter_config(directory)) is None
    theirs = in_peft(plain, directory)
    with torch.no_grad():
        torch.testing.assert_close(theirs(x), model(x), rtol=1e-4, atol=1e-5)
        merged = theirs.merge_and_unload()
        torch.testing.assert_close(merged[0].weight, merge(model)[0].weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "options", "layer"),
    [
        ("oft", {}, "conv2d"),
        ("ia3", {}, "linear"),
        ("lokr", {"factor": 4}, "conv1d"),
        ("loha", {}, "reflected"),
        ("lora", {}, "reflected"),
        ("dora", {}, "dilated"),
        ("dora", {}, "padded embedding"),
        ("lora", {}, "limited embedding"),
        ("lora", {}, "own forward"),
        ("lokr", {}, "own forward"),
        ("lora", {}, "attention"),
        ("vera", {}, "linear"),
        ("oft", {}, "embedding"),
    ],
)
def test_peft_refuses_a_file_with_which_it_would_compute_something_else(
    family: str, options: dict[str, Any], layer: str, tmp_path: Path
) -> None:
    plain, _ = build(layer)
    directory = save_adapter(perturbed(plain, family, options=options), tmp_path / "adapter")
    assert "PEFT" in (peft_refusal(read_adapter_config(directory)) or "")
    with pytest.raises(Exception, match=f"VISIONLORA_{family.upper()}"):
        in_peft(plain, directory)


@pytest.mark.parametrize(
    ("family", "fields", "said"),
    [
        ("adalora", {"alpha_pattern": {"one": 3.0}}, "PEFT has one alpha for all layers of adalora"),
        ("adalora", {"rank_pattern": {"one": 3}}, "PEFT has one rank for all layers of adalora"),
        ("oft", {"rank_pattern": {"one": 4}}, "PEFT has one rank for all layers of oft"),
        ("oft", {"rank": 1}, "PEFT's OFT has blocks of one input here, which turn nothing"),
    ],
)
def test_what_peft_has_no_place_for_by_layer_is_refused_and_converted_alike(
    family: str, fields: dict[str, Any], said: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(OrderedDict(one=nn.Linear(12, 8), two=nn.Linear(8, 8)))
    x = torch.randn(2, 12)
    model = perturbed(plain, family, **fields)
    config = read_adapter_config(save_adapter(model, tmp_path / "adapter"))
    assert peft_refusal(config) == said
    if fields.get("rank") == 1:  # no layer has a form there
        return
    converted = save_peft(model, tmp_path / "converted").directory
    assert peft_refusal(read_adapter_config(converted)) is None
    torch.testing.assert_close(in_peft(plain, converted)(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["oft", "boft"])
def test_a_grouped_convolution_beside_others_is_saved_with_its_merged_weight(
    family: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential()
    plain.add_module("dense", nn.Conv2d(4, 4, 1))
    plain.add_module("grouped", nn.Conv2d(4, 4, 1, groups=2))
    model = attach(copy.deepcopy(plain), LoraConfig(family=family, rank=2, options=_one_factor(family)))
    perturb(model)
    assert save_peft(model, tmp_path).merged == ["grouped"]
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(in_peft(plain, tmp_path)(x), model(x), rtol=1e-4, atol=1e-5)


def _one_factor(family: str) -> dict[str, Any]:
    return {"factors": 1} if family == "boft" else {}


@pytest.mark.parametrize("family", ["lora", "loha"])
@pytest.mark.parametrize("layer", ["own forward", "attention", "reflected", "padded embedding", "transposed"])
def test_what_is_converted_for_peft_is_computed_alike(family: str, layer: str, tmp_path: Path) -> None:
    plain, x = build(layer)
    plain.append(nn.Linear(plain(x).shape[-1], 3)).eval()
    model = attach(copy.deepcopy(plain), LoraConfig(family=family, rank=2)).eval()
    perturb(model)
    directory = save_peft(model, tmp_path / "adapter").directory
    with torch.no_grad():
        torch.testing.assert_close(in_peft(plain, directory)(x), model(x), rtol=1e-4, atol=1e-5)


def test_a_layer_that_stands_in_two_places_is_not_for_peft(tmp_path: Path) -> None:
    def shared() -> nn.Module:
        torch.manual_seed(0)
        layer = nn.Linear(4, 4)
        return nn.Sequential(layer, nn.ReLU(), layer)

    model = attach(shared(), LoraConfig(rank=2))
    perturb(model)
    directory = save_adapter(model, tmp_path / "adapter")
    with pytest.raises(Exception, match="VISIONLORA_LORA"):
        in_peft(shared(), directory)
    x = torch.randn(2, 4)
    torch.testing.assert_close(load_adapter(shared(), directory)(x), model(x))
    with pytest.raises(LoraError, match="0 stands in several places, of which PEFT would adapt one"):
        save_peft(model, tmp_path / "converted")
    peft.get_peft_model(shared(), peft.LoraConfig(target_modules=["0"])).save_pretrained(str(tmp_path / "b"))
    with pytest.raises(LoraError, match="0: PEFT adapts 0 in one of the places where it stands"):
        load_adapter(shared(), tmp_path / "b")


def test_a_padding_that_peft_changed_is_refused(tmp_path: Path) -> None:
    plain, _ = build("padded embedding")
    theirs = peft.get_peft_model(copy.deepcopy(plain), peft.LoraConfig(target_modules=["0"]))
    with torch.no_grad():
        theirs.base_model.model[0].lora_embedding_A["default"].fill_(1)
    theirs.save_pretrained(str(tmp_path))
    with pytest.raises(LoraError, match="0: it changes the embedding's padding"):
        load_adapter(plain, tmp_path)


def test_pefts_merged_rotation_of_a_kernel_is_ours_and_not_its_own_output(tmp_path: Path) -> None:
    plain, x = build("strided")
    model = perturbed(plain, "oft")
    directory = save_adapter(model, tmp_path / "adapter")
    config = json.loads((directory / "adapter_config.json").read_text())
    (directory / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "OFT"}))
    theirs = in_peft(plain, directory)
    with torch.no_grad():
        assert not torch.allclose(theirs(x), model(x), rtol=1e-2)
        merged = theirs.merge_and_unload()
        torch.testing.assert_close(merged[0].weight, merge(model)[0].weight, rtol=1e-4, atol=1e-5)


def test_a_strength_that_peft_cannot_hold_makes_it_refuse_the_file(tmp_path: Path) -> None:
    plain, x = build("linear")
    model = scale(perturbed(plain, "dora"), 0.5)
    directory = save_adapter(model, tmp_path / "adapter")
    assert "strength" in read_adapter_config(directory)["visionlora"]["not_for_peft"]
    with pytest.raises(Exception, match="VISIONLORA_DORA"):
        in_peft(plain, directory)
    loaded = load_adapter(copy.deepcopy(plain), directory)
    torch.testing.assert_close(loaded(x), model(x))


def perturbed(plain: nn.Module, family: str, **fields: Any) -> nn.Module:
    model = attach(copy.deepcopy(plain), LoraConfig(family=family, **{"rank": 2, **fields}))
    perturb(model)
    return model


FOREIGN: list[tuple[str, Callable[[], peft.PeftConfig]]] = [
    ("linear", lambda: peft.LoraConfig(r=3, lora_alpha=5, use_dora=True, target_modules=["0"])),
    ("conv2d", lambda: peft.LoraConfig(r=3, lora_alpha=5, use_dora=True, target_modules=["0"])),
    ("embedding", lambda: peft.LoraConfig(r=3, lora_alpha=5, target_modules=["0"])),
    ("embedding", lambda: peft.LoraConfig(r=3, lora_alpha=5, use_dora=True, target_modules=["0"])),
    ("conv2d", lambda: peft.LoHaConfig(r=3, alpha=5, target_modules=["0"])),
    ("grouped", lambda: peft.LoHaConfig(r=3, alpha=5, target_modules=["0"])),
    ("dilated", lambda: peft.LoKrConfig(r=1, alpha=5, target_modules=["0"])),
    ("conv2d", lambda: peft.LoKrConfig(r=1, alpha=5, target_modules=["0"])),
    ("linear", lambda: peft.LoKrConfig(r=1, alpha=5, decompose_both=True, target_modules=["0"])),
    ("linear", lambda: peft.LoKrConfig(r=1, alpha=5, decompose_factor=4, target_modules=["0"])),
    ("linear", lambda: peft.OFTConfig(oft_block_size=4, target_modules=["0"])),
    ("linear", lambda: peft.OFTConfig(oft_block_size=5, use_cayley_neumann=False, target_modules=["0"])),
    ("linear", lambda: peft.OFTConfig(r=2, oft_block_size=0, target_modules=["0"])),
    ("linear", lambda: peft.BOFTConfig(boft_block_size=4, target_modules=["0"])),
    ("linear, no bias", lambda: peft.IA3Config(target_modules=["0"], feedforward_modules=[])),
    ("conv2d", lambda: peft.IA3Config(target_modules=["0"], feedforward_modules=["0"])),
    ("linear", lambda: peft.IA3Config(target_modules=["0"], feedforward_modules=[])),
    ("conv2d", lambda: peft.IA3Config(target_modules=["0"], feedforward_modules=[])),
    ("linear", lambda: peft.AdaLoraConfig(init_r=3, total_step=10, target_modules=["0"])),
    ("grouped", lambda: peft.IA3Config(target_modules=["0"], feedforward_modules=["0"])),
    ("grouped", lambda: peft.IA3Config(target_modules=["0"], feedforward_modules=[])),
]


@pytest.mark.parametrize(("layer", "config"), FOREIGN)
def test_a_file_of_peft_computes_the_same_here(
    layer: str, config: Callable[[], peft.PeftConfig], tmp_path: Path
) -> None:
    plain, x = build(layer)
    theirs = peft.get_peft_model(copy.deepcopy(plain), config()).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.3)
        theirs.save_pretrained(str(tmp_path))
        model = load_adapter(copy.deepcopy(plain), tmp_path)
        again = load_adapter(copy.deepcopy(plain), save_adapter(model, tmp_path / "again"))
        torch.testing.assert_close(again(x), model(x))
        expected = theirs.merge_and_unload()
        torch.testing.assert_close(merge(model)[0].weight, expected[0].weight, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(x), expected(x), rtol=1e-4, atol=1e-5)


def several_layers() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 1, bias=False), nn.Flatten(2),
        nn.Linear(4, 4), nn.Linear(4, 4, bias=False),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("inner", [["2", "5"], ["0", "1"], ["5"], ".*[24]", "[01]"])
def test_ia3_of_peft_with_some_feedforward_modules_computes_the_same_here(
    inner: list[str] | str, tmp_path: Path
) -> None:
    config = peft.IA3Config(target_modules=["0", "1", "2", "4", "5"], feedforward_modules=inner)
    theirs = peft.get_peft_model(several_layers(), config).eval()
    x = torch.randn(3, 4, 6, 6)
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter.uniform_(0.5, 1.5)
        theirs.save_pretrained(str(tmp_path))
        model = load_adapter(several_layers(), tmp_path)
        torch.testing.assert_close(model(x), theirs(x), rtol=1e-4, atol=1e-5)
        again = load_adapter(several_layers(), save_adapter(model, tmp_path / "again"))
        torch.testing.assert_close(again(x), model(x))


@pytest.mark.filterwarnings("ignore:LoRA adapter added")
@pytest.mark.parametrize("own_group", [False, True])
@pytest.mark.parametrize("rslora", [False, True])
def test_dora_of_peft_on_a_grouped_convolution_computes_the_same_here(
    own_group: bool, rslora: bool, tmp_path: Path
) -> None:
    config = peft.LoraConfig(r=4, lora_alpha=3, use_dora=True, use_rslora=rslora, target_modules=["0", "1"])
    theirs = peft.get_peft_model(several_layers(), config).eval()
    x = torch.randn(3, 4, 6, 6)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if parameter.requires_grad:
                parameter.uniform_(0.2, 1.2)
            if own_group and ".1.lora_A" in name:
                parameter[:2, 2:], parameter[2:, :2] = 0, 0
        theirs.save_pretrained(str(tmp_path))
        model = load_adapter(several_layers(), tmp_path)
        torch.testing.assert_close(model(x), theirs(x), rtol=1e-4, atol=1e-5)
        again = load_adapter(several_layers(), save_adapter(model, tmp_path / "again"))
        torch.testing.assert_close(again(x), model(x))
        if own_group:
            torch.testing.assert_close(merge(model)(x), again(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "config"),
    [
        ("conv2d", lambda: peft.OFTConfig(oft_block_size=4, target_modules=["0"])),
        ("linear", lambda: peft.OFTConfig(oft_block_size=4, coft=True, target_modules=["0"])),
        ("conv1d", lambda: peft.LoKrConfig(r=8, target_modules=["0"])),
        ("conv2d", lambda: peft.LoHaConfig(r=2, use_effective_conv2d=True, target_modules=["0"])),
        ("own forward", lambda: peft.LoraConfig(r=2, target_modules=["0"])),
        ("own forward", lambda: peft.IA3Config(target_modules=["0"], feedforward_modules=[])),
        ("grouped, own forward", lambda: peft.LoraConfig(r=2, target_modules=["0"])),
    ],
)
def test_a_file_of_peft_that_would_compute_something_else_here_is_refused(
    layer: str, config: Callable[[], peft.PeftConfig], tmp_path: Path
) -> None:
    plain, _ = build(layer)
    peft.get_peft_model(copy.deepcopy(plain), config()).save_pretrained(str(tmp_path))
    with pytest.raises(LoraError, match=r"PEFT"):
        load_adapter(plain, tmp_path)


@pytest.mark.parametrize("side", ["input", "output"])
def test_ia3_of_a_grouped_convolution_is_saved_with_its_merged_weight(side: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential()
    plain.add_module("grouped", nn.Conv2d(4, 4, 1, groups=2, bias=False))
    plain.add_module("dense", nn.Conv2d(4, 4, 1, bias=False))
    model = attach(copy.deepcopy(plain), LoraConfig(family="ia3", options={"side": side}))
    perturb(model)
    assert save_peft(model, tmp_path).merged == (["grouped"] if side == "input" else [])
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(in_peft(plain, tmp_path)(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 8])
def test_a_merged_layer_whose_name_one_of_pefts_own_modules_has_is_refused(rank: int, tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Linear(16, 16), nn.Unflatten(1, (4, 4)), nn.ConvTranspose1d(4, 4, 1))
    model = attach(plain, LoraConfig(family="lokr", rank=rank))  # with rank 1 w2 is a product
    perturb(model)
    with pytest.raises(LoraError, match=r"PEFT would take 0.lokr_w2.* for 2, whose merged weight"):
        save_peft(model, tmp_path)


def test_a_layer_beside_a_merged_one_whose_name_ends_so_is_refused(tmp_path: Path) -> None:
    plain = nn.Sequential()
    plain.add_module("first", nn.Conv2d(4, 4, 1))
    plain.add_module("a_norm", nn.BatchNorm2d(4, affine=False))
    plain.add_module("norm", nn.Conv2d(4, 4, 1, groups=2))
    model = attach(plain, LoraConfig(rank=1))
    perturb(model)
    with pytest.raises(LoraError, match=r"PEFT would take a_norm for norm"):
        save_peft(model, tmp_path)


def test_boft_of_several_factors_is_saved_merged_for_a_peft_without_its_extension(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential()
    plain.add_module("two", nn.Linear(8, 2))
    plain.add_module("one", nn.Linear(2, 3))
    model = attach(copy.deepcopy(plain), LoraConfig(family="boft", rank=2))
    perturb(model)
    assert save_peft(model, tmp_path).merged == ["two"]
    x = torch.randn(2, 8)
    torch.testing.assert_close(in_peft(plain, tmp_path)(x), model(x), rtol=1e-4, atol=1e-5)
