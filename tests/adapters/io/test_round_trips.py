"""Adapters that travel: saved by one library and read by another, with the same logits and merged weights."""

from __future__ import annotations

import copy
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import loralib
import peft
import pytest
import torch
from safetensors.torch import load_file as load_safetensors
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.adapters.io.round_trips import NETWORKS, build, images
from tests.adapters.networks import perturb
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    active_adapters,
    adapted_layers,
    adapters_off,
    attach,
    detach,
    load_adapter,
    merge,
    merged,
    named_adapters,
    save_adapter,
)
from visionlora.adapters.io.formats import format_of, load_file
from visionlora.adapters.io.loralib import load_loralib, save_loralib
from visionlora.adapters.io.lycoris import load_lycoris
from visionlora.adapters.io.lycoris_write import save_lycoris
from visionlora.adapters.io.peft_export import save_peft

logging.getLogger("LyCORIS").setLevel(logging.ERROR)
lycoris = pytest.importorskip("lycoris")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def adapted(name: str, family: str, **fields: Any) -> nn.Module:
    network = attach(build(name), LoraConfig(family=family, **{"rank": 2, "alpha": 3.0, **fields}))
    perturb(network, 0.3 if family == "loha" else 0.05)
    return network


def close(left: Tensor, right: Tensor, beside: Tensor | None = None) -> None:
    """Equal within 1e-5 of the largest logit, and not what the plain network gives."""
    scale = float(right.abs().max())
    torch.testing.assert_close(left, right, rtol=0, atol=1e-5 * max(1.0, scale))
    if beside is not None:
        assert float((left - beside).abs().max()) > 1e-3 * scale


def same_merged_weights(ours: nn.Module, theirs: dict[str, Tensor]) -> None:
    merge(ours)
    state = ours.state_dict()
    assert theirs
    for name, weight in theirs.items():
        torch.testing.assert_close(state[name], weight.view(state[name].shape), rtol=1e-4, atol=1e-5)


# --- PEFT ---


@pytest.mark.parametrize(
    ("name", "family"),
    [
        *((name, "lora") for name in NETWORKS),
        ("vgg11", "loha"),
        ("convnext", "loha"),
        ("mobilenet_v2", "ia3"),
    ],
)
def test_peft_computes_what_we_wrote_for_it(name: str, family: str, tmp_path: Path) -> None:
    x, network = images(), adapted(name, family, bias="lora_only" if family == "lora" else "none")
    written = save_peft(network, tmp_path)
    if family == "lora":
        grouped = any(getattr(layer, "groups", 1) > 1 for layer in network.modules())
        assert bool(written.merged) == grouped
    theirs = peft.PeftModel.from_pretrained(build(name), tmp_path).eval()
    close(theirs(x), network(x), build(name)(x))
    close(load_adapter(build(name), tmp_path)(x), network(x))
    expected = network(x)
    close(theirs.merge_and_unload()(x), expected)
    close(merge(network)(x), expected)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (
            "vgg11",
            {"target_modules": r"features\.(0|3|6)|classifier\.0", "rank_pattern": {r"features\.0": 2}},
        ),
        ("resnet18", {"target_modules": ["conv1", "conv2"], "modules_to_save": ["fc"], "use_rslora": True}),
        ("resnet18", {"target_modules": ["conv2", "fc"], "bias": "all"}),
        ("mobilenet_v2", {"target_modules": r"features\.(1\.conv\.0\.0|3\.conv\.0\.0|18\.0)"}),
        ("convnext", {"target_modules": r".*block\.[35]", "alpha_pattern": {r"block\.3": 5}}),
        ("timm_resnet", {"target_modules": r".*conv[123]", "bias": "lora_only"}),
        ("timm_resnet", {"target_modules": r".*conv3", "use_dora": True}),
    ],
)
def test_what_peft_saved_computes_the_same_here(name: str, fields: dict[str, Any], tmp_path: Path) -> None:
    x = images()
    theirs = peft.get_peft_model(build(name), peft.LoraConfig(r=8, lora_alpha=4, **fields)).eval()
    for parameter in theirs.parameters():
        if parameter.requires_grad:
            parameter.add_(torch.randn_like(parameter) * 0.02)
    theirs.save_pretrained(str(tmp_path))
    network = load_adapter(build(name), tmp_path)
    close(network(x), theirs(x), build(name)(x))
    with merged(network):
        close(network(x), theirs(x))
    with adapters_off(network):
        close(network(x), build(name)(x))
    if name != "mobilenet_v2":  # PEFT can't merge grouped convolutions
        expected = theirs.merge_and_unload().state_dict()
        same_merged_weights(network, {key: one for key, one in expected.items() if key.endswith("weight")})


@pytest.mark.parametrize("block_diagonal", [False, True])
def test_lora_of_a_grouped_convolution_is_what_peft_computes(block_diagonal: bool, tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Conv2d(8, 12, 3, groups=4, stride=2, padding=1)).eval()
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["0"])
    theirs = peft.get_peft_model(copy.deepcopy(plain), config).eval()
    layer = theirs.base_model.model[0]
    layer.lora_B["default"].weight.normal_()
    A = layer.lora_A["default"].weight
    if block_diagonal:
        for group in range(4):
            outside = [channel for channel in range(8) if channel // 2 != group]
            A[group, outside] = 0
    theirs.save_pretrained(str(tmp_path))
    x = torch.randn(2, 8, 9, 9)
    network = load_adapter(copy.deepcopy(plain), tmp_path)
    expected = theirs(x)
    torch.testing.assert_close(network(x), expected)
    assert [one.family for one in active_adapters(network)] == ["lora" if block_diagonal else "cross_group"]
    again = save_adapter(network, tmp_path / "again")
    torch.testing.assert_close(load_adapter(plain, again)(x), expected)
    if block_diagonal:
        torch.testing.assert_close(merge(network)(x), expected)
    else:
        with pytest.raises(LoraError, match="can't be merged"):
            merge(network)


# --- LyCORIS ---

ALGORITHMS: list[tuple[str, dict[str, Any]]] = [
    ("lora", {}),
    ("lora", {"dora_wd": True}),
    ("lora", {"use_tucker": True}),
    ("loha", {}),
    ("loha", {"use_tucker": True}),
    ("loha", {"dora_wd": True}),
    ("lokr", {}),
    ("lokr", {"factor": 2, "decompose_both": True}),
    ("lokr", {"full_matrix": True}),
    ("lokr", {"unbalanced_factorization": True}),
    ("diag-oft", {}),
    ("diag-oft", {"rescaled": True, "constraint": 0.01}),
    ("glora", {}),
    ("boft", {"rescaled": True}),
    ("ia3", {}),
    ("full", {}),
]
EACH = [
    *((name, "lora", {}) for name in NETWORKS),
    *(
        pytest.param("timm_resnet", *one, marks=pytest.mark.slow if one[1] else ())
        for one in ALGORITHMS
        if one != ("lora", {})
    ),
    *(
        pytest.param(name, "diag-oft", {}, marks=pytest.mark.slow)
        for name in NETWORKS
        if name != "timm_resnet"
    ),
]


def lycoris_network(network: nn.Module, algo: str, **fields: Any) -> Any:
    """Its adapters on every layer, with values, computing in the network; alpha is not the rank."""
    theirs = lycoris.create_lycoris(network, 1.0, linear_dim=4, linear_alpha=2, algo=algo, **fields)
    theirs.apply_to()
    for parameter in theirs.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.03)
    return theirs.eval()


@pytest.mark.parametrize(("name", "algo", "fields"), EACH)
def test_what_lycoris_saved_computes_the_same_here(
    name: str, algo: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    x, network = images(), build(name)
    theirs = lycoris_network(network, algo, **fields)
    expected = network(x)
    theirs.save_weights(str(tmp_path / "theirs.safetensors"), None, {})
    ours = build(name)
    before = ours(x)
    load_lycoris(ours, tmp_path / "theirs.safetensors")
    close(ours(x), expected, before)
    with adapters_off(ours):
        close(ours(x), before)
    close(merge(ours)(x), expected)


FAMILIES = ("dora", "loha", "lokr", "oft", "boft", "adalora", "full", "vera")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        *((name, "lora") for name in NETWORKS),
        *(("timm_resnet", family) for family in FAMILIES),
        *(pytest.param("mobilenet_v2", family, marks=pytest.mark.slow) for family in FAMILIES),
    ],
)
def test_lycoris_computes_what_we_wrote_for_it(name: str, family: str, tmp_path: Path) -> None:
    options = {"side": "output"} if family in ("oft", "boft") else {}
    x, network = images(), adapted(name, family, options=options)
    file = tmp_path / "ours.safetensors"
    save_lycoris(network, file)
    theirs = build(name)
    loaded, _ = lycoris.create_lycoris_from_weights(1.0, str(file), theirs)
    loaded.apply_to()
    for module in loaded.loras:
        module.eval()
    close(theirs(x), network(x), build(name)(x))
    close(load_lycoris(build(name), file)(x), network(x))


@pytest.mark.parametrize("family", ["lora", "loha", "lokr", "glora"])
def test_a_negative_alpha_turns_the_update_around_and_is_saved_again(family: str, tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(32, 16))
    network = attach(copy.deepcopy(plain), LoraConfig(family=family, rank=2))
    perturb(network)
    file, x = tmp_path / "a.safetensors", torch.randn(3, 8, 4, 4)
    save_lycoris(network, file)
    tensors = load_safetensors(file)
    save_file({key: -one if key.endswith(".alpha") else one for key, one in tensors.items()}, file)
    turned = load_lycoris(copy.deepcopy(plain), file)
    for name, layer in adapted_layers(network).items():
        # LyCORIS leaves alpha out of a LoKr without a decomposition.
        is_whole = {f"lycoris_{name}.lokr_w1", f"lycoris_{name}.lokr_w2"} <= tensors.keys()
        expected = layer.update() if is_whole else -layer.update()
        torch.testing.assert_close(adapted_layers(turned)[name].update(), expected)
    again = load_adapter(copy.deepcopy(plain), save_adapter(turned, tmp_path / "again"))
    torch.testing.assert_close(again(x), turned(x))


@pytest.mark.parametrize(
    ("family", "options"),
    [("ia3", {}), ("ia3", {"side": "input"}), ("lokr", {"factor": 8}), ("lokr", {"factor": 4})],
)
def test_what_lycoris_cannot_load_as_its_family_is_written_as_a_difference(
    family: str, options: dict[str, Any], tmp_path: Path
) -> None:
    plain = nn.Sequential(nn.Conv2d(8, 8, 1, stride=2), nn.Flatten(), nn.Linear(32, 16))
    network = attach(copy.deepcopy(plain), LoraConfig(family=family, rank=1, options=options))
    perturb(network)
    file, x = tmp_path / "a.safetensors", torch.randn(3, 8, 4, 4)
    whole = save_lycoris(network, file)
    assert whole == {"ia3": ["0", "2"], 8: ["0", "2"], 4: ["0"]}[options.get("factor", family)]
    theirs = copy.deepcopy(plain)
    lycoris.create_lycoris_from_weights(1.0, str(file), theirs)[0].apply_to()
    close(theirs(x), network(x), plain(x))
    close(load_lycoris(plain, file)(x), network(x))


def test_a_file_of_lycoris_that_changes_nothing_says_so(tmp_path: Path) -> None:
    save_file({"lycoris_0.diff": torch.zeros(4, 4)}, tmp_path / "a.safetensors")
    with pytest.raises(LoraError, match="changes no layer of this Sequential: all its changes are zero"):
        load_lycoris(nn.Sequential(nn.Linear(4, 4)), tmp_path / "a.safetensors")


FACTORS = {
    "kohya": ("lora_unet_{flat}.lora_down.weight", "lora_unet_{flat}.lora_up.weight"),
    "comfyui": ("diffusion_model.{name}.lora_A.weight", "diffusion_model.{name}.lora_B.weight"),
    "diffusers": ("unet.{name}.lora.down.weight", "unet.{name}.lora.up.weight"),
    "peft": ("base_model.model.{name}.lora_A.weight", "base_model.model.{name}.lora_B.weight"),
    "peft's state dict": (
        "base_model.model.{name}.lora_A.default.weight", "base_model.model.{name}.lora_B.default.weight",
    ),
    "no prefix": ("{name}.lora_A.weight", "{name}.lora_B.weight"),
}  # fmt: skip


@pytest.mark.parametrize("naming", FACTORS)
@pytest.mark.parametrize("alpha", [None, 3.0], ids=["in the file", "given"])
def test_lora_in_one_file_is_read_under_the_names_of_each_program(
    naming: str, alpha: float | None, tmp_path: Path
) -> None:
    network = adapted("resnet18", "lora")
    tensors = {}
    for name, adapter in named_adapters(network).items():
        down, up = (one.format(name=name, flat=name.replace(".", "_")) for one in FACTORS[naming])
        tensors |= {down: adapter.lora_A.detach(), up: adapter.lora_B.detach()}
        if alpha is None or naming == "kohya":
            prefix = down[: down.index(".lora")]
            tensors[f"{prefix}.alpha"] = torch.tensor(3.0)
    file = tmp_path / "a.safetensors"
    save_file(tensors, file)
    if alpha is None or naming == "kohya":
        with pytest.raises(LoraError, match="holds alpha itself"):
            load_file(build("resnet18"), file, alpha=3.0)
        alpha = None
    else:
        with pytest.raises(LoraError, match="give the lora_alpha of the training as alpha=NUMBER"):
            load_file(build("resnet18"), file)
    close(load_file(build("resnet18"), file, alpha=alpha)(images()), network(images()))


def test_a_file_with_two_adapters_of_a_layer_is_refused(tmp_path: Path) -> None:
    parts = {"lora_A": torch.ones(1, 4), "lora_B": torch.ones(4, 1)}
    save_file(
        {f"0.{part}.{name}.weight": tensor.clone() for part, tensor in parts.items() for name in "ab"},
        tmp_path / "a.safetensors",
    )
    with pytest.raises(LoraError, match="holds no adapter's tensors"):
        load_file(nn.Sequential(nn.Linear(4, 4)), tmp_path / "a.safetensors", alpha=1)


def test_a_prefix_and_dots_are_told_apart_from_names(tmp_path: Path) -> None:
    network = adapted("resnet18", "lora")
    save_lycoris(network, tmp_path / "kohya.safetensors", prefix="lora_unet")
    close(load_lycoris(build("resnet18"), tmp_path / "kohya.safetensors")(images()), network(images()))
    with pytest.raises(LoraError, match="the network has no layer"):
        load_lycoris(build("vgg11"), tmp_path / "kohya.safetensors")


# --- loralib ---


class LoralibNetwork(nn.Module):
    """The same layers as `plain_twin`, of loralib."""

    def __init__(self, first: nn.Module, second: nn.Module, third: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.third, self.last = first, second, third, last

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).relu()).relu()
        return self.last(self.third(x.mean((2, 3))).relu())


def loralib_network(rank: dict[str, int], alpha: dict[str, int]) -> nn.Module:
    def fields(name: str) -> dict[str, int]:
        return {"r": rank[name], "lora_alpha": alpha[name]}

    return LoralibNetwork(
        loralib.Conv2d(3, 8, 3, padding=1, **fields("first")),
        loralib.Conv2d(8, 12, 3, groups=2, **fields("second")),
        loralib.Linear(12, 16, **fields("third")),
        loralib.MergedLinear(16, 6, enable_lora=[True, True], **fields("last")),
    )


def plain_twin(theirs: nn.Module) -> nn.Module:
    twin = LoralibNetwork(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, groups=2), nn.Linear(12, 16), nn.Linear(16, 6)
    ).eval()
    state = theirs.state_dict()
    twin.load_state_dict(
        {key.replace(".conv.", "."): one for key, one in state.items() if "lora_" not in key}
    )
    return twin


LORALIB_LAYERS = ("first", "second", "third", "last")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("bias", ["none", "lora_only"])
def test_what_loralib_saved_computes_the_same_here(bias: str, suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ranks = dict(zip(LORALIB_LAYERS, (2, 3, 2, 4), strict=True))
    theirs = loralib_network(ranks, dict.fromkeys(LORALIB_LAYERS, 3)).train()
    plain = plain_twin(theirs)
    for name, parameter in theirs.named_parameters():
        if "lora_" in name or (bias != "none" and name.endswith("bias")):
            parameter.normal_(0, 0.3)
    file, state = tmp_path / f"theirs{suffix}", loralib.lora_state_dict(theirs, bias=bias)
    if suffix == ".pt":
        torch.save(state, file)
    else:
        from safetensors.torch import save_file

        save_file(state, file)
    assert format_of(file) == "loralib"
    if bias == "none":
        x = torch.randn(2, 3, 9, 9)
        expected, before = theirs.eval()(x), plain(x)
        network = load_file(plain, file, alpha=3)
        close(network(x), expected, before)
        close(merge(network)(x), expected)
        return
    x = torch.randn(2, 3, 9, 9)
    expected = theirs.eval()(x)
    if suffix == ".pt":
        for key in ("first.conv.bias", "second.conv.bias"):
            state.setdefault(key, theirs.state_dict()[key])
        torch.save(state, file)
        close(load_loralib(plain, file, alpha=3)(x), expected)


def test_loralib_computes_what_we_wrote_for_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = plain_twin(loralib_network(*[dict.fromkeys(LORALIB_LAYERS, 2)] * 2).train())
    state, x = {key: one.clone() for key, one in plain.state_dict().items()}, torch.randn(2, 3, 9, 9)
    network = attach(plain, LoraConfig(rank=3, alpha=5, targets=["first", "second", "third"]))
    perturb(network)
    ranks = save_loralib(network, tmp_path / "ours.pt")
    every = {**ranks, "last": 1}
    theirs = loralib_network(every, every).train()
    named = {f"{key}": one for key, one in state.items()}
    named = {
        key.replace("first.", "first.conv.").replace("second.", "second.conv."): one
        for key, one in named.items()
    }
    theirs.load_state_dict(named, strict=False)
    missing = theirs.load_state_dict(torch.load(tmp_path / "ours.pt", weights_only=True), strict=False)
    assert not missing.unexpected_keys
    close(theirs.eval()(x), network(x))


def test_what_a_loralib_file_does_not_say_is_asked_for(tmp_path: Path) -> None:
    torch.save({"lora_A": torch.zeros(2, 4), "lora_B": torch.zeros(3, 2)}, tmp_path / "a.pt")
    with pytest.raises(LoraError, match="don't hold alpha"):
        load_loralib(nn.Linear(4, 3), tmp_path / "a.pt")
    with pytest.raises(LoraError, match=r"lora_A.*for a weight \(3, 5\)|A is \(2, 4\)"):
        load_loralib(nn.Linear(5, 3), tmp_path / "a.pt", alpha=2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"x": torch.zeros(2)}, "holds no adapter's tensors"),
        ({"lycoris_0.lora_up.weight": torch.full((2, 2), float("nan"))}, "NaN"),
        ([1, 2], "no state dict"),
        ({"lora_A": "text"}, "no state dict"),
    ],
)
def test_a_file_that_holds_no_adapter_is_refused_in_a_line(content: Any, said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(LoraError, match=said) as refused:
        load_file(nn.Sequential(nn.Linear(2, 2)), tmp_path / "file.pt")
    assert "\n" not in str(refused.value)


def test_a_pickle_that_would_run_a_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    with pytest.raises(LoraError, match="damaged, or holds more than tensors, which could run code"):
        load_file(nn.Linear(2, 2), tmp_path / "evil.pt")
    assert not (tmp_path / "evil").exists()


class Doubled(nn.Linear):
    """A layer with a forward pass of its own."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(2 * input)


@pytest.mark.parametrize(
    ("layer", "site", "said"),
    [
        (
            lambda: Doubled(4, 4),
            "0",
            "0 is a Doubled with a forward pass of its own",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2),
            "0.out_proj",
            "MultiheadAttention reads the weight of 0.out_proj",
        ),
    ],
)
def test_layers_that_lycoris_computes_otherwise_are_refused(
    layer: Callable[[], nn.Module], site: str, said: str, tmp_path: Path
) -> None:
    network = attach(nn.Sequential(layer()), LoraConfig(rank=1, targets=[re.escape(site)]))
    with pytest.raises(LoraError, match=said):
        save_lycoris(network, tmp_path / "a.safetensors")
    parts = {"lora_down.weight": torch.ones(1, 4), "lora_up.weight": torch.ones(4, 1)}
    name = f"lycoris_{site.replace('.', '_')}"
    save_file({f"{name}.{part}": tensor for part, tensor in parts.items()}, tmp_path / "b.safetensors")
    with pytest.raises(LoraError, match=said):
        load_lycoris(nn.Sequential(layer()), tmp_path / "b.safetensors")


def test_a_forward_pass_that_loralib_leaves_out_is_refused_in_both_directions(tmp_path: Path) -> None:
    network = attach(nn.Sequential(Doubled(4, 4)), LoraConfig(rank=1))
    with pytest.raises(LoraError, match="0 is a Doubled with a forward pass of its own, which loralib"):
        save_loralib(network, tmp_path / "a.pt")
    torch.save({"0.lora_A": torch.ones(1, 4), "0.lora_B": torch.ones(4, 1)}, tmp_path / "b.pt")
    with pytest.raises(LoraError, match="0 is a Doubled with a forward pass of its own, which loralib"):
        load_loralib(nn.Sequential(Doubled(4, 4)), tmp_path / "b.pt", alpha=1)


def test_boft_with_an_odd_block_is_a_whole_difference_in_lycoris(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Linear(4, 5))
    network = attach(copy.deepcopy(plain), LoraConfig(family="boft", rank=5, options={"side": "output"}))
    perturb(network)
    assert save_lycoris(network, tmp_path / "a.safetensors") == ["0"]
    x = torch.randn(3, 4)
    close(load_file(plain, tmp_path / "a.safetensors")(x), network(x))


def test_a_frozen_norm_is_named_by_its_own_class(tmp_path: Path) -> None:
    network = attach(
        nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)), LoraConfig(family=["lora", "norm"])
    )
    with pytest.raises(LoraError, match="0 is a BatchNorm2d: LyCORIS"):
        save_lycoris(network, tmp_path / "a.safetensors")


def test_attention_that_was_detached_is_as_it_was() -> None:
    network = nn.MultiheadAttention(4, 2)
    before = set(vars(network))
    x = torch.randn(3, 1, 4)
    attach(network)(x, x, x)
    assert set(vars(detach(network))) == before


def test_projections_of_attention_are_not_left_out_of_a_loralib_file(tmp_path: Path) -> None:
    network = attach(nn.ModuleDict({"attention": nn.MultiheadAttention(4, 2), "last": nn.Linear(4, 2)}))
    with pytest.raises(LoraError, match="attention is a MultiheadAttention: loralib adapts"):
        save_loralib(network, tmp_path / "a.pt")


def test_a_layer_that_is_saved_whole_leaves_the_layer_that_it_shares_its_weight_with(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4, bias=False), nn.Linear(4, 2))
    plain[2].weight = plain[0].weight
    network = attach(copy.deepcopy(plain), LoraConfig(rank=1, targets="classifier"))
    perturb(network)
    network[0].weight = nn.Parameter(2 * plain[0].weight.detach())
    x = torch.randn(3, 4)
    expected = network(x)
    loaded = load_adapter(plain, save_adapter(network, tmp_path, modules_to_save=["0"]))
    close(loaded(x), expected)
    frozen = loaded[2].weight.detach().clone()
    assert torch.equal(detach(loaded)[0].weight, frozen)
